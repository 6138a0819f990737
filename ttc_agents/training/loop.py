"""The training loop: one for all models, tasks and ways of training.

`run` updates until a length is used up; whatever else happens on the way is a `Hook`: metrics,
checkpoints, an alarm, a learning curve.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import FrameType
from typing import Any, ClassVar, Protocol, Self

from torch import Tensor

from ttc_agents.training.schedule import Length, Meter, Spent

Metrics = dict[str, Tensor]


class Trainee(Protocol):
    """What `run` can train: `Training`, `VerifierTraining`, or the user's own.

    Args:
        spent: What it has cost so far; `update` adds its updates and environment steps, the loop
            adds seconds and floating-point operations. Those of other threads, which the loop does
            not see, `update` adds too.
    """

    spent: Spent

    def update(self, done: float) -> Mapping[str, Any]:
        """One update; `done` is the share of the training that is done. Returns metrics."""


class Hook:
    """Something that happens after every update. Subclasses say what.

    Args:
        counted: Whether its time counts as training.
    """

    counted: ClassVar[bool] = True

    def after_update(self, training: Any, metrics: Metrics, done: float) -> Metrics:
        """What joins the metrics.

        Args:
            training: What is trained; a hook may change it.
            metrics: Of this update, with those of the hooks before.
            done: The share of the training that is done, 0 to 1.
        """
        return {}

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training needs to go on bit by bit."""
        return {}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""


class Look(Hook):
    """Calls a function now and then, which changes nothing; its time does not count.

    Args:
        look: Takes what is trained, and the metrics of the update.
        every: Updates between two calls.
    """

    counted = False

    def __init__(self, look: Callable[[Any, Metrics], None], every: int = 1) -> None:
        self._look, self._every = look, every

    def after_update(self, training: Any, metrics: Metrics, done: float) -> Metrics:
        """Call it where it is time to."""
        if training.spent.updates % self._every == 0:
            self._look(training, metrics)
        return {}


class StopRequest:
    """Context in which SIGINT and SIGTERM first only set `requested`.

    Outside the main thread, where Python takes no signals, it does nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self.previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Take over the signals."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.previous[number] = signal.signal(number, self.handle)
        return self

    def __exit__(self, *exc: object) -> None:
        """Give them back."""
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Note the first signal, obey the second."""
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        print("stopping after this update; once more to leave at once", file=sys.stderr)


class Stop(Protocol):
    """What says that a training is to end."""

    @property
    def requested(self) -> bool:
        """Whether it is."""


def run(
    training: Trainee,
    length: Length,
    hooks: Sequence[Hook] = (),
    *,
    stop: Stop | None = None,
    clock: Callable[[], float] = time.perf_counter,
    count_flops: bool = False,
) -> Spent:
    """Update until the length is used up or a stop is requested.

    Args:
        training: What is trained. What it has cost before counts.
        length: How long.
        hooks: What happens after each update, in this order.
        stop: Asked before each update.
        clock: Gives seconds; `time.process_time` makes runs on busy machines comparable.
        count_flops: Count floating-point operations although the length is not given in them.

    Returns:
        What the training has cost in all.
    """
    meter = Meter(training.spent, clock, count_flops or length.flops is not None)
    while (done := length.share(training.spent)) < 1 and not (stop and stop.requested):
        before = training.spent.flops
        metrics = dict(meter.counted(partial(training.update, done)))
        meter.add(training.spent.flops - before)
        training.spent = meter.measured(training.spent)
        done = length.share(training.spent)
        call(hooks, training, metrics, done, meter)
    return training.spent


def call(hooks: Sequence[Hook], training: Any, metrics: Metrics, done: float, meter: Meter) -> None:
    """Call the hooks after an update, one after the other; what they measure joins the metrics."""
    for hook in hooks:
        work = partial(hook.after_update, training, metrics, done)
        metrics |= work() if hook.counted else meter.uncounted(work)
