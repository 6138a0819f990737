"""Training a recipe into a directory: what `ttc train` and `ttc_agents.train` do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttc_agents.inference import checkpoint
from ttc_agents.training.engine import pick_device
from ttc_agents.training.hooks import Alarm, ProgressBar, Reporter, Saver
from ttc_agents.training.loop import Hook, StopRequest, run
from ttc_agents.training.recipe import Recipe
from ttc_agents.training.recipes import find_recipe
from ttc_agents.training.update import Training
from ttc_envs import Task

FIRST = "first"
"""Directory, in that of a training, of the recipe that was trained before it."""


@dataclass(frozen=True)
class TrainResult:
    """What a training has led to.

    Args:
        checkpoint: Directory of the checkpoint.
        updates: Updates done, over all resumptions.
        seconds: Seconds trained, over all resumptions.
        instances: Instances drawn.
        finished: False if it was interrupted before its end.
    """

    checkpoint: Path
    updates: int
    seconds: float
    instances: int
    finished: bool


def train(
    recipe: Recipe | str,
    out: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    show: bool | None = None,
    hooks: Sequence[Hook] = (),
    **changes: Any,
) -> TrainResult:
    """Train a recipe into a directory, and before it the one that it names as its first.

    The first Ctrl-C or SIGTERM finishes the update and saves; a second one leaves at once.

    Args:
        recipe: What to train: a `Recipe`, or the name of one.
        out: Directory of the checkpoint.
        resume: Go on from the checkpoint in `out`.
        overwrite: Replace the checkpoint in `out`.
        device: `auto`, `cpu`, `cuda`, ...
        show: Draw a progress bar; None does so on a terminal.
        hooks: What else happens after each update.
        changes: Fields of the recipe to replace; `seconds` and `updates` replace each other.

    Raises:
        FileExistsError, FileNotFoundError, ValueError: See
            `checkpoint.prepare_directory` and `engine.pick_device`.
    """
    recipe, out = find_recipe(recipe).replaced(**changes), Path(out)
    target = pick_device(device)
    task = checkpoint.split_task(recipe.env_id, recipe.task, None)
    check_possible(recipe, task)
    in_first = bool(recipe.first) and (out / FIRST / "training.pt").is_file()
    begun = resume and (out / "training.pt").is_file()
    if begun or not (resume and in_first):
        checkpoint.prepare_directory(out, resume, overwrite)
    if recipe.first and not begun:
        result = train(
            recipe.first,
            out / FIRST,
            resume=resume and in_first,
            overwrite=overwrite,
            device=device,
            show=show,
            hooks=hooks,
            seed=recipe.seed,
        )
        if not result.finished:
            return result
    with ProgressBar(recipe.name, show) as bar:
        training = Training(recipe, task, target, bar.line)
        watching = [*alarms(recipe), *hooks]
        saver = Saver(out, watching)
        if begun:
            check_same(training, out)
            saver.load(training)
        elif recipe.first:
            training.take_over(out / FIRST)
        with (
            StopRequest() as stop,
            Reporter(out / checkpoint.METRICS, training.updates, bar) as reporter,
        ):
            run(training, recipe.length, [*watching, reporter, saver], stop=stop)
    saver.save(training)
    spent = training.spent
    finished = recipe.length.share(spent) >= 1
    return TrainResult(out, spent.updates, spent.seconds, training.carried.drawn, finished)


def alarms(recipe: Recipe) -> list[Hook]:
    """The alarm of a recipe that has one."""
    return [Alarm(recipe)] if recipe.alarm_every else []


def check_possible(recipe: Recipe, task: Task) -> None:
    """Refuse what cannot be trained, before a directory is touched.

    Raises:
        ValueError: There is no such level, or the model or the task cannot do what is asked.
    """
    for level in recipe.levels():
        task.level_index(level)
    Training(recipe, task)


def check_same(training: Training, out: Path) -> None:
    """Refuse to resume another recipe, or the same one on other files.

    Raises:
        ValueError: The checkpoint was made by a recipe that differs in what matters, or from files
            of other content.
    """
    config = checkpoint.load_config(out)
    differ = training.recipe.differences(config["recipe"])
    if differ:
        pairs = ", ".join(
            f"{name}: {saved!r} there, {own!r} asked" for name, (saved, own) in differ.items()
        )
        raise ValueError(f"{out} was trained by another recipe ({pairs})")
    checkpoint.check_sources(out, config, training.task)
