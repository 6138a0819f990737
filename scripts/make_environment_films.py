"""Make the films of docs/environments.md anew: one for each id, of a trained network.

    python scripts/make_environment_films.py
    python scripts/make_environment_films.py --only ttc/Sorting-v0

`FILMS` of `make_environment_pages.py` says which weights refine which instance. Weights that are
not shipped are trained below runs/films first, in minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from make_environment_pages import DOCS, FILMS, Film, picture_name

from ttc_agents.cli import main as ttc
from ttc_agents.cli.options import task_options
from ttc_agents.evaluation.traces import Editor
from ttc_agents.figures.animation import Frame, frames, gif_of
from ttc_agents.inference.checkpoint import load_model, load_task, split_task
from ttc_agents.inference.precision import exactly
from ttc_agents.inference.refine import refine
from ttc_agents.models import RefinementModel
from ttc_envs import Instances, RefinementVectorEnv, Task, env_options

ROOT = Path(__file__).resolve().parents[1]
STEPS = 64


def weights_of(film: Film) -> str:
    """The checkpoint of a film, trained first where it does not ship and is not there yet."""
    if not film.training:
        return film.weights
    out = ROOT / "runs/films" / film.weights
    if not (out / "config.json").is_file() and ttc(["train", *film.training, "--out", str(out)]):
        raise SystemExit("the training failed")
    return str(out)


def edited(model: RefinementModel, task: Task, instance: Instances) -> Iterator[Frame]:
    """Yield what is to be seen of a network that writes its answers by edits."""
    envs = RefinementVectorEnv(task, 1, action_mode="edit", terminate_on_solved=False)
    observation, info = envs.reset(options={"instance": instance})
    editor = Editor(model, task)
    editor.begin(envs)
    step, over = 0, np.zeros(1, dtype=bool)
    while True:
        changed, solved = int(info["changed"][0]), bool(info["solved"][0])
        yield Frame(step, observation["answer"], None, changed, solved, True)
        action, over = editor.act(envs, observation)
        if over.all():
            return
        observation, _, _, _, info = envs.step(action)
        step += 1


def draw(env_id: str) -> tuple[bytes, Frame]:
    """The film of an id, and its last frame."""
    film = FILMS[env_id]
    checkpoint = weights_of(film)
    task = split_task(env_id, task_options(film.task), "test")
    same = task.spec.num_choices == load_task(checkpoint).spec.num_choices
    model = load_model(checkpoint, spec=None if same else task.spec)
    keys = np.random.default_rng(film.seed).integers(2**64, size=1, dtype=np.uint64)
    instance = task.sample(keys, film.level)
    with exactly(model):
        if env_options(env_id)["action_mode"] == "edit":
            seen = list(edited(model, task, instance))
        else:
            seen = list(frames(refine(model, task, instance, STEPS), task, instance))
    return gif_of(task, instance, seen, film.width), seen[-1]


def main() -> None:
    """Write the films, and say how large they are and whether the rules hold at their end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(FILMS), default=list(FILMS))
    for env_id in parser.parse_args().only:
        data, last = draw(env_id)
        path = DOCS / picture_name(env_id, ".gif")
        path.write_bytes(data)
        print(path.relative_to(ROOT), len(data), "bytes, solved" if last.solved else "bytes, wrong")


if __name__ == "__main__":
    main()
