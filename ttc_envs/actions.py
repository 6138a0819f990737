"""Action modes: how an action encodes the next answer.

`full` is the whole answer, `edit` one local change, `logits` a real number per (node, choice) whose
argmax is the answer. Each mode is an object that makes its Gymnasium space, checks actions, encodes
solutions and moves a batch of answers on.

Shapes: B batch, N nodes, C choices per node, E edits.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import index
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces

from ttc_envs.contracts import AnswerState
from ttc_envs.spec import Array, Instances, count_per_row
from ttc_envs.task import Task

MAX_ENTRIES = 1_000_000
"""Actions with more entries (full: N; edit: E; logits: N x C) are refused."""


class ActionMode(Protocol):
    """One way to act on a task."""

    @property
    def space(self) -> spaces.Space[Any]:
        """Space of one action."""

    def parse(self, actions: Any, num_envs: int) -> Array:
        """The actions of a batch, checked.

        Raises:
            ValueError: Wrong shape, dtype or range.
        """

    def parse_one(self, action: Any) -> Array:
        """A single action, checked, as a batch of one."""

    def state(self, instances: Instances, strict: bool) -> AnswerState:
        """The answers that the parsed actions move on."""

    def solution(self, instances: Instances, answer: Array) -> Any:
        """For each row the action, or the actions, that give the labelled answer."""


class FullActions:
    """The whole answer: MultiDiscrete, N classes 0..C-1; what is given is put back."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._shape = (_limited("full", task.spec.num_nodes),)
        self.space = spaces.MultiDiscrete(np.full(self._shape, task.spec.num_choices))

    def parse(self, actions: Any, num_envs: int) -> Array:
        """(B, N) integers in 0..C-1."""
        array = _integers(actions, (num_envs, *self._shape), "full")
        return _in_range(array, self._task.spec.num_choices, "full")

    def parse_one(self, action: Any) -> Array:
        """(1, N) from (N,)."""
        return self.parse(np.asarray(action)[None], 1)

    def state(self, instances: Instances, strict: bool) -> AnswerState:
        """Answers that are replaced as a whole."""
        _refuse_strict(strict)
        return WholeAnswers(self._task, instances)

    def solution(self, instances: Instances, answer: Array) -> Array:
        """(B, N) int64, the labelled answers."""
        return instances.labels["answer"].astype(np.int64)


def confidence(logits: Array, num_choices: int) -> Array:
    """(B, N): softmax probability of the choice that each node takes, from (B, N * C) logits."""
    nodes = logits.reshape(len(logits), -1, num_choices).astype(np.float64)
    nodes -= nodes.max(axis=2, keepdims=True)
    taken: Array = 1.0 / np.exp(nodes).sum(axis=2)
    return taken


class LogitActions:
    """A real number per (node, choice), N x C flattened; the answer is the argmax over choices."""

    def __init__(self, task: Task) -> None:
        self._task = task
        entries = _limited("logits", task.spec.num_nodes * task.spec.num_choices)
        self.space = spaces.Box(-1.0, 1.0, (entries,), np.float32)

    def parse(self, actions: Any, num_envs: int) -> Array:
        """(B, N * C) finite numbers; outside of -1..1 is fine."""
        array = np.asarray(actions)
        if array.dtype.kind not in "fiu" or array.shape != (num_envs, *self.space.shape):
            raise ValueError(
                f"logits actions must be real numbers of shape {(num_envs, *self.space.shape)}, "
                f"got {array.dtype} of shape {array.shape}"
            )
        if not np.isfinite(array).all():
            rows = np.flatnonzero(~np.isfinite(array).all(axis=1))
            raise ValueError(f"logits must be finite, got NaN or infinity in rows {rows[:8]}")
        return array

    def parse_one(self, action: Any) -> Array:
        """(1, N * C) from (N * C,)."""
        return self.parse(np.asarray(action)[None], 1)

    def state(self, instances: Instances, strict: bool) -> AnswerState:
        """Answers that are replaced as a whole by an argmax."""
        _refuse_strict(strict)
        return DecodedLogits(self._task, instances)

    def solution(self, instances: Instances, answer: Array) -> Array:
        """(B, N * C) float32: 1 at the labelled choices, -1 elsewhere."""
        choices = np.arange(self._task.spec.num_choices)
        right = instances.labels["answer"][:, :, None] == choices
        return np.where(right, np.float32(1), np.float32(-1)).reshape(len(right), -1)


