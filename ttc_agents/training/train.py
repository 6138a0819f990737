"""Training a recipe into a directory: what `ttc train` and `ttc_agents.train` do."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttc_agents.inference import checkpoint
from ttc_agents.inference.directory import METRICS, can_resume, has_checkpoint, held_directory
from ttc_agents.training.distributed import (
    ALONE,
    SharedStop,
    World,
    own_device,
    world_of,
)
from ttc_agents.training.engine import pick_device
from ttc_agents.training.hooks import Alarm, ProgressBar, Reporter, Saver, SlowWatch
from ttc_agents.training.loop import Hook, Stop, StopRequest, run
from ttc_agents.training.recipe import Recipe
from ttc_agents.training.recipes import find_recipe, measured
from ttc_agents.training.update import Training, check_world
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
        updates_before: Updates that were done when it was resumed; 0 where it was begun.
    """

    checkpoint: Path
    updates: int
    seconds: float
    instances: int
    finished: bool
    updates_before: int = 0


def train(
    recipe: Recipe | str,
    out: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    show: bool | None = None,
    hooks: Sequence[Hook] = (),
    save_every: float | None = None,
    clock: Callable[[], float] = time.perf_counter,
    **changes: Any,
) -> TrainResult:
    """Train a recipe into a directory, and before it the one that it names as its first.

    The first Ctrl-C or SIGTERM finishes the update and saves; a second one leaves at once. Several
    processes that `torchrun` has started train together (`distributed`).

    Args:
        recipe: What to train: a `Recipe`, or the name of one.
        out: Directory of the checkpoint.
        resume: Go on from the checkpoint in `out`.
        overwrite: Replace the checkpoint in `out`.
        device: `auto`, `cpu`, `cuda`, ...
        show: Draw a progress bar; None does so on a terminal.
        hooks: What else happens after each update, in every process.
        save_every: Seconds between two checkpoints; None: two minutes.
        clock: Gives the seconds of the length. `time.process_time` counts those of the CPU, so that
            other work on the machine makes a training take longer and not learn less. Several
            processes share the wall clock.
        changes: Fields of the recipe to replace; `seconds` and `updates` replace each other.

    Raises:
        BlockingIOError: Another process is training there.
        FileExistsError, FileNotFoundError, ValueError: See `directory.check_directory` and
            `engine.pick_device`.
    """
    recipe, out = find_recipe(recipe).replaced(**changes), Path(out)
    target = own_device(pick_device(device))
    task = checkpoint.split_task(recipe.env_id, recipe.task, None)
    with ExitStack() as stack:
        world = stack.enter_context(world_of(target))
        check_possible(recipe, task, world)
        begun, first = world.agreed(resume and has_checkpoint(out)), out / FIRST
        in_first = bool(recipe.first) and resume and not begun and first.is_dir()
        if world.first:
            stack.enter_context(held_directory(out, resume, overwrite, checked=not in_first))
        in_first = world.agreed(in_first)  # the others wait here until the directory is held
        if recipe.first and not begun:
            result = train(
                recipe.first,
                first,
                resume=in_first and can_resume(first),
                overwrite=overwrite,
                device=device,
                show=show,
                hooks=hooks,
                save_every=save_every,
                clock=clock,
                seed=recipe.seed,
            )
            if not result.finished:
                return result
        bar = stack.enter_context(ProgressBar(recipe.name, show if world.first else False))
        say = bar.line if world.first else lambda line: None
        training = Training(recipe, task, target, say, world)
        watching = [*alarms(recipe), *hooks]
        return trained(training, begun, Saver(out, watching, save_every), bar, clock)


def trained(
    training: Training, begun: bool, saver: Saver, bar: ProgressBar, clock: Callable[[], float]
) -> TrainResult:
    """Train into a directory that is held, from its checkpoint where it was begun there."""
    recipe, world, out = training.recipe, training.world, saver.directory
    if begun:
        check_same(training, out)
        saver.load(training)
    elif recipe.first:
        training.take_over(out / FIRST)
    before = training.updates
    with ExitStack() as stack:
        stop: Stop = stack.enter_context(StopRequest())
        hooks = [*saver.hooks]
        if world.first:
            reporter = stack.enter_context(Reporter(out / METRICS, training.updates, bar))
            hooks += [SlowWatch(measured(recipe), bar.line), reporter]
        # Last, since lines beyond a checkpoint are dropped, but no line is written afterwards.
        hooks.append(saver)
        if world.size > 1:
            stop, clock = SharedStop(stop, world), world.clock
        run(training, recipe.length, hooks, stop=stop, clock=clock)
    saver.save(training)
    spent = training.spent
    finished = recipe.length.share(spent) >= 1
    drawn = training.carried.drawn
    return TrainResult(out, spent.updates, spent.seconds, drawn, finished, before)


def alarms(recipe: Recipe) -> list[Hook]:
    """The alarm of a recipe that has one."""
    return [Alarm(recipe)] if recipe.alarm_every else []


def check_possible(recipe: Recipe, task: Task, world: World = ALONE) -> None:
    """Refuse what cannot be trained, before a directory is touched.

    Raises:
        ValueError: There is no such level, or the model or the task cannot do what is asked.
    """
    for level in recipe.levels():
        task.level_index(level)
    check_world(recipe, world)
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
