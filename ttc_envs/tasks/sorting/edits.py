"""Answers to sorting that change by swapping two positions.

A swap of the positions i < j that hold the keys a and b changes the order of pairs only among i, j
and the positions k between them, with keys c:

    inversions grow by  sum_k sign(b - c_k) - sign(a - c_k)  +  sign(b - a)

so that whole answers need not be scored anew. Keys are compared by the first place that they have
in order, as in `scoring`.

Shapes: B batch, N positions, E swaps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ttc_envs.spec import UNDECIDED, Array, Instances, count_per_row
from ttc_envs.tasks.sorting.scoring import (
    by_value,
    count_inversions,
    count_rows,
    is_permutation,
    listed,
    read,
    scores_of,
    without,
)


@dataclass(frozen=True, eq=False)
class Swaps:
    """The swaps of N positions, by number.

    Args:
        left: (E,) int64, i of each swap; swaps are in the order of (i, j).
        right: (E,) int64, j > i.
        numbers: (N, N) int32, the swap of a pair (i, j), -1 where there is none.
    """

    left: Array
    right: Array
    numbers: Array


@cache
def swaps_of(size: int, adjacent: bool) -> Swaps:
    """All pairs i < j, or only those of neighbours."""
    left, right = np.triu_indices(size, 1)
    if adjacent:
        left = np.arange(size - 1)
        right = left + 1
    numbers = np.full((size, size), -1, dtype=np.int32)
    numbers[left, right] = numbers[right, left] = np.arange(len(left))
    return Swaps(left, right, numbers)


def swap_mask(mask: Array, adjacent: bool) -> Array:
    """(B, E) int8: swaps within the lists, whose positions the mask (B, N) says."""
    # Positions of a list come first, so j decides.
    return mask.take(swaps_of(mask.shape[1], adjacent).right, axis=1)


def swap_path(label: Array, answer: Array, adjacent: bool) -> Array:
    """The swaps (k,) int64 that turn a permutation (N,) into the labelled one (N,).

    Raises:
        ValueError: The answer is no permutation of the items.
    """
    size = len(label)
    if not np.array_equal(np.sort(answer), np.arange(size)):
        raise ValueError(f"expected a permutation of 0..{size - 1}, got {answer.tolist()}")
    current, wanted = answer.tolist(), label.tolist()
    path = []
    for i, item in enumerate(wanted):
        j = current.index(item, i)
        if adjacent:
            path += [(k - 1, k) for k in range(j, i, -1)]
            current.insert(i, current.pop(j))
        elif j > i:
            path.append((i, j))
            current[i], current[j] = item, current[i]
    numbers = swaps_of(size, adjacent).numbers
    swaps: Array = np.array([numbers[pair] for pair in path], dtype=np.int64)
    return swaps


class SortingEdits:
    """The `EditState` of sorting.

    Args:
        instances: Live batch of instances.
        adjacent: Whether only neighbours may be swapped.
    """

    def __init__(self, instances: Instances, adjacent: bool) -> None:
        label = instances.labels["answer"]
        batch, size = label.shape
        self._instances = instances
        self._adjacent = adjacent
        self._swaps = swaps_of(size, adjacent)
        self.answer = np.full((batch, size), UNDECIDED, dtype=label.dtype)
        self.mask = np.zeros((batch, len(self._swaps.left)), dtype=np.int8)
        self.changed = np.zeros(batch, dtype=np.int32)
        self.ended = np.zeros(batch, dtype=bool)
        # Signed, for differences.
        self._shown = np.zeros((batch, size), dtype=np.int16)
        self._inversions, self._right, self._lengths = (
            np.zeros(batch, dtype=np.int64) for _ in range(3)
        )
        self._permutation, self._decided = (np.zeros(batch, dtype=bool) for _ in range(2))

    def set_rows(self, rows: Any, answer: Array) -> dict[str, Array]:
        """Begin anew at the rows."""
        labels = self._instances.labels
        mask = self._instances.fields["mask"][rows]
        places, decided = read(labels["place"][rows], listed(mask, answer))
        first = labels["first"][rows]
        shown = by_value(first, places)
        lengths = count_per_row(mask)
        self.answer[rows] = answer
        self.mask[rows] = swap_mask(mask, self._adjacent)
        self.changed[rows] = 0
        self._shown[rows] = shown.T
        self._inversions[rows] = count_inversions(without(mask, shown))
        self._right[rows] = count_rows(shown == first.T) - (mask.shape[1] - lengths)
        self._lengths[rows] = lengths
        # Swaps keep which items there are.
        self._permutation[rows] = is_permutation(places)
        self._decided[rows] = decided
        return self._scores(rows)

    def apply(self, edits: Array) -> dict[str, Array]:
        """One swap (B,) int64 per row, in place; those that the mask forbids change nothing."""
        rows = np.arange(len(edits))
        allowed = self.mask[rows, edits] != 0
        self.changed = np.zeros(len(edits), dtype=np.int32)
        if not allowed.all():
            rows, edits = rows[allowed], edits[allowed]
        if len(rows):
            self._swap(rows, self._swaps.left.take(edits), self._swaps.right.take(edits))
        return self._scores(slice(None))

    def _swap(self, rows: Array, left: Array, right: Array) -> None:
        """Exchange what the positions (K,) of the rows hold."""
        first = self._instances.labels["first"]
        a, b = self._shown[rows, left], self._shown[rows, right]
        i, j = first[rows, left], first[rows, right]
        self._right[rows] += (b == i).astype(np.int64) + (a == j) - (a == i) - (b == j)
        self._inversions[rows] += np.sign(b - a)
        if not self._adjacent:
            self._inversions[rows] += self._between(rows, left, right, a, b)
        self._shown[rows, left], self._shown[rows, right] = b, a
        items, others = self.answer[rows, left], self.answer[rows, right]
        self.answer[rows, left], self.answer[rows, right] = others, items
        self.changed[rows] = 2 * (items != others)

    def _between(self, rows: Array, left: Array, right: Array, a: Array, b: Array) -> Array:
        """(K,) by how much the inversions with positions between the two grow."""
        shown = self._shown if len(rows) == len(self._shown) else self._shown[rows]
        positions = np.arange(shown.shape[1])
        grown = np.sign(b[:, None] - shown) - np.sign(a[:, None] - shown)
        grown *= (positions > left[:, None]) & (positions < right[:, None])
        total: Array = grown.sum(axis=1, dtype=np.int64)
        return total

    def _scores(self, rows: Any) -> dict[str, Array]:
        return scores_of(
            self._inversions[rows],
            self._instances.labels["most"][rows],
            self._permutation[rows],
            self._decided[rows],
            self._right[rows],
            self._lengths[rows],
        )
