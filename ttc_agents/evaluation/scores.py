"""Tables of what a sweep records beside the share of solved instances.

- scores: what the task scores, meant over instances, by step;
- parts: where one answer settles many questions (the paths from all places of a map), the share of
  those that hold, by their depth and by step;
- pace: the share of instances that are solved within a multiple of the steps that a classical
  method takes on the same instance.

Shapes: n instances, R recorded steps, P parts of an answer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ttc_agents.evaluation.intervals import share, wilson
from ttc_agents.evaluation.records import Records

FACTORS = (1.0, 1.5, 2.0, 4.0)
"""Multiples of the steps of a classical method."""
DIGITS = 5


def score_table(records: Records) -> dict[str, dict[str, dict[str, float | int | None]]]:
    """{metric: {step: {"mean", "n"}}}; a metric of yes or no has its interval `low`..`high`, too.

    Values that are not finite (the length of a path that does not arrive) are left out of the
    mean, which is None where none is left; `n` counts the others.
    """
    return {
        name: {
            str(step): _entry(column) for step, column in zip(records.steps, values.T, strict=True)
        }
        for name, values in records.scores.items()
    }


def _entry(values: np.ndarray) -> dict[str, float | int | None]:
    if values.dtype == bool:
        low, high = wilson(int(values.sum()), len(values))
        return {"mean": float(values.mean()), "n": len(values), "low": low, "high": high}
    known = values[np.isfinite(values)].astype(np.float64)
    return {"mean": float(known.mean()) if len(known) else None, "n": len(known)}


def part_table(records: Records) -> dict[str, Any]:
    """Shares of the parts that hold, by depth; nothing where the task knows no parts.

    Parts of one answer depend on each other, so there is no interval.

    Returns:
        {"depth": what it counts, "n": {depth: parts}, "metrics": {metric: {depth: shares (R,)}}},
        with the depth "all" for all of them.
    """
    if not records.parts:
        return {}
    counted = records.depth >= 0
    depths = records.depth[counted]
    sizes = np.bincount(depths)
    kinds = [int(depth) for depth in np.flatnonzero(sizes)]
    metrics = {}
    for name, holds in records.parts.items():
        right = np.stack([np.bincount(depths, column[counted]) for column in holds.swapaxes(0, 1)])
        metrics[name] = {"all": _rounded(right.sum(axis=1) / max(len(depths), 1))} | {
            str(depth): _rounded(right[:, depth] / sizes[depth]) for depth in kinds
        }
    counts = {"all": len(depths)} | {str(depth): int(sizes[depth]) for depth in kinds}
    return {"depth": records.depth_name, "n": counts, "metrics": metrics}


def _rounded(shares: np.ndarray) -> list[float]:
    return [round(float(value), DIGITS) for value in shares]


def pace_table(records: Records, classical: Records) -> dict[str, dict[str, float | int]]:
    """{factor: share solved for the first time within factor x the steps of the classical row}.

    Instances that the classical row did not solve within its budget are left out. So that none is
    cut off, the budget of both has to be the largest factor times what the classical row takes.
    Nothing is said of a classical row that solves none, or never takes more than one step.
    """
    known = classical.first_solved >= 1
    if classical.first_solved.max(initial=0) <= 1:
        return {}
    first, pace = records.first_solved[known], classical.first_solved[known]
    return {
        f"{factor:g}": share(int(((first >= 1) & (first <= factor * pace)).sum()), int(known.sum()))
        for factor in FACTORS
    }
