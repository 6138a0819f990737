"""What a training may cost, and what it has cost: one measure for agents of all kinds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Spent:
    """What a training has cost so far.

    Args:
        seconds: CPU seconds of this process, evaluations left out.
        env_steps: Environment steps, over all environments; for supervised training refinement
            steps, over all instances.
        flops: Floating-point operations of matrix products, two per multiply-add.
    """

    seconds: float = 0.0
    env_steps: int = 0
    flops: float = 0.0


NOTHING = Spent()


@dataclass(frozen=True)
class Budget:
    """What a training may cost: CPU seconds, or floating-point operations.

    Args:
        seconds: CPU seconds of this process, or None.
        flops: Floating-point operations, or None.

    Raises:
        ValueError: Neither or both are given, or the number is not positive.
    """

    seconds: float | None = None
    flops: float | None = None

    def __post_init__(self) -> None:
        """Refuse a budget without a definite size."""
        if (self.seconds is None) == (self.flops is None):
            raise ValueError(
                f"a budget has either seconds or flops, got {self.seconds} and {self.flops}"
            )
        if not (self.seconds or self.flops or 0) > 0:
            raise ValueError(f"a budget must be positive, got {self.seconds or self.flops}")

    def share(self, spent: Spent) -> float:
        """The share that is used up, 0 to 1."""
        if self.seconds is not None:
            return min(1.0, spent.seconds / self.seconds)
        assert self.flops is not None
        return min(1.0, spent.flops / self.flops)

    def part(self, share: float) -> Budget:
        """A share of this budget."""
        if self.seconds is not None:
            return Budget(seconds=self.seconds * share)
        assert self.flops is not None
        return Budget(flops=self.flops * share)


class Meter:
    """Measures a training and calls back at equal parts of its budget.

    Args:
        budget: What it may cost.
        report: Called at each part; its own time does not count.
        points: The number of parts; nothing is reported at the end of the last.
        before: What was spent earlier, which counts towards nothing but the reports.
    """

    def __init__(
        self,
        budget: Budget,
        report: Callable[[Spent], None] = lambda spent: None,
        points: int = 8,
        before: Spent = NOTHING,
    ) -> None:
        self._budget, self._report, self._points, self._before = budget, report, points, before
        self._reported = 0
        self._start = time.process_time()

    def own(self, env_steps: int, flops: float) -> Spent:
        """What this training has cost at these counts."""
        return Spent(time.process_time() - self._start, env_steps, flops)

    def total(self, env_steps: int, flops: float) -> Spent:
        """The same, with what was spent earlier."""
        own, before = self.own(env_steps, flops), self._before
        return Spent(
            own.seconds + before.seconds,
            own.env_steps + before.env_steps,
            own.flops + before.flops,
        )

    def share(self, env_steps: int, flops: float) -> float:
        """The share of the budget that is used up; reports where a part of it is."""
        share = self._budget.share(self.own(env_steps, flops))
        if share < 1 and int(share * self._points) > self._reported:
            self._reported = int(share * self._points)
            paused = time.process_time()
            self._report(self.total(env_steps, flops))
            self._start += time.process_time() - paused
        return share
