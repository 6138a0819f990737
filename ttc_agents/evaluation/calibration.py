"""Does confidence mean anything, and does thinking turn red into green and leave green alone?

Confidence is the softmax probability of a node's current choice; only nodes count that are there,
are not given and have a right choice. Where labels know all right choices, each of them is right.

- Expected calibration error after a step: the mean of |share right - mean confidence| over ten
  equal bins of confidence, weighted by their nodes.
- Changes of doubtful nodes: of the choices that a step changed, the share held with less than 0.5
  confidence before it. `doubtful` is the share of such nodes among all, which chance would give.
- Flips of sure nodes: of the nodes that were right with more than 0.9 confidence after a step, the
  share that is wrong after any later step of the budget.

Shapes: B instances, N nodes, R recorded steps, K bins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ttc_agents.inference.batches import map_batches, pick_batch_size
from ttc_agents.inference.refine import Step, refine
from ttc_agents.models.base import RefinementModel, free_nodes, present_nodes, to_batch
from ttc_envs import Instances, Task

BINS = 10
DOUBTFUL, SURE = 0.5, 0.9
BANDS = ("sure and right", "unsure and right", "unsure and wrong", "sure and wrong")


@dataclass(frozen=True, eq=False)
class Calibration:
    """Sums over the free nodes of all instances that stayed finite.

    Args:
        steps: The recorded steps, R of them.
        count: (R, K) nodes by bin of confidence.
        right: (R, K) of these, right ones.
        confidence: (R, K) sum of their confidence.
        bands: (R, 4) nodes by `BANDS`.
        changes: (R, 2) choices changed since the step recorded before: all, and doubtful ones.
        seen: (R, 2) nodes that could change in these steps: all, and doubtful ones.
        sure: (R, 2) nodes right and sure after the step: all, and those wrong at any later step;
            0 for the last step.
    """

    steps: tuple[int, ...]
    count: np.ndarray
    right: np.ndarray
    confidence: np.ndarray
    bands: np.ndarray
    changes: np.ndarray
    seen: np.ndarray
    sure: np.ndarray

    def error(self) -> np.ndarray:
        """(R,) expected calibration error; NaN where no node counts."""
        nodes = self.count.sum(axis=1)
        error = np.abs(self.right - self.confidence).sum(axis=1) / np.maximum(nodes, 1)
        return np.where(nodes > 0, error, np.nan)

    def to_json(self) -> dict[str, Any]:
        """Numbers by step, and over the whole budget; null where nothing counts."""
        changes, seen = self.changes.sum(axis=0), self.seen.sum(axis=0)
        by_step = {
            str(step): {
                "expected_calibration_error": error if error == error else None,
                "changes_of_doubtful": _ratio(*self.changes[i]),
                "doubtful": _ratio(*self.seen[i]),
                "flips_of_sure": _ratio(*self.sure[i]),
            }
            for i, (step, error) in enumerate(zip(self.steps, self.error().tolist(), strict=True))
        }
        return {
            "steps": by_step,
            "changes_of_doubtful": _ratio(*changes),
            "doubtful": _ratio(*seen),
            "nodes": int(self.count[0].sum()),
        }


def calibrate(
    model: RefinementModel,
    task: Task,
    instances: Instances,
    steps: Sequence[int],
    batch_size: int | None = None,
) -> Calibration:
    """Follow the confidence of one trajectory of each instance.

    Args:
        model: The model.
        task: The task.
        instances: With a label `answer`.
        steps: The steps to record; the largest is the budget.
        batch_size: Instances at a time.
    """
    recorded = tuple(sorted(set(steps)))

    def work(rows: Instances, start: int, check: Callable[[], None]) -> Calibration:
        follower = _Follower(recorded, rows, _free_nodes(task, rows))
        for step in refine(model, task, rows, recorded[-1]):
            check()
            follower.add(step)
        return follower.result()

    size = pick_batch_size(model, batch_size)
    parts = map_batches(work, model, instances, size)
    sums = (f.name for f in fields(Calibration) if f.name != "steps")
    return Calibration(
        recorded, **{name: np.sum([getattr(part, name) for part in parts], axis=0) for name in sums}
    )


class _Follower:
    """Adds up what one batch does, step by step."""

    def __init__(self, steps: tuple[int, ...], instances: Instances, free: np.ndarray) -> None:
        rows = len(steps)
        self._steps, self._labels, self._free = steps, instances.labels, free
        self._step = 0
        self._before: tuple[np.ndarray, np.ndarray] | None = None
        self._bins = np.zeros((3, rows, BINS))
        self._bands = np.zeros((rows, 4), dtype=np.int64)
        self._changes, self._seen = np.zeros((2, rows, 2), dtype=np.int64)
        self._sure, self._flipped = np.zeros((2, rows, *free.shape), dtype=bool)

    def add(self, step: Step) -> None:
        """One step of a model."""
        answer, confidence = step.choice, step.confidence
        assert answer is not None
        assert confidence is not None
        self._step += 1
        live, right = self._free & step.finite[:, None], self._right(answer)
        row = int(np.searchsorted(self._steps, self._step))
        self._flipped |= self._sure & live & ~right
        if self._before is not None:
            changed, doubtful = answer != self._before[0], self._before[1] < DOUBTFUL
            self._changes[row] += (live & changed).sum(), (live & changed & doubtful).sum()
            self._seen[row] += live.sum(), (live & doubtful).sum()
        if self._step == self._steps[row]:
            self._count(row, confidence[live], right[live])
            self._sure[row] = live & right & (confidence > SURE)
        self._before = answer, confidence

    def _right(self, answer: np.ndarray) -> np.ndarray:
        """(B, N) bool: the choices that are right."""
        if "right" not in self._labels:
            return answer == self._labels["answer"]
        return np.take_along_axis(self._labels["right"], answer[..., None], axis=2)[..., 0]

    def _count(self, row: int, confidence: np.ndarray, right: np.ndarray) -> None:
        bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
        for sums, weights in zip(self._bins, (None, right, confidence), strict=True):
            sums[row] += np.bincount(bins, weights, minlength=BINS)
        sure = confidence > SURE
        bands = (sure & right, ~sure & right, ~sure & ~right, sure & ~right)
        self._bands[row] += [int(band.sum()) for band in bands]

    def result(self) -> Calibration:
        """The sums."""
        count, right, confidence = self._bins
        sure = np.stack([self._sure.sum(axis=(1, 2)), self._flipped.sum(axis=(1, 2))], axis=1)
        sure[-1] = 0  # nothing comes after the last step that could flip them
        return Calibration(
            self._steps, count, right, confidence, self._bands, self._changes, self._seen, sure
        )


def _free_nodes(task: Task, instances: Instances) -> np.ndarray:
    """(B, N) bool: the nodes that count."""
    counts = np.ones((len(instances), task.spec.num_nodes), dtype=bool)
    batch = to_batch(instances.fields)
    for nodes in (free_nodes(task.spec, batch), present_nodes(task.spec, batch)):
        if nodes is not None:
            counts &= nodes.numpy()
    if "right" in instances.labels:
        counts &= instances.labels["right"].any(axis=2)
    return counts


def _ratio(whole: int, part: int) -> float | None:
    return float(part / whole) if whole else None


def calibration_text(family: str, numbers: dict[str, Any]) -> str:
    """The calibration of a family in words."""

    def percent(share: float | None) -> str:
        return "none" if share is None else f"{100 * share:.1f}%"

    def plain(error: float | None) -> str:
        return "none" if error is None else f"{error:.3f}"

    lines = [
        f"{family}: {percent(numbers['changes_of_doubtful'])} of changes fall on nodes below 0.5 "
        f"confidence, which are {percent(numbers['doubtful'])} of all"
    ]
    for step, entry in numbers["steps"].items():
        lines.append(
            f"  step {step:>4}: calibration error {plain(entry['expected_calibration_error'])}, "
            f"{percent(entry['flips_of_sure'])} of confident right nodes flip later"
        )
    return "\n".join(lines)
