"""What happened to each puzzle of a family while answers were refined step by step.

Shapes: B puzzles of a batch, n puzzles of a family, R recorded steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ttc_envs import Instances, Task

NEVER = -1


@dataclass(frozen=True, eq=False)
class Records:
    """One trajectory of each puzzle.

    Args:
        steps: The recorded steps, R of them, ascending.
        solved: (n, R) bool, whether the rules held after each recorded step.
        residual: (n, R) float32, relative change of the state in that step; infinite where the row
            was not finite.
        first_solved: (n,) int32, the first step of all after which the rules held, -1: never.
        settled: (n,) int32, the last step that changed the answer, 0: none did.
        nonfinite: (n,) int32, the first step at which logits or state were not finite, -1: never.
        answer: (n, N), the answer after the last step.
    """

    steps: tuple[int, ...]
    solved: np.ndarray
    residual: np.ndarray
    first_solved: np.ndarray
    settled: np.ndarray
    nonfinite: np.ndarray
    answer: np.ndarray

    def __len__(self) -> int:
        """The number of puzzles, n."""
        return len(self.settled)

    def to_json(self) -> dict[str, list[Any]]:
        """Columns with one entry per puzzle."""
        last = self.residual[:, -1]
        return {
            "first_solved": self.first_solved.tolist(),
            "settled": self.settled.tolist(),
            "solved_at_end": self.solved[:, -1].tolist(),
            "residual": [float(f"{r:.3g}") if np.isfinite(r) else None for r in last],
            "nonfinite": self.nonfinite.tolist(),
        }


def concatenate(parts: Sequence[Records]) -> Records:
    """The records of several batches as those of one family."""
    arrays = {
        f.name: np.concatenate([getattr(part, f.name) for part in parts])
        for f in fields(Records)
        if f.name != "steps"
    }
    return Records(steps=parts[0].steps, **arrays)


class Recorder:
    """Takes the answers of a batch, step by step, and scores them with the rules of the task.

    Args:
        task: The task.
        instances: B puzzles.
        steps: The steps to record, ascending.
    """

    def __init__(self, task: Task, instances: Instances, steps: Sequence[int]) -> None:
        batch = len(instances)
        self._task, self._instances, self._steps = task, instances, tuple(steps)
        self._step = 0
        self.answer = task.initial_answer(instances)
        self._holds = task.score(instances, self.answer)["solved"]
        self._solved = np.zeros((batch, len(steps)), dtype=bool)
        self._residual = np.full((batch, len(steps)), np.inf, dtype=np.float32)
        self._first, self._nonfinite = (np.full(batch, NEVER, dtype=np.int32) for _ in range(2))
        self._settled = np.zeros(batch, dtype=np.int32)

    def add(
        self,
        action: np.ndarray,
        finite: np.ndarray | None = None,
        residual: np.ndarray | None = None,
    ) -> None:
        """The answers (B, N) of the next step.

        Args:
            action: Whole answers, in which what is given is put back.
            finite: (B,) bool; rows that are not keep their last answer and count as unsolved.
            residual: (B,) relative change of the state.
        """
        self._step += 1
        finite = np.ones(len(action), dtype=bool) if finite is None else finite
        answer = self._task.apply(self._instances, self.answer, action, "full")
        answer = np.where(finite[:, None], answer, self.answer)
        changed = (answer != self.answer).any(axis=1)
        if changed.any():
            self._holds = self._task.score(self._instances, answer)["solved"]
        self.answer = answer
        solved = self._holds & finite
        self._settled[changed] = self._step
        self._first[solved & (self._first == NEVER)] = self._step
        self._nonfinite[~finite & (self._nonfinite == NEVER)] = self._step
        if self._step in self._steps:
            column = self._steps.index(self._step)
            self._solved[:, column] = solved
            if residual is not None:
                self._residual[:, column] = np.where(finite, residual, np.inf)

    def records(self) -> Records:
        """What has been recorded."""
        return Records(
            self._steps,
            self._solved,
            self._residual,
            self._first,
            self._settled,
            self._nonfinite,
            self.answer,
        )
