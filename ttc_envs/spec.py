"""The narrow interface between tasks, environments and models: numpy only.

A `Task` draws instances, applies actions and scores answers, always for a batch. A `TaskSpec` is
everything that a model may know of a task: which fields there are, how many nodes and choices, and
the constraint structure.

Axis letters in shape comments: B batch, N nodes (variables of the answer), C choices per node,
D neighbours per node, G constraint groups, E edits.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
UNDECIDED = -1
"""The class index of a node that has no choice yet, in answers and in fields of kind `given`."""


@dataclass(frozen=True)
class Field:
    """One array of an instance, without the batch axis.

    Args:
        per: What the leading axis counts: the instance as a whole, its nodes, or (node, neighbour)
            pairs.
        kind: `symbol` (class index), `real`, `node` (index of a node), `given` (class index that
            the answer must keep, -1 where free) or `mask` (0 or 1).
        shape: Shape of the array for one instance.
        dtype: One of int8, int32, float32.
        low: Smallest value, finite.
        high: Largest value, finite.
    """

    per: Literal["instance", "node", "neighbour"]
    kind: Literal["symbol", "real", "node", "given", "mask"]
    shape: tuple[int, ...]
    dtype: Literal["int8", "int32", "float32"]
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Group:
    """Constraint groups of one kind: in each group exactly one member holds.

    Args:
        kind: Name of the kind (`row`, `column`, ...). Models share weights per kind.
        members: (G, n, 2) int32, pairs (node, choice).
    """

    kind: str
    members: Array


@dataclass(frozen=True, eq=False)
class TaskSpec:
    """What a model may know of a task.

    Args:
        name: Name of the task; models must not branch on it.
        levels: Named levels; tasks may accept parametrised ones beside them (`givens=30`).
        fields: Instance fields, by name.
        num_nodes: N, padded.
        num_choices: C.
        choices: `class` (C is a parameter size), `node` or `neighbour` (the answer points; N, D and
            C are free).
        num_edits: E, the number of local changes.
        neighbours: (N, D) int32, or None where the graph is a field or there is none.
        groups: Constraint groups, by kind.
        positions: (N, p) float32, or None.
    """

    name: str
    levels: tuple[str, ...]
    fields: dict[str, Field]
    num_nodes: int
    num_choices: int
    choices: Literal["class", "node", "neighbour"]
    num_edits: int
    neighbours: Array | None = None
    groups: tuple[Group, ...] = ()
    positions: Array | None = None

    def without_structure(self) -> TaskSpec:
        """The same task without neighbours, groups and positions, for models that learn them."""
        return dataclasses.replace(self, neighbours=None, groups=(), positions=None)

    def to_json(self) -> dict[str, Any]:
        """A document that `from_json` turns back into an equal spec."""

        def listed(array: Array | None) -> Any:
            return None if array is None else array.tolist()

        return {
            "name": self.name,
            "levels": list(self.levels),
            "fields": {name: dataclasses.asdict(field) for name, field in self.fields.items()},
            "num_nodes": self.num_nodes,
            "num_choices": self.num_choices,
            "choices": self.choices,
            "num_edits": self.num_edits,
            "neighbours": listed(self.neighbours),
            "groups": [{"kind": g.kind, "members": g.members.tolist()} for g in self.groups],
            "positions": listed(self.positions),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> TaskSpec:
        """The spec that `to_json` described.

        Raises:
            ValueError: A key is missing or unknown.
        """
        expected = {f.name for f in dataclasses.fields(cls)}
        if set(document) != expected:
            raise ValueError(f"a task spec has the keys {sorted(expected)}, got {sorted(document)}")

        def array(values: Any, dtype: str) -> Array | None:
            return None if values is None else np.asarray(values, dtype=dtype)

        return cls(
            **{
                **document,
                "levels": tuple(document["levels"]),
                "fields": {
                    name: Field(**{**field, "shape": tuple(field["shape"])})
                    for name, field in document["fields"].items()
                },
                "neighbours": array(document["neighbours"], "int32"),
                "groups": tuple(
                    Group(g["kind"], np.asarray(g["members"], dtype=np.int32))
                    for g in document["groups"]
                ),
                "positions": array(document["positions"], "float32"),
            }
        )


@dataclass(frozen=True, eq=False)
class Instances:
    """A batch of problems.

    Args:
        keys: (B,) uint64, the keys that determine them at their level.
        fields: What agents see: {name: (B, *Field.shape)}.
        labels: What only scoring and training see: {name: (B, ...)}; `answer` (B, N) is one
            exact answer.
    """

    keys: Array
    fields: dict[str, Array]
    labels: dict[str, Array]

    def __len__(self) -> int:
        """The number of instances, B."""
        return len(self.keys)

    def __getitem__(self, index: Any) -> Instances:
        """The instances that a slice, an index array or a boolean mask selects (no integer)."""
        return Instances(
            self.keys[index],
            {name: values[index] for name, values in self.fields.items()},
            {name: values[index] for name, values in self.labels.items()},
        )


class EditState(Protocol):
    """Incremental view of a batch of answers under edits.

    With it a vector env need not rescore whole answers.
    """

    def set_rows(self, rows: Array, instances: Instances, answer: Array) -> None:
        """Replace the rows (indices) by other instances and answers."""

    def apply(self, edits: Array) -> dict[str, Array]:
        """Apply one edit (B,) to each row in place; returns `Task.score` of the new answers."""


class Task(Protocol):
    """A task, batched; every method is pure."""

    spec: TaskSpec

    def sample(self, keys: Array, level: str) -> Instances:
        """Instances determined by (key, level): (B,) uint64 keys."""

    def initial_answer(self, instances: Instances) -> Array:
        """The first answer of an episode, (B, N) int8 or int32."""

    def apply(self, instances: Instances, answer: Array, action: Array, mode: str) -> Array:
        """The next answer (B, N).

        Mode `full` takes (B, N) answers and puts givens back; `edit` takes (B,) edits.
        """

    def edit_mask(self, instances: Instances, answer: Array) -> Array:
        """(B, E) int8, 1 where an edit is allowed."""

    def score(self, instances: Instances, answer: Array) -> dict[str, Array]:
        """`quality`, `accuracy` (float32 in [0, 1]), `solved` (bool), task metrics, (B,) each."""

    def solve(self, instances: Instances) -> Array:
        """An exact answer (B, N)."""

    def improve(self, instances: Instances, answer: Array) -> Array:
        """One classical refinement step, (B, N)."""

    def render(
        self, instance: Instances, answer: Array, mode: str, confidence: Array | None = None
    ) -> Any:
        """One instance (B = 1) as `ansi` text or an `rgb_array` (height, width, 3) uint8."""
