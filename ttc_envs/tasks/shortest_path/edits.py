"""Answers that change by edits, masked and scored anew at each step, for both path tasks.

Shapes: B batch, N nodes, E edits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ttc_envs.spec import UNDECIDED, Array, Instances, Task, count_per_row


class PathEdits:
    """The `EditState` of a path task.

    Args:
        task: The task, which applies edits, makes masks and scores.
        instances: The live batch.
    """

    def __init__(self, task: Task, instances: Instances) -> None:
        self._task = task
        self._instances = instances
        shape = (len(instances), task.spec.num_nodes)
        self.answer = np.full(shape, UNDECIDED, dtype=task.spec.answer_dtype)
        self.mask = np.zeros((shape[0], task.spec.num_edits), dtype=np.int8)
        self.changed = np.zeros(shape[0], dtype=np.int32)
        self.ended = np.zeros(shape[0], dtype=bool)

    def set_rows(self, rows: Any, answer: Array) -> dict[str, Array]:
        """Begin anew at the rows."""
        instances = self._instances[rows]
        self.answer[rows] = answer
        self.mask[rows] = self._task.edit_mask(instances, answer)
        self.changed[rows] = 0
        return self._task.score(instances, answer)

    def apply(self, actions: Array) -> dict[str, Array]:
        """One edit (B,) of each row; a forbidden one changes nothing."""
        answer = self._task.apply(self._instances, self.answer, actions, "edit")
        self.changed = count_per_row(answer != self.answer)
        self.answer = answer
        self.mask = self._task.edit_mask(self._instances, answer)
        return self._task.score(self._instances, answer)


def refuse_strict(strict: bool) -> None:
    """Path tasks have no strict rules.

    Raises:
        ValueError: They were asked for.
    """
    if strict:
        raise ValueError("shortest paths have no strict edit rules, got strict=True")
