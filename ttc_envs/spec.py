"""What tasks, environments and models share as plain data: numpy only.

A `TaskSpec` is everything that a model may know of a task: which fields there are, how many nodes
and choices, and the constraint structure. `Instances` are a batch of problems. What a task does
stands in `task.py`.

Axis letters in shape comments: B batch, N nodes (variables of the answer), C choices per node,
D neighbours per node, G constraint groups, E edits.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
UNDECIDED = -1
"""The class index of a node that has no choice yet, in answers and in fields of kind `given`."""


def count_per_row(flags: Array) -> Array:
    """(B,) int32, how many of (B, N) flags (0 or 1 in a byte) hold.

    Where rows are whole words, eight flags are added at once as the bytes of a word; a product adds
    these bytes in the highest one, up to 255. Either way takes a fraction of count_nonzero's time.
    """
    size = flags.shape[1]
    count: Array
    if size % 8 or size > 255:
        count = np.einsum("bn->b", flags.view(np.int8), dtype=np.int32)
    else:
        sums = np.ascontiguousarray(flags).view(np.uint64) @ _byte_sums(size // 8)
        count = (sums >> np.uint64(56)).astype(np.int32)
    return count


@cache
def _byte_sums(words: int) -> Array:
    """(W,) factors that add the bytes of W words in the highest byte."""
    return np.full(words, 0x0101010101010101, dtype=np.uint64)


@dataclass(frozen=True)
class Field:
    """One array of an instance, without the batch axis.

    Args:
        per: What the leading axis counts: the instance as a whole, its nodes, (node, neighbour)
            pairs, or the choices that answers point to, which `answer` shows in the order of the
            current answer: see `TaskSpec.shown`.
        kind: `symbol` (class index), `real`, `node` (index of a node), `given` (class index that
            the answer must keep, -1 where free) or `mask` (1 where the node or the neighbour is
            there, 0 for padding).
        shape: Shape of the array for one instance.
        dtype: One of int8, int32, float32.
        low: Smallest value, finite.
        high: Largest value, finite.
    """

    per: Literal["instance", "node", "neighbour", "answer"]
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

    @property
    def answer_dtype(self) -> np.dtype[Any]:
        """The dtype of answers: int8 where C allows it, else int32."""
        return np.dtype(np.int8 if self.num_choices <= 128 else np.int32)

    @cached_property
    def graph_field(self) -> str | None:
        """The field with the graph of each instance: the nodes per neighbour; None without one."""
        return self._field_of("neighbour", "node")

    @cached_property
    def given_field(self) -> str | None:
        """The field with a choice per node that the answer must keep; None without one."""
        return self._field_of("node", "given")

    def _field_of(self, per: str, kind: str) -> str | None:
        """The name of the first field of a kind."""
        found = (name for name, f in self.fields.items() if (f.per, f.kind) == (per, kind))
        return next(found, None)

    def without_structure(self) -> TaskSpec:
        """The same task without neighbours, groups and positions, for models that learn them."""
        return dataclasses.replace(self, neighbours=None, groups=(), positions=None)

    def shown(self, fields: dict[str, Array], answer: Array) -> dict[str, Array]:
        """The fields {name: (B, ...)} as observations have them beside an answer (B, N).

        A field per answer shows entry answer[i] at node i, its lowest value where undecided. All
        other fields are passed through.
        """
        shown = dict(fields)
        for name, values in self._per_answer(fields):
            low = np.asarray(self.fields[name].low, dtype=values.dtype)
            entries = np.take_along_axis(values, _like(np.maximum(answer, 0), values), axis=1)
            shown[name] = np.where(_like(answer, values) < 0, low, entries)
        return shown

    def unshown(self, shown: dict[str, Array], answer: Array) -> dict[str, Array]:
        """The fields that `shown` was made from, beside answers (B, N) that are permutations."""
        fields = dict(shown)
        for name, entries in self._per_answer(shown):
            fields[name] = np.empty_like(entries)
            np.put_along_axis(fields[name], _like(answer, entries), entries, axis=1)
        return fields

    def _per_answer(self, fields: dict[str, Array]) -> list[tuple[str, Array]]:
        return [(name, v) for name, v in fields.items() if self.fields[name].per == "answer"]

    def check_fields(self, fields: dict[str, Any]) -> dict[str, Array]:
        """Copies of the fields of a batch {name: (B, *Field.shape)}, in the spec's dtypes.

        Raises:
            ValueError: A field is missing, unknown, of wrong shape or kind, or out of range.
        """
        if set(fields) != set(self.fields):
            raise ValueError(
                f"{self.name} has the fields {sorted(self.fields)}, got {sorted(fields)}"
            )
        checked = {name: _checked(name, self.fields[name], fields[name]) for name in fields}
        batches = {name: len(values) for name, values in checked.items()}
        if len(set(batches.values())) > 1:
            raise ValueError(f"fields must have one batch size, got {batches}")
        return checked

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


def _like(answer: Array, values: Array) -> Array:
    """(B, N, 1, ...) int64 with as many axes as the values."""
    return answer.astype(np.int64).reshape(*answer.shape, *[1] * (values.ndim - 2))


def _checked(name: str, field: Field, values: Any) -> Array:
    """A copy (B, *Field.shape) of one field."""
    array = np.asarray(values)
    kinds = "fiu" if field.dtype == "float32" else "iu"
    if array.shape[1:] != field.shape or array.ndim != 1 + len(field.shape):
        raise ValueError(f"{name} must have shape (B, {field.shape}), got {array.shape}")
    if array.dtype.kind not in kinds:
        raise ValueError(f"{name} must be {field.dtype}, got {array.dtype}")
    # Written so that NaN fails too.
    if not ((array >= field.low) & (array <= field.high)).all():
        raise ValueError(
            f"{name} must lie in {field.low}..{field.high}, got {array.min()}..{array.max()}"
        )
    return array.astype(field.dtype)


@dataclass(frozen=True, eq=False)
class Instances:
    """A batch of problems.

    Args:
        keys: (B,) uint64, the keys that determine them at their level.
        fields: What agents see: {name: (B, *Field.shape)}.
        labels: What only scoring and training see: {name: (B, ...)}; `answer` (B, N) is one
            exact answer, `right` (B, N, C) bool, where several choices may be, marks all of them.
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

    def assign(self, rows: Any, other: Instances) -> None:
        """Write the instances of `other` over the rows (slice or index array) of this batch."""
        self.keys[rows] = other.keys
        for name, values in self.fields.items():
            values[rows] = other.fields[name]
        for name, values in self.labels.items():
            values[rows] = other.labels[name]
