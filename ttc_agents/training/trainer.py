"""The training loop: one for all models and tasks. `state` has what an update does."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ttc_agents.training import checkpoint
from ttc_agents.training.engine import Engine, pick_device
from ttc_agents.training.metrics import MetricsLog, Progress
from ttc_agents.training.recipes import RECIPES, Recipe
from ttc_agents.training.signals import StopRequest
from ttc_agents.training.state import Training
from ttc_envs import make_task

REPORT_SECONDS = 2.0
CHECKPOINT_SECONDS = 120.0
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


Watch = Callable[[Training], dict[str, Tensor]]


def train(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    show: bool | None = None,
    watch: Watch | None = None,
) -> TrainResult:
    """Train a recipe into a directory, and before it the one that it names as its first.

    The first Ctrl-C or SIGTERM finishes the update and saves; a second one leaves at once.

    Args:
        recipe: What to train.
        out: Directory of the checkpoint.
        resume: Go on from the checkpoint in `out`.
        overwrite: Replace the checkpoint in `out`.
        device: `auto`, `cpu`, `cuda`, ...
        show: Draw a progress bar; None does so on a terminal.
        watch: Called after each update; what it returns joins the metrics.

    Raises:
        FileExistsError, FileNotFoundError, ValueError: See
            `checkpoint.prepare_directory` and `engine.pick_device`.
    """
    target = pick_device(device)
    begun = resume and (out / "training.pt").is_file()
    if begun or not (resume and recipe.first):
        checkpoint.prepare_directory(out, resume, overwrite)
    if recipe.first and not begun:
        stage = dataclasses.replace(RECIPES[recipe.first], seed=recipe.seed)
        again = resume and (out / FIRST / "training.pt").is_file()
        result = train(
            stage,
            out / FIRST,
            resume=again,
            overwrite=overwrite,
            device=device,
            show=show,
            watch=watch,
        )
        if not result.finished:
            return result
    training = Training(recipe, make_task(recipe.env_id, **recipe.task), target)
    if begun:
        checkpoint.check_same_recipe(out, recipe.to_json())
        training.load(out)
    elif recipe.first:
        training.take_over(out / FIRST)
    log = MetricsLog(out / "metrics.jsonl", keep_until=training.updates)
    with StopRequest() as stop, Progress(recipe, show) as progress, log:
        run(training, out, stop, progress, log, watch)
    training.save(out)
    return TrainResult(
        out, training.updates, training.seconds, training.carried.drawn, training.progress() >= 1
    )


def run(
    training: Training,
    out: Path,
    stop: StopRequest,
    progress: Progress,
    log: MetricsLog,
    watch: Watch | None = None,
) -> None:
    """Update until the end or a stop, reporting and saving on the way."""
    before, start = training.seconds, time.perf_counter()
    engine: Engine | None = None
    reported = saved = start
    while training.progress() < 1 and not stop.requested:
        if engine is None:
            engine = training.engine(progress.line)
        metrics = training.update(engine)
        now = time.perf_counter()
        training.seconds = before + now - start
        if watch is not None:
            metrics = {**metrics, **watch(training)}
        log.collect(metrics)
        if now - reported >= REPORT_SECONDS or training.progress() >= 1:
            progress.show(log.write(training_counts(training)), training.progress())
            reported = now
        if now - saved >= CHECKPOINT_SECONDS:
            training.save(out)
            saved = time.perf_counter()


def training_counts(training: Training) -> dict[str, Any]:
    """The counts that every line of the metrics begins with."""
    return {
        "update": training.updates,
        "seconds": round(training.seconds, 2),
        "instances": training.carried.drawn,
        "rate": round(training.rate(), 6),
    }
