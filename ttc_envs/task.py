"""What a task does: the base class `Task`.

A task draws instances, applies actions and scores answers, always for a batch. To write one, derive
from `Task`, set `spec` in `__init__`, and write `sample` and `solve`. All else has a default, which
is right for answers of the form "a choice for each node" and is overridden where the task differs
or can be faster.

Axis letters: see `spec`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ttc_envs.contracts import Baseline, EditState, Loaded, Parts, Wording
from ttc_envs.groups import GroupCounter
from ttc_envs.spec import UNDECIDED, Array, Instances, TaskSpec, count_per_row


class Task(ABC):
    """A task, batched. Methods are pure: the same arguments give the same result.

    The defaults take the field of kind `given`, where the spec has one, for what the answer must
    keep, and know nothing of padding (fields of kind `mask`).

    Attributes:
        spec: What a model may know of the task; set by the constructor.
        splits: The values of the constructor's argument `split`; empty where it has none.
        wording: The words for the task in pictures and reports.
    """

    spec: TaskSpec
    splits: ClassVar[tuple[str, ...]] = ()
    wording: ClassVar[Wording] = Wording()

    @property
    def sources(self) -> dict[str, str]:
        """{argument: sha256} of files that the task draws from, to know them by their content."""
        return {}

    # Instances

    @abstractmethod
    def sample(self, keys: Array, level: str) -> Instances:
        """Instances determined by (key, level): (B,) uint64 keys."""

    @abstractmethod
    def solve(self, instances: Instances) -> Array:
        """An exact answer (B, N), found without the labels, which may be missing.

        A node is left undecided where an instance has no exact answer, and only there.
        """

    def level_index(self, level: str) -> int:
        """The index of a level in `spec.levels`, -1 for a parametrised one.

        Raises:
            ValueError: There is no such level.
        """
        levels = self.spec.levels
        if level not in levels:
            raise ValueError(
                f"level of {self.spec.name} must be one of {', '.join(levels)}, got {level!r}"
            )
        return levels.index(level)

    def from_fields(self, fields: dict[str, Any]) -> Instances:
        """Instances of given fields {name: (B, *Field.shape)}, labelled by solving them; keys 0.

        Raises:
            ValueError: The fields break the spec, or an instance has no exact answer.
        """
        checked = self.spec.check_fields(fields)
        keys = np.zeros(len(next(iter(checked.values()))), dtype=np.uint64)
        answer = self.solve(Instances(keys, checked, {}))
        unsolved = (answer == UNDECIDED).any(axis=1)
        if unsolved.any():
            raise ValueError(f"instances {np.flatnonzero(unsolved)[:8]} have no solution")
        return Instances(keys, checked, {"answer": answer})

    def several_solutions(self, instances: Instances) -> Array:
        """(B,) bool, whether an instance is known to have another exact answer than its label."""
        return np.zeros(len(instances), dtype=bool)

    # Answers

    def initial_answer(self, instances: Instances) -> Array:
        """The first answer of an episode, (B, N) of `spec.answer_dtype`: what is given."""
        return self._givens(instances).astype(self.spec.answer_dtype)

    def _givens(self, instances: Instances) -> Array:
        """(B, N), the choices that are given, -1 where a node is free."""
        if self.spec.given_field is None:
            return np.full((len(instances), self.spec.num_nodes), UNDECIDED)
        return instances.fields[self.spec.given_field]

    def apply(self, instances: Instances, answer: Array, action: Array, mode: str) -> Array:
        """The next answer (B, N).

        Mode `full` takes (B, N) answers and puts givens back. Mode `edit` takes (B,) edits; edit
        node * C + choice writes a choice, unless the mask forbids it.

        Raises:
            ValueError: There is no such mode.
        """
        if mode == "full":
            givens = self._givens(instances)
            return np.where(givens < 0, action, givens).astype(self.spec.answer_dtype)
        if mode != "edit":
            raise ValueError(f"mode must be 'full' or 'edit', got {mode!r}")
        rows = np.flatnonzero(self.edit_mask(instances, answer)[np.arange(len(answer)), action])
        node, choice = np.divmod(action[rows], self.spec.num_choices)
        after = answer.copy()
        after[rows, node] = choice
        return after

    def edit_mask(self, instances: Instances, answer: Array) -> Array:
        """(B, E) int8, 1 where an edit is allowed: it changes a node that is not given."""
        allowed = answer[:, :, None] != np.arange(self.spec.num_choices)
        allowed &= (self._givens(instances) < 0)[:, :, None]
        mask: Array = allowed.view(np.int8).reshape(len(answer), -1)
        return mask

    def edit_state(self, instances: Instances, strict: bool) -> EditState:
        """Answers that change by edits, on a live batch of instances.

        Raises:
            ValueError: `strict` asks for strict rules, and the task has none.
        """
        self.refuse_strict(strict)
        return MaskedEdits(self, instances)

    def refuse_strict(self, strict: bool) -> None:
        """For an `edit_state` without strict rules.

        Raises:
            ValueError: They were asked for.
        """
        if strict:
            raise ValueError(f"{self.spec.name} has no strict edit rules, got strict=True")

    def edit_path(self, instances: Instances, answer: Array) -> list[Array]:
        """For each row the edits (k,) int64 that lead from the answer to the labelled one."""
        label = instances.labels["answer"].astype(np.int64)
        edits = np.arange(self.spec.num_nodes) * self.spec.num_choices + label
        return [row[wrong] for row, wrong in zip(edits, answer != label, strict=True)]

    # Scores

    def score(self, instances: Instances, answer: Array) -> dict[str, Array]:
        """`quality`, `accuracy` (float32 in [0, 1]), `solved` (bool), task metrics, (B,) each.

        By default accuracy is the share of nodes that agree with the label, quality the share of
        constraint groups in which exactly one member holds, and an answer is solved if all do and
        what is given is kept. Without groups, quality is accuracy.
        """
        right = count_per_row(answer == instances.labels["answer"])
        accuracy = (right / self.spec.num_nodes).astype(np.float32)
        if self._groups is None:
            solved = right == self.spec.num_nodes
            return {"quality": accuracy.copy(), "accuracy": accuracy, "solved": solved}
        satisfied, total = self._groups.satisfied(answer), self._groups.num_groups
        givens = self._givens(instances)
        kept = ((givens < 0) | (answer == givens)).all(axis=1)
        quality = (satisfied / total).astype(np.float32)
        return {"quality": quality, "accuracy": accuracy, "solved": (satisfied == total) & kept}

    @cached_property
    def _groups(self) -> GroupCounter | None:
        return GroupCounter(self.spec) if self.spec.groups else None

    def score_parts(self, instances: Instances, answer: Array) -> Parts | None:
        """Scores of the parts of each answer, or None where the task knows no parts."""
        return None

    # Classical methods

    def improve(self, instances: Instances, answer: Array) -> Array:
        """One classical refinement step, (B, N); by default the answer as it is."""
        return answer.copy()

    def baselines(self) -> dict[str, Baseline]:
        """Classical methods beside `improve` and `solve`, by name; they may read labels."""
        return {}

    # Words, files and pictures

    def spell(self, answer: Array) -> str:
        """An answer (N,) as text: numbers with blanks between, dots where undecided."""
        return " ".join("." if choice < 0 else str(choice) for choice in answer.tolist())

    def parse(self, text: str) -> Instances:
        """The instance (B = 1) that a text spells, labelled.

        Raises:
            ValueError: The text is none, or instances of the task have no text form.
        """
        raise ValueError(f"{self.spec.name} has no text form")

    def load(
        self,
        path: str | os.PathLike[str],
        on_error: str = "raise",
        several_solutions: bool = False,
    ) -> Loaded:
        """The instances of a file, labelled.

        Args:
            path: The file.
            on_error: `raise`, or `skip` to leave bad rows out and list them.
            several_solutions: Whether an instance may have several exact answers, of which one is
                its label: `solved` goes by the rules then, `accuracy` by the label.

        Raises:
            ValueError: A row is bad, no row is good, or the task reads no files.
            OSError: There is no such file.
        """
        raise ValueError(f"{self.spec.name} reads no files, got {os.fspath(path)}")

    def load_text(
        self, text: str, on_error: str = "raise", several_solutions: bool = False
    ) -> Loaded:
        """The instances of a text, as `load` reads them from a file that holds it.

        By default the one that `parse` reads, for tasks that read no files.

        Raises:
            ValueError: As for `load`, or as for `parse`.
        """
        return Loaded(self.parse(text), (), 0)

    def places(self) -> Array | None:
        """(C, 2) latitude and longitude of the choices in degrees, or None where they have none."""
        return None

    def view(self, instance: Instances) -> dict[str, Any]:
        """What a page that draws answers has to know of one instance (B = 1), as plain data.

        `kind` says how the page draws it, and the other entries what it needs for that:

        | kind | entries |
        |---|---|
        | `grid` | `cells`: row and column of each node |
        | `map` | `points` (x, y in 840 x 560) and `names` of places, `roads` (pairs), `source`, \
`target`, `best` (a shortest path), `onward` |
        | `bars` | `values`: of each item that answers put in order |

        `onward` (N, C) is the place that each choice of each node leads to, None where answers list
        places. By default nodes are the cells of a grid, by the ranks of their positions.
        """
        from ttc_envs.render import cells_of

        cells = cells_of(self.spec.positions, self.spec.num_nodes)
        return {"kind": "grid", "cells": cells.tolist()}

    def render(
        self, instance: Instances, answer: Array, mode: str, confidence: Array | None = None
    ) -> Any:
        """One instance (B = 1) as `ansi` text or an `rgb_array` (height, width, 3) uint8."""
        from ttc_envs.render import render

        given = self._givens(instance)[0] >= 0
        return render(answer[0], given, self.spec.positions, mode, confidence)


class MaskedEdits:
    """The `EditState` of tasks that keep no faster one: each step masks and scores anew.

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
