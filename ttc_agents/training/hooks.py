"""What happens beside the updates of a training: metrics, a bar, checkpoints, an alarm."""

from __future__ import annotations

import copy
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from ttc_agents.inference import checkpoint
from ttc_agents.inference.refine import solved_share
from ttc_agents.training.loop import Hook, Metrics
from ttc_agents.training.recipe import Recipe
from ttc_agents.training.saved import check_saved
from ttc_agents.training.update import Training
from ttc_envs import write_atomically

REPORT_SECONDS = 2.0
CHECKPOINT_SECONDS = 120.0
COUNT, STEPS = 64, 64
"""Validation instances of a check, and the refinement steps that each is given."""
LEARNT = 0.2
SLOW_AFTER, FAR_SLOWER = 10.0, 0.25
"""Seconds after which a pace is compared, and the share of the expected one that is far slower."""
KEEP = {"validation": 0.75, "settled": 0.5}
"""The share of its best so far that each number has to keep."""
SAVED = ("best", "kept", "settled", "last")


class Reporter(Hook):
    """Reports every few seconds: a line of metrics.jsonl, and the progress bar.

    Args:
        path: The file; lines of updates that a resumed training has still to do are dropped.
        keep_until: The update of its checkpoint.
        bar: The progress bar.
    """

    def __init__(self, path: Path, keep_until: int, bar: ProgressBar) -> None:
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        lines = [line for line in text.splitlines() if update_of(line) <= keep_until]
        kept = "".join(line + "\n" for line in lines)
        if kept != text:
            write_atomically(path, kept.encode())
        self.path, self.bar = path, bar
        self.pending: dict[str, list[Tensor]] = {}
        self.reported = time.perf_counter()

    def __enter__(self) -> Self:
        """Open for appending."""
        self.file = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *exc: object) -> None:
        """Close."""
        self.file.close()

    def after_update(self, training: Training, metrics: Metrics, done: float) -> Metrics:
        """Keep the metrics; every `REPORT_SECONDS` and at the end, write and draw their means."""
        for name, value in metrics.items():
            self.pending.setdefault(name, []).append(value)
        if done >= 1 or time.perf_counter() - self.reported >= REPORT_SECONDS:
            self.bar.show(self.write(counts_of(training)), done)
            self.reported = time.perf_counter()
        return {}

    def write(self, counts: dict[str, Any]) -> dict[str, Any]:
        """Write counts and the means since the last report; returns the line.

        A metric that some updates lack has the mean over those that have it.
        """
        means = {
            name: round(float(torch.stack(values).float().mean()), 6)
            for name, values in self.pending.items()
        }
        self.pending.clear()
        line = {**counts, **means}
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()
        return line


def counts_of(training: Training) -> dict[str, Any]:
    """The counts that every line of the metrics begins with."""
    return {
        "update": training.updates,
        "seconds": round(training.spent.seconds, 2),
        "instances": training.carried.drawn,
    }


