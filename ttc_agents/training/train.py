"""Training a recipe into a directory: what `ttc train` and `ttc_agents.train` do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttc_agents.inference import checkpoint
from ttc_agents.inference.directory import METRICS, can_resume, has_checkpoint, held_directory
from ttc_agents.training.engine import pick_device
from ttc_agents.training.hooks import Alarm, ProgressBar, Reporter, Saver, SlowWatch
from ttc_agents.training.loop import Hook, StopRequest, run
from ttc_agents.training.recipe import Recipe
from ttc_agents.training.recipes import find_recipe, measured
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
        BlockingIOError: Another process is training there.
        FileExistsError, FileNotFoundError, ValueError: See `directory.check_directory` and
            `engine.pick_device`.
    """
    recipe, out = find_recipe(recipe).replaced(**changes), Path(out)
    target = pick_device(device)
    task = checkpoint.split_task(recipe.env_id, recipe.task, None)
    check_possible(recipe, task)
    begun, first = resume and has_checkpoint(out), out / FIRST
    in_first = bool(recipe.first) and resume and not begun and first.is_dir()
    with held_directory(out, resume, overwrite, checked=not in_first):
        if recipe.first and not begun:
            result = train(
                recipe.first,
                first,
                resume=in_first and can_resume(first),
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
            return trained(training, out, begun, [*alarms(recipe), *hooks], bar)


def trained(
    training: Training, out: Path, begun: bool, watching: Sequence[Hook], bar: ProgressBar
) -> TrainResult:
    """Train into a directory that is held, from its checkpoint where it was begun there."""
    recipe, saver = training.recipe, Saver(out, watching)
    if begun:
        check_same(training, out)
        saver.load(training)
    elif recipe.first:
        training.take_over(out / FIRST)
    with (
        StopRequest() as stop,
        Reporter(out / METRICS, training.updates, bar) as reporter,
    ):
        slow = SlowWatch(measured(recipe), bar.line)
        run(training, recipe.length, [*watching, reporter, saver, slow], stop=stop)
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
    if not isinstance(config.get("recipe"), dict):
        raise ValueError(f"{out} was not trained by a recipe, so it cannot be gone on with")
    differ = training.recipe.differences(config["recipe"])
    if differ:
        pairs = ", ".join(
            f"{name}: {saved!r} there, {own!r} asked" for name, (saved, own) in differ.items()
        )
        raise ValueError(f"{out} was trained by another recipe ({pairs})")
    checkpoint.check_sources(out, config, training.task)
