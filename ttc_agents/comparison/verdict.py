"""Does a model that takes more steps at test time catch one that was larger, or trained for longer?

All rows have had the same training FLOPs. A recurrent row crosses another one where, at some step,
it solves more than the other does at its own best, beyond chance. Chance is that of seeds and of
test instances:

    d = mean R - mean L,   se^2 = var R / k_R + var L / k_L + (R (1 - R) + L (1 - L)) / n

with k seeds and n different instances, to which the last term adds a solved and an unsolved one;
Student's t with the degrees of freedom of Welch and Satterthwaite, of which the instances have
many. Since the best of several steps is looked for, the interval is the wider for their number
(Bonferroni).
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

Run = dict[str, Any]
LEVEL = 0.95
MANY = 1e6
"""Degrees of freedom at which Student's t is normal."""


@dataclass(frozen=True)
class Point:
    """A row at a step: FLOPs per instance, and each seed's solved share of n different ones."""

    step: int
    flops: float
    shares: tuple[float, ...]
    n: int

    @property
    def mean(self) -> float:
        """Over seeds."""
        return statistics.mean(self.shares)

    @property
    def by_seeds(self) -> float:
        """The square of the standard error that seeds make."""
        return statistics.variance(self.shares) / len(self.shares)

    @property
    def by_instances(self) -> float:
        """That of the instances, never 0: none or all solved proves little."""
        share = (self.mean * self.n + 1) / (self.n + 2)
        return share * (1 - share) / self.n


@dataclass(frozen=True)
class Verdict:
    """What became of a pair.

    Args:
        recurrent: The row that may take more steps.
        other: The larger or longer-trained row.
        crosses: True, False, or None where seeds and instances do not tell.
        step: Of the recurrent row: the first at which it crosses, else its best.
        flops: Per instance, at that step.
        difference: Of the solved shares there.
        low: The lower end of its interval.
        high: The upper end.
        words: All of it as a sentence.
    """

    recurrent: str
    other: str
    crosses: bool | None
    step: int
    flops: float
    difference: float
    low: float
    high: float
    words: str


def points(runs: list[Run]) -> list[Point]:
    """A row by its own steps, from the runs of its seeds."""
    return [
        Point(
            int(step),
            flops,
            tuple(run["holds"][step]["solved"] for run in runs),
            runs[0]["distinct"],
        )
        for step, flops in runs[0]["test_flops"].items()
    ]


def verdict(recurrent: list[Run], other: list[Run]) -> Verdict:
    """Judge a pair of rows.

    Args:
        recurrent: Runs of the row that may take more steps, one per seed.
        other: Runs of the other row.

    Raises:
        ValueError: A row has fewer than two seeds, which give no interval.
    """
    if min(len(recurrent), len(other)) < 2:
        raise ValueError(
            f"a verdict needs two seeds of each row at least, got {len(recurrent)} and {len(other)}"
        )
    mine, rival = points(recurrent), max(points(other), key=lambda point: point.mean)
    gaps = [gap(point, rival, len(mine)) for point in mine]
    ahead = [i for i, (_, low, _) in enumerate(gaps) if low > 0]
    best = ahead[0] if ahead else max(range(len(gaps)), key=lambda i: gaps[i][0])
    difference, low, high = gaps[best]
    crosses = True if ahead else False if all(gap[2] < 0 for gap in gaps) else None
    names = recurrent[0]["row"], other[0]["row"]
    words = sentence(names, crosses, mine[best], rival, gaps[best])
    at = mine[best]
    return Verdict(*names, crosses, at.step, at.flops, difference, low, high, words)


def gap(mine: Point, rival: Point, steps: int) -> tuple[float, float, float]:
    """The difference of two points with its interval, for the best of so many steps."""
    from scipy.stats import t as student

    both = (mine, rival)
    square = sum(point.by_seeds + point.by_instances for point in both)
    doubt = sum(point.by_seeds**2 / (len(point.shares) - 1) for point in both)
    freedom = min(square**2 / doubt if doubt else MANY, MANY)
    half = float(student.ppf(1 - (1 - LEVEL) / (2 * steps), freedom)) * square**0.5
    difference = mine.mean - rival.mean
    return difference, max(-1.0, difference - half), min(1.0, difference + half)


def sentence(
    names: tuple[str, str],
    crosses: bool | None,
    mine: Point,
    rival: Point,
    numbers: tuple[float, float, float],
) -> str:
    """The verdict in words."""
    recurrent, other = names
    said = {
        True: f"{recurrent} crosses {other} at step {mine.step}",
        False: f"{recurrent} does not cross {other}: at its best, step {mine.step}",
        None: f"{recurrent} and {other} are not told apart: at its best, step {mine.step}",
    }[crosses]
    difference, low, high = (100 * number for number in numbers)
    return (
        f"{said}, {100 * mine.mean:.1f}% against {100 * rival.mean:.1f}% "
        f"({mine.flops:.2g} and {rival.flops:.2g} FLOPs per instance), {difference:+.1f} points "
        f"({100 * LEVEL:.0f}% interval {low:+.1f} to {high:+.1f}; {len(mine.shares)} and "
        f"{len(rival.shares)} seeds, {mine.n} different instances)."
    )


def frontier(rows: dict[str, list[Run]]) -> list[tuple[float, float]]:
    """(test FLOPs, mean solved share) that no row of the same training budget beats with less."""
    every = sorted((p.flops, p.mean) for runs in rows.values() for p in points(runs))
    best: list[tuple[float, float]] = []
    for flops, share in every:
        if not best or share > best[-1][1]:
            best.append((flops, share))
    return best
