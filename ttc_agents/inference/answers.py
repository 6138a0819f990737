"""The current answers of a batch, moved on as an environment would move them.

Shapes: B instances, N nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ttc_agents.models.base import Batch, to_batch
from ttc_envs import Instances, Task


@dataclass
class Answers:
    """The current answers of B instances.

    Args:
        task: The task.
        instances: B of them. A carried batch owns them and writes over their rows.
        answer: (B, N); None begins with the first answers of the task.
    """

    task: Task
    instances: Instances
    answer: Any = None

    def __post_init__(self) -> None:
        """Begin where episodes begin."""
        if self.answer is None:
            self.answer = self.task.initial_answer(self.instances)

    def shown(self, device: torch.device | str) -> Batch:
        """What an environment shows: the fields beside the answer, and the answer."""
        fields = self.task.spec.shown(self.instances.fields, self.answer)
        return to_batch({**fields, "answer": self.answer}, device)

    def apply(self, choice: np.ndarray, finite: np.ndarray | None = None) -> None:
        """Move on by the choices (B, N) of a model; rows that are not `finite` (B,) stay."""
        after = self.task.apply(self.instances, self.answer, choice, "full")
        if finite is not None and not finite.all():
            after = np.where(finite[:, None], after, self.answer)
        self.answer = after

    def replace(self, rows: np.ndarray, instances: Instances) -> None:
        """Put fresh instances with their first answers into the rows (n,)."""
        self.instances.assign(rows, instances)
        self.answer[rows] = self.task.initial_answer(instances)

    def state_dict(self) -> dict[str, Any]:
        """As tensors."""
        return {**tensors_of(self.instances), "answer": torch.from_numpy(self.answer)}

    @classmethod
    def restored(cls, task: Task, saved: dict[str, Any]) -> Answers:
        """The inverse of `state_dict`."""
        return cls(task, instances_of(saved), saved["answer"].numpy().copy())


def tensors_of(instances: Instances) -> dict[str, Any]:
    """Instances as tensors, which share their memory."""
    parts = {"fields": instances.fields, "labels": instances.labels}
    saved: dict[str, Any] = {
        part: {name: torch.from_numpy(values) for name, values in arrays.items()}
        for part, arrays in parts.items()
    }
    return {**saved, "keys": torch.from_numpy(instances.keys.view(np.int64))}


def instances_of(saved: dict[str, Any]) -> Instances:
    """The inverse of `tensors_of`, in memory of their own."""
    fields, labels = (
        {name: values.numpy().copy() for name, values in saved[part].items()}
        for part in ("fields", "labels")
    )
    return Instances(saved["keys"].numpy().copy().view(np.uint64), fields, labels)