class EditActions:
    """One local change: Discrete, E edits, of which the mask forbids some."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self.space = spaces.Discrete(_limited("edit", task.spec.num_edits))

    def parse(self, actions: Any, num_envs: int) -> Array:
        """(B,) integers in 0..E-1."""
        array = _integers(actions, (num_envs,), "edit")
        return _in_range(array, self._task.spec.num_edits, "edit").astype(np.int64)

    def parse_one(self, action: Any) -> Array:
        """(1,) from an integer; without numpy, which would take most of a step's time."""
        try:
            edit = index(action)
        except TypeError:
            edit = -1
        if not 0 <= edit < self._task.spec.num_edits:
            raise ValueError(
                f"edit actions must be integers in 0..{self._task.spec.num_edits - 1}, "
                f"got {action!r}"
            )
        return np.array([edit])

    def state(self, instances: Instances, strict: bool) -> AnswerState:
        """Answers that change by edits, kept by the task."""
        return self._task.edit_state(instances, strict)

    def solution(self, instances: Instances, answer: Array) -> list[Array]:
        """For each row the edits (k,) that complete the current answer."""
        return self._task.edit_path(instances, answer)


class WholeAnswers:
    """The `AnswerState` of `full` actions."""

    def __init__(self, task: Task, instances: Instances) -> None:
        self._task = task
        self._instances = instances
        shape = (len(instances), task.spec.num_nodes)
        self.answer = np.full(shape, -1, dtype=task.spec.answer_dtype)
        self.changed = np.zeros(len(instances), dtype=np.int32)
        self.ended = np.zeros(len(instances), dtype=bool)

    def set_rows(self, rows: Any, answer: Array) -> dict[str, Array]:
        """Begin anew at the rows."""
        self.answer[rows] = answer
        self.changed[rows] = 0
        return self._task.score(self._instances[rows], answer)

    def apply(self, actions: Array) -> dict[str, Array]:
        """The answers are the actions (B, N), with the givens put back."""
        answer = self._task.apply(self._instances, self.answer, actions, "full")
        self.changed = count_per_row(answer != self.answer)
        self.answer = answer
        return self._task.score(self._instances, answer)


class DecodedLogits(WholeAnswers):
    """The `AnswerState` of `logits` actions."""

    def apply(self, actions: Array) -> dict[str, Array]:
        """The answers are the argmax of the actions (B, N * C), with the givens put back."""
        logits = actions.reshape(*self.answer.shape, -1)
        return super().apply(logits.argmax(axis=2))


ACTION_MODES: dict[str, Callable[[Task], ActionMode]] = {
    "full": FullActions,
    "edit": EditActions,
    "logits": LogitActions,
}


def action_mode(name: str, task: Task) -> ActionMode:
    """The action mode of that name, on a task.

    Raises:
        ValueError: There is no such mode, or its actions have more than `MAX_ENTRIES` entries.
    """
    if name not in ACTION_MODES:
        raise ValueError(f"action_mode must be one of {sorted(ACTION_MODES)}, got {name!r}")
    return ACTION_MODES[name](task)


def _limited(mode: str, entries: int) -> int:
    if entries > MAX_ENTRIES:
        raise ValueError(
            f"{mode} actions of this task have {entries} entries, at most {MAX_ENTRIES} are allowed"
        )
    return entries


def _refuse_strict(strict: bool) -> None:
    if strict:
        raise ValueError("strict=True applies to action_mode='edit' only")


def _integers(actions: Any, shape: tuple[int, ...], mode: str) -> Array:
    array = np.asarray(actions)
    if array.dtype.kind not in "iu" or array.shape != shape:
        raise ValueError(
            f"{mode} actions must be integers of shape {shape}, "
            f"got {array.dtype} of shape {array.shape}"
        )
    return array


def _in_range(array: Array, limit: int, mode: str) -> Array:
    low, high = array.min(), array.max()
    if low < 0 or high >= limit:
        raise ValueError(f"{mode} actions must lie in 0..{limit - 1}, got {low}..{high}")
    return array