def update_of(line: str) -> float:
    """The update of a line; a torn last line counts as beyond any checkpoint."""
    try:
        return float(json.loads(line)["update"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


class Saver(Hook):
    """Writes the checkpoint every few minutes, with the states of all hooks.

    Args:
        directory: Where to.
        hooks: The others, whose states are kept in their order. A training that is resumed with
            more of them gives the last ones none.
        every: Seconds between two checkpoints; None: `CHECKPOINT_SECONDS`.
    """

    def __init__(self, directory: Path, hooks: Sequence[Hook], every: float | None = None) -> None:
        self.directory, self.hooks = directory, hooks
        self.every = CHECKPOINT_SECONDS if every is None else every
        self.saved = time.perf_counter()

    def after_update(self, training: Training, metrics: Metrics, done: float) -> Metrics:
        """Save every few seconds; the end of a training is for the caller to save."""
        if training.world.any(time.perf_counter() - self.saved >= self.every):
            self.save(training)
        return {}

    def save(self, training: Training) -> None:
        """Write weights, configuration and everything that a resumed training needs.

        Of several processes the first one writes, and all of them give it their rows.
        """
        weights = training.learning.averaged_weights()
        hooks = [hook.state_dict() for hook in self.hooks]
        state = {**training.state_dict(), "hooks": hooks}
        spec = training.task.spec
        if training.world.first:
            checkpoint.save_model(self.directory, weights, spec, training.config(), state)
        self.saved = time.perf_counter()

    def load(self, training: Training) -> None:
        """Go on from the checkpoint.

        Raises:
            FileNotFoundError: There is no training.pt.
            ValueError: It is damaged, or of another training.
        """
        state = checkpoint.load_training(self.directory)
        try:
            check_saved(training, state)
            training.load_state_dict(state)
            for hook, saved in zip(self.hooks, state["hooks"], strict=False):
                hook.load_state_dict(saved)
        except (LookupError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            path = self.directory / "training.pt"
            raise ValueError(f"{path}: not of this training ({error})") from error


class Alarm(Hook):
    """An alarm for trainings that are about to lose what they have learnt, and the way back.

    A training of fixed points can fall from its best to nothing within a few dozen updates
    (experiments/deq_collapse). Two numbers tell early, and are compared with their best so far:

    - validation: solved share of fixed validation instances after a fixed number of steps;
    - settled: share of training instances whose solve came near a fixed point
      (`objectives.metrics.NEAR`); the mean since the last check.

    Where one of them falls below its share of `KEEP`, weights, averaged weights and optimizer go
    back to where the validation share was best, the carried states are drawn anew, and all rates
    are halved from there on. Nothing is done before that share has reached `LEARNT`.

    Args:
        recipe: Says what is trained and how many updates lie between two checks.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.task = checkpoint.split_task(recipe.env_id, recipe.task, "validation")
        self.every = recipe.alarm_every or 1
        self.instances = self.task.sample(np.arange(COUNT, dtype=np.uint64), recipe.levels()[-1])
        self.best: dict[str, float] = {}
        self.kept: dict[str, Any] | None = None
        self.settled: list[Tensor] = []
        self.last = 0.0

    def after_update(self, training: Training, metrics: Metrics, done: float) -> Metrics:
        """Check where it is time to; `validation` and `rollbacks` join the metrics."""
        if "settled" in metrics:
            self.settled.append(metrics["settled"])
        if training.updates % self.every == 0:
            self.check(training)
        return {
            "validation": torch.tensor(float(self.last)),
            "rollbacks": torch.tensor(float(training.rollbacks)),
        }

    def check(self, training: Training) -> None:
        """Measure, keep what is best so far, and roll back where a number has fallen."""
        self.last = solved_share(training.model, self.task, self.instances, STEPS)
        now = {"validation": self.last}
        if self.settled:
            now["settled"] = float(np.mean([float(share) for share in self.settled]))
        self.settled = []
        if self.kept is not None and any(
            value < KEEP[name] * self.best.get(name, 0.0) for name, value in now.items()
        ):
            training.roll_back(self.kept)
            return
        if self.last >= max(LEARNT, self.best.get("validation", 0.0)):
            self.kept = copy.deepcopy(training.learning.state_dict())
        self.best = {name: max(value, self.best.get(name, 0.0)) for name, value in now.items()}

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed training needs to go on bit by bit."""
        settled = [float(share) for share in self.settled]
        return {**{name: getattr(self, name) for name in SAVED}, "settled": settled}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        for name in SAVED:
            setattr(self, name, saved[name])
        self.settled = [torch.tensor(share) for share in saved["settled"]]


class SlowWatch(Hook):
    """Says once that a training is far slower than its recipe was where its figures are from.

    A length in seconds then buys far fewer updates, and worse weights than the figures promise.

    Args:
        expected: Updates per second there; None: unknown, and nothing is said.
        say: Told so.
    """

    def __init__(self, expected: float | None, say: Callable[[str], None]) -> None:
        self.expected, self.say = expected, say
        self.begun: tuple[int, float] | None = None

    def after_update(self, training: Training, metrics: Metrics, done: float) -> Metrics:
        """Compare, once there is something to compare."""
        updates, seconds = training.updates, training.spent.seconds
        self.begun = self.begun or (updates, seconds)
        seconds -= self.begun[1]
        if self.expected is None or seconds < SLOW_AFTER:
            return {}
        pace = (updates - self.begun[0]) / seconds
        if pace < FAR_SLOWER * self.expected:
            self.say(
                f"{pace:.2g} updates a second: this recipe made {self.expected:g} where its "
                "figures are from. Other work on this machine, or a slower one? Expect worse "
                "weights from so many seconds"
            )
            self.expected = None
        return {}


class ProgressBar:
    """A rich progress bar with loss, solved share, instances per second and time left.

    Args:
        name: What is trained.
        show: Whether to draw it; None draws on a terminal and is silent when piped.
    """

    def __init__(self, name: str, show: bool | None = None) -> None:
        self.name = name
        self.visible = sys.stderr.isatty() if show is None else show

    def __enter__(self) -> Self:
        """Start drawing."""
        if self.visible:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[numbers]}"),
                TimeRemainingColumn(elapsed_when_finished=True),
            )
            self.bar = Progress(*columns, console=Console(stderr=True))
            self.row = self.bar.add_task(self.name, total=1.0, numbers="")
            self.bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop drawing."""
        if self.visible:
            self.bar.stop()

    def line(self, text: str) -> None:
        """Print a line above the bar, or to stderr."""
        if self.visible:
            self.bar.console.print(text, highlight=False)
        else:
            print(text, file=sys.stderr)

    def show(self, metrics: dict[str, Any], done: float) -> None:
        """Draw what was reported, where the bar is visible.

        Args:
            metrics: A line of metrics.jsonl.
            done: The share of the training that is done.
        """
        if not self.visible:
            return
        speed = metrics["instances"] / max(metrics["seconds"], 1e-9)
        numbers = (
            f"loss {metrics['loss']:.3f}  solved {100 * metrics['solved']:5.1f}%"
            f"  {speed:.0f} new/s  update {metrics['update']}"
        )
        self.bar.update(self.row, completed=done, numbers=numbers)
