"""What happened to each instance of a family while answers were refined step by step.

Shapes: B instances of a batch, n instances of a family, R recorded steps, P parts of an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from ttc_agents.inference.refine import Step
from ttc_envs import Instances, Task

NEVER = -1


@dataclass(frozen=True, eq=False)
class Records:
    """One trajectory of each instance.

    Args:
        steps: The recorded steps, R of them, ascending.
        solved: (n, R) bool, whether the rules held after each recorded step.
        residual: (n, R) float32, relative change of the state in that step; infinite where the row
            was not finite.
        first_solved: (n,) int32, the first step of all after which the rules held, -1: never.
        settled: (n,) int32, the last step that changed the answer, 0: none did.
        nonfinite: (n,) int32, the first step at which logits or state were not finite, -1: never.
        answer: (n, N), the answer after the last step.
        energy: (n, R) float32, after each recorded step, of models that have one; else (n, 0).
        scores: {metric: (n, R)}, what else the task scores; of the last finite answer where a row
            is not finite, and False there if it is a bool.
        depth: (n, P) int32, of each part of an answer, -1 where it does not count; P = 0 where the
            task knows no parts.
        parts: {metric: (n, R, P) bool}.
        depth_name: What `depth` counts.
    """

    steps: tuple[int, ...]
    solved: np.ndarray
    residual: np.ndarray
    first_solved: np.ndarray
    settled: np.ndarray
    nonfinite: np.ndarray
    answer: np.ndarray
    energy: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))
    scores: dict[str, np.ndarray] = field(default_factory=dict)
    depth: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int32))
    parts: dict[str, np.ndarray] = field(default_factory=dict)
    depth_name: str = ""

    def __len__(self) -> int:
        """The number of instances, n."""
        return len(self.settled)

    @property
    def judgement(self) -> np.ndarray:
        """(n, R), by which p2 chooses, least first: the energy, or without one the residual."""
        return self.energy if self.energy.size else self.residual

    def to_json(self) -> dict[str, list[Any]]:
        """Columns with one entry per instance; `energy` only of models that have one."""
        last = self.residual[:, -1]
        energy = self.energy[:, -1:].ravel()
        return {
            "first_solved": self.first_solved.tolist(),
            "settled": self.settled.tolist(),
            "solved_at_end": self.solved[:, -1].tolist(),
            "residual": [float(f"{r:.3g}") if np.isfinite(r) else None for r in last],
            "nonfinite": self.nonfinite.tolist(),
            **({"energy": [float(f"{e:.5g}") for e in energy]} if energy.size else {}),
        }


def concatenate(records: Sequence[Records]) -> Records:
    """The records of several batches as those of one family."""
    first = records[0]
    joined: dict[str, Any] = {}
    for f in fields(Records):
        values = [getattr(part, f.name) for part in records]
        if isinstance(values[0], np.ndarray):
            joined[f.name] = np.concatenate(values)
        elif isinstance(values[0], dict):
            names = values[0]
            joined[f.name] = {name: np.concatenate([v[name] for v in values]) for name in names}
        else:
            joined[f.name] = getattr(first, f.name)
    return Records(**joined)


class Recorder:
    """Takes the answers of a batch, step by step, and scores them with the rules of the task.

    Args:
        task: The task.
        instances: B of them.
        steps: The steps to record, ascending.
    """

    def __init__(self, task: Task, instances: Instances, steps: Sequence[int]) -> None:
        batch = len(instances)
        self._task, self._instances, self._steps = task, instances, tuple(steps)
        self._step = 0
        self.answer = task.initial_answer(instances)
        self._now = task.score(instances, self.answer)
        self._solved = np.zeros((batch, len(steps)), dtype=bool)
        self._residual = np.full((batch, len(steps)), np.inf, dtype=np.float32)
        self._first, self._nonfinite = (np.full(batch, NEVER, dtype=np.int32) for _ in range(2))
        self._settled = np.zeros(batch, dtype=np.int32)
        self._energy: list[np.ndarray] = []
        self._scores: dict[str, list[np.ndarray]] = {}
        self._parts: dict[str, list[np.ndarray]] = {}
        self._depth, self._depth_name = np.zeros((batch, 0), dtype=np.int32), ""

    def add(self, step: Step) -> None:
        """The next step; rows that are not finite count as unsolved."""
        self._step += 1
        answer, finite = step.answer, step.finite
        changed = (answer != self.answer).any(axis=1)
        if changed.any():
            self._now = self._task.score(self._instances, answer)
        self.answer = answer
        solved = self._now["solved"] & finite
        self._settled[changed] = self._step
        self._first[solved & (self._first == NEVER)] = self._step
        self._nonfinite[~finite & (self._nonfinite == NEVER)] = self._step
        if self._step in self._steps:
            column = self._steps.index(self._step)
            self._solved[:, column] = solved
            if step.residual is not None:
                self._residual[:, column] = np.where(finite, step.residual, np.inf)
            if step.judge is not None:
                self._energy.append(np.where(finite, step.judge(), np.inf))
            self._record_scores(finite)

    def through(self, steps: Iterator[Step]) -> Iterator[Step]:
        """The steps as they come, each recorded."""
        for step in steps:
            self.add(step)
            yield step

    def _record_scores(self, finite: np.ndarray) -> None:
        """What else is known of the current answers."""
        for name, values in self._now.items():
            if name != "solved":
                kept = values & finite if values.dtype == bool else values
                self._scores.setdefault(name, []).append(kept)
        parts = self._task.score_parts(self._instances, self.answer)
        if parts is not None:
            self._depth, self._depth_name = parts.depth, parts.depth_name
            for name, holds in parts.holds.items():
                self._parts.setdefault(name, []).append(holds & finite[:, None])

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
            np.stack(self._energy, 1) if self._energy else np.zeros((len(self._first), 0)),
            {name: np.stack(columns, axis=1) for name, columns in self._scores.items()},
            self._depth,
            {name: np.stack(columns, axis=1) for name, columns in self._parts.items()},
            self._depth_name,
        )
