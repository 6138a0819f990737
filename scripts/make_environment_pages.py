"""Make docs/environments.md and its pictures anew, from the docstrings of the tasks.

    python scripts/make_environment_pages.py

A task's class has the page in Gymnasium's sections; the spaces are those of the environments
themselves. A test compares the text with the file. `make_environment_films.py` makes the films.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from ttc_envs import (
    UNDECIDED,
    Instances,
    RefinementEnv,
    RefinementVectorEnv,
    Task,
    make_task,
    registered,
)

DOCS = Path(__file__).resolve().parents[1] / "docs"
MODES = ("full", "edit", "logits")
KEY = 12

INTRODUCTION = """\
# Environments

Every id is made by `gymnasium.make("ttc_envs:ID")`, or by `gymnasium.make_vec` with the same
arguments for a batch that moves on in one numpy call. After
`gymnasium.register_envs(ttc_envs)`, see [sharing.md](sharing.md#registering-the-environments), the
ID alone will do. One step of an environment is one refinement
of a complete answer. Below: the ids, the tasks behind them, and
[what all of them share](#what-all-environments-share).

This page is made from the docstrings by `python scripts/make_environment_pages.py`.
"""
SHARED = """\
## What all environments share

The single environment and the batch are two faces of one kernel, and agree step by step.
"""


def page() -> str:
    """The text of docs/environments.md."""
    parts = [INTRODUCTION, _overview()]
    for ids in by_task().values():
        parts += [_heading(ids), *_pictures(ids), _task_page(ids), _spaces(ids)]
    parts.append(SHARED)
    for face in (RefinementEnv, RefinementVectorEnv):
        parts += [f"### `{face.__name__}`\n", _sections(face, depth=4)]
    return "\n".join(parts)


# Text


def by_task() -> dict[str, list[str]]:
    """The ids of each task, in the order of the registry."""
    tasks: dict[str, list[str]] = {}
    for env_id in registered():
        tasks.setdefault(gym.spec(env_id).kwargs["task"], []).append(env_id)
    return tasks


def _heading(ids: list[str]) -> str:
    return f"## {_title(ids)}\n"


def _title(ids: list[str]) -> str:
    """What stands in front of the colour in the first line of the docstring."""
    return _first_line(make_task(ids[0])).partition(":")[0]


def _first_line(task: Task) -> str:
    return inspect.cleandoc(type(task).__doc__ or "").splitlines()[0]


def _overview() -> str:
    """The table of ids."""
    rows = []
    for ids in by_task().values():
        title = _title(ids)
        link = f"[{title}](#{title.lower().replace(' ', '-')})"
        for env_id in ids:
            spec = gym.spec(env_id)
            own = {name: v for name, v in spec.kwargs.items() if name != "task"}
            shown = ", ".join(f"`{name}={value!r}`" for name, value in own.items())
            rows.append([f"`{env_id}`", link, shown, str(spec.max_episode_steps)])
    return _table(["id", "task", "arguments of its own", "steps"], rows)


def _task_page(ids: list[str]) -> str:
    return _sections(type(make_task(ids[0])), depth=3)


def _sections(documented: type, depth: int) -> str:
    """A docstring, its sections as headings of a depth."""
    lines = inspect.cleandoc(documented.__doc__ or "").splitlines()
    shifted = ["#" * (depth - 2) + line if line.startswith("## ") else line for line in lines]
    return "\n".join(shifted) + "\n"


def _spaces(ids: list[str]) -> str:
    """A table of the spaces, one column for each id."""
    columns = [_column(env_id) for env_id in ids]
    names = [name for column in columns for name in column]
    rows = [[name, *(column[name] for column in columns)] for name in dict.fromkeys(names)]
    table = _table(["", *(f"`{env_id}`" for env_id in ids)], rows)
    return f"### Spaces as they are made by default\n\n{table}"


def _column(env_id: str) -> dict[str, str]:
    """{row: what stands there} of an id."""
    column = {}
    for mode in MODES:
        env: Any = gym.make(env_id, action_mode=mode)
        column[f"action, `{mode}`"] = _action_space(env.action_space)
    for name, box in env.observation_space.spaces.items():
        low, high = box.low.min(), box.high.max()
        column[f"`{name}`"] = f"({box.shape[0]},) {box.dtype}, {low:g} to {high:.10g}"
    return column


def _action_space(space: Any) -> str:
    if isinstance(space, gym.spaces.MultiDiscrete):
        return f"`MultiDiscrete([{space.nvec[0]}] * {len(space.nvec)})`"
    if isinstance(space, gym.spaces.Discrete):
        return f"`Discrete({space.n})`"
    return f"`Box(-1, 1, ({space.shape[0]},), float32)`"


def _table(heading: list[str], rows: list[list[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


# Pictures


def sudoku_answer(task: Task, instances: Instances) -> np.ndarray:
    """The grid after one round of singles, what is given on grey."""
    return task.improve(instances, task.initial_answer(instances))


def sorting_answer(task: Task, instances: Instances) -> np.ndarray:
    """The list after five rounds of exchanges, and the moves since the beginning."""
    return _refined(task, instances, 5)


def next_hop_answer(task: Task, instances: Instances) -> np.ndarray:
    """The hops after five sweeps, and the path that follows them (dark)."""
    return _refined(task, instances, 5)


def sequence_answer(task: Task, instances: Instances) -> np.ndarray:
    """A path that leaves out one place of the shortest one (light): an illegal jump (red)."""
    right = instances.labels["answer"]
    middle = int((right != right[:, -1:]).sum()) // 2
    last = np.full_like(right[:, :1], UNDECIDED)
    return np.concatenate([np.delete(right, middle, axis=1), last], axis=1)


def _refined(task: Task, instances: Instances, steps: int) -> np.ndarray:
    answer = task.initial_answer(instances)
    for _ in range(steps):
        answer = task.improve(instances, answer)
    return answer


PICTURES: dict[str, tuple[str, Callable[[Task, Instances], np.ndarray]]] = {
    "ttc/Sudoku-v0": ("easy", sudoku_answer),
    "ttc/Sudoku4-v0": ("minimal", sudoku_answer),
    "ttc/Sorting-v0": ("uniform", sorting_answer),
    "ttc/ShortestPath-v0": ("spread64", next_hop_answer),
    "ttc/ShortestPathUSA-v0": ("far", sequence_answer),
}
"""Level and answer of the picture of an id; ids that look alike share one."""


class Film(NamedTuple):
    """What the film of an id shows: an instance of the test split, refined by a trained network.

    Args:
        weights: A shipped checkpoint, or the name of one that is trained for the film.
        level: Of the instance.
        seed: That draws the instance.
        width: Of the film, in pixels.
        task: Arguments of the task as NAME=VALUE, where they are not those of the id.
        training: What `ttc train` is told, where the weights are not shipped.
        note: What else there is to say.
    """

    weights: str
    level: str
    seed: int
    width: int
    task: tuple[str, ...] = ()
    training: tuple[str, ...] = ()
    note: str = ""


NINE = " It was trained on 9x9 alone."
FILMS: dict[str, Film] = {
    "ttc/Sudoku-v0": Film("sudoku-cpu", "minimal", 0, 230),
    "ttc/SudokuEdit-v0": Film("sudoku-cpu", "minimal", 0, 240),
    "ttc/Sudoku4-v0": Film("sudoku-cpu", "minimal", 0, 160, note=NINE),
    "ttc/SudokuEdit4-v0": Film("sudoku-cpu", "minimal", 0, 160, note=NINE),
    "ttc/Sorting-v0": Film("sorting-adjacent-cpu", "uniform", 0, 320, ("view=adjacent",)),
    "ttc/ShortestPath-v0": Film("shortest-path-cpu", "spread64", 21, 420),
    "ttc/ShortestPathUSA-v0": Film(
        "city-lstm",
        "any",
        13,
        420,
        ("cities=spread=64", "slots=24"),
        (
            *("city-lstm-cpu-20min", "--updates", "3000", "--set", "task.cities=spread=64"),
            *("task.slots=24", "model_options.width=128", "model_options.embedding=64"),
        ),
    ),
}


def picture_name(env_id: str, suffix: str = ".png") -> str:
    """The path of a picture below docs."""
    return f"images/{env_id.removeprefix('ttc/').lower()}{suffix}"


def _pictures(ids: list[str]) -> list[str]:
    """The pictures and films of ids, each with what it shows."""
    parts = []
    for env_id in ids:
        if env_id in PICTURES:
            what = PICTURES[env_id][1].__doc__
            parts.append(f"![{env_id}]({picture_name(env_id)})\n\n`{env_id}`: {what}\n")
        if env_id in FILMS:
            film = picture_name(env_id, ".gif")
            parts.append(f"![{env_id}, a film]({film})\n\n{film_caption(env_id)}\n")
    return parts


def film_caption(env_id: str) -> str:
    """What a film shows, by which weights, and of which seed."""
    film = FILMS[env_id]
    edits = gym.spec(env_id).kwargs["action_mode"] == "edit"
    doing = "writes its answer one edit at a time" if edits else "refines its answer"
    own = f", `{' '.join(film.task)}`" if film.task else ""
    drawn = f"level `{film.level}`, seed {film.seed}, split `test`{own}"
    trained = f" It was trained by `ttc train {' '.join(film.training)}`." if film.training else ""
    return f"`{env_id}`: the network `{film.weights}` {doing} ({drawn}).{trained}{film.note}"


def draw(env_id: str) -> np.ndarray:
    """The picture of an id, (height, width, 3) uint8."""
    task = make_task(env_id)
    level, answer_of = PICTURES[env_id]
    instances = task.sample(np.array([KEY], dtype=np.uint64), level)
    pixels: np.ndarray = task.render(instances, answer_of(task, instances), "rgb_array")
    return pixels


def write_pictures() -> None:
    """All pictures, in few colours, so that they are small."""
    from PIL import Image

    for env_id in PICTURES:
        # Of the methods this one keeps colours of few pixels, such as the red of a jump.
        image = Image.fromarray(draw(env_id)).quantize(128, Image.Quantize.MAXCOVERAGE)
        path = DOCS / picture_name(env_id)
        path.parent.mkdir(exist_ok=True)
        image.save(path, optimize=True)
        print(path, path.stat().st_size, "bytes")


def main() -> None:
    """Write the page and its pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    (DOCS / "environments.md").write_text(page(), encoding="utf-8")
    write_pictures()


if __name__ == "__main__":
    main()
