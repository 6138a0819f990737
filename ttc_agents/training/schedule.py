"""How long a training is, what it has cost, and the learning rate that follows from both.

One measure serves agents of all kinds, so that a network with labels, a policy gradient and an
agent of another library can be given the same `Length`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from ttc_agents.training.flops import FlopCounter

Result = TypeVar("Result")
LOWEST_RATE = 0.01
"""Where the cosine ends, as a share of the peak rate."""


@dataclass(frozen=True)
class Spent:
    """What a training has cost so far.

    Args:
        seconds: Of the clock that the loop was given.
        updates: Updates that moved the weights.
        env_steps: Environment steps, over all environments; for supervised training refinement
            steps, over all instances.
        flops: Floating-point operations of matrix products, two per multiply-add; 0 where they
            are not counted.
    """

    seconds: float = 0.0
    updates: int = 0
    env_steps: int = 0
    flops: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        """What two trainings, one after the other, have cost."""
        return Spent(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Spent)))


NOTHING = Spent()


@dataclass(frozen=True)
class Length:
    """How long a training may be: exactly one of the three.

    Args:
        seconds: Of the clock of the loop: wall time for `ttc train`, CPU time for `ttc compare`.
        updates: Updates. Only this length can be resumed bit for bit.
        flops: Floating-point operations.

    Raises:
        ValueError: None or several are given, or the number is not positive.
    """

    seconds: float | None = None
    updates: int | None = None
    flops: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is not exactly one positive number."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        if len(given) != 1:
            raise ValueError(f"expected one of seconds, updates and flops, got {given or 'none'}")
        if not next(iter(given.values())) > 0:
            raise ValueError(f"a length must be positive, got {given}")

    @property
    def unit(self) -> str:
        """What is given: `seconds`, `updates` or `flops`."""
        return next(name for name, value in asdict(self).items() if value is not None)

    def share(self, spent: Spent) -> float:
        """The share that is used up: 0 at the beginning, 1 at the end and beyond."""
        return min(1.0, getattr(spent, self.unit) / getattr(self, self.unit))

    def part(self, share: float) -> Length:
        """A share of this length, for trainings of several phases."""
        return Length(**{self.unit: getattr(self, self.unit) * share})


class Meter:
    """Measures time and floating-point operations of a training while it runs.

    Args:
        before: What it has cost already, which counts.
        clock: Gives seconds.
        count_flops: Count floating-point operations, which takes some time.
    """

    def __init__(
        self,
        before: Spent = NOTHING,
        clock: Callable[[], float] = time.perf_counter,
        count_flops: bool = False,
    ) -> None:
        self._before, self._clock = before, clock
        self._counter: FlopCounter | None = None
        if count_flops:
            # Here, since recipes and plans have lengths, and load no torch.
            from ttc_agents.training.flops import FlopCounter

            self._counter = FlopCounter()
        self._start = clock()

    def counted(self, work: Callable[[], Result]) -> Result:
        """Do one update; its operations are counted, where that is wanted."""
        return work() if self._counter is None else self._counter.run(work)

    def uncounted(self, work: Callable[[], Result]) -> Result:
        """Do something whose time does not count."""
        paused = self._clock()
        result = work()
        self._start += self._clock() - paused
        return result

    def add(self, flops: float) -> None:
        """Operations that an update knows of itself, such as those of threads of its own."""
        if self._counter is not None:
            self._counter.total += flops

    def measured(self, spent: Spent) -> Spent:
        """Updates and steps of `spent`, with the seconds and operations so far."""
        seconds = self._before.seconds + self._clock() - self._start
        own = 0.0 if self._counter is None else self._counter.total
        return replace(spent, seconds=seconds, flops=self._before.flops + own)


def rate(updates: int, done: float, warmup: int, decay_from: float) -> float:
    """The share of the peak rate: linear warm-up, plateau, cosine to `LOWEST_RATE`.

    Args:
        updates: Updates done.
        done: The share of the training that is done.
        warmup: Updates of warm-up.
        decay_from: The share from which the rate decays.
    """
    warm = min(1.0, (updates + 1) / max(1, warmup))
    if done <= decay_from:
        return warm
    left = (done - decay_from) / (1 - decay_from)
    return warm * (LOWEST_RATE + (1 - LOWEST_RATE) * 0.5 * (1 + math.cos(math.pi * left)))
