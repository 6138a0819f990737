"""Sudoku answers that change one cell at a time.

An edit is `cell * size + digit`. It touches one row, one column and one box, so counting digits per
line keeps the score without looking at the rest: `counts[line, digit]` says how often a line (row,
column or box) holds a digit, `distinct[line]` how many digits it holds at all, and a line is
complete when it holds all of them. The mask of allowed edits is kept in the same way.

Shapes: B batch, N cells, S digits, L = 3 S lines, E = N S edits, K rows that change.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ttc_envs.spec import UNDECIDED, Array, Instances, count_per_row
from ttc_envs.tasks.sudoku.grid import grid_of

BLANKS = 64
"""Stands for the number of blanks of a line: it never falls to 0, so blanks are never a digit."""

STEP = np.array([0, -1, 1], dtype=np.int8)[:, None, None]
"""What an edit adds to (distinct digits, count of the old digit, count of the new digit)."""


@dataclass(frozen=True, eq=False)
class EditTables:
    """What edits touch, as index tables.

    Args:
        cells: (E,) the cell of each edit.
        digits: (E,) the digit of each edit.
        bits: (E,) int32, 1 << digit.
        lines: (3, N), the row, column and box of each cell.
        lines_of: The same as N lists of three.
        unpacked: (2^S, S) int8, the bits of a number; None where that is too long.
        quality: (L + 1,) float32, quality by the number of complete lines.
        solved: (L + 1,) bool, whether all lines are complete.
        accuracy: (N + 1,) float32, accuracy by the number of right cells.
    """

    cells: Array
    digits: Array
    bits: Array
    lines: Array
    lines_of: list[list[int]]
    unpacked: Array | None
    quality: Array
    solved: Array
    accuracy: Array

    def scores(self, complete: Array, right: Array) -> dict[str, Array]:
        """`Task.score` from the numbers of complete lines and right cells, (B,) each."""
        return {
            "quality": self.quality[complete],
            "accuracy": self.accuracy[right],
            "solved": self.solved[complete],
        }


@cache
def tables_of(size: int) -> EditTables:
    """The tables of a size."""
    grid = grid_of(size)
    cells, digits = np.divmod(np.arange(grid.num_cells * size), size)
    lines = np.ascontiguousarray(grid.cell_groups.T)
    return EditTables(
        cells=cells,
        digits=digits,
        bits=np.left_shift(1, digits).astype(np.int32),
        lines=lines,
        lines_of=lines.T.tolist(),
        unpacked=bits_of(np.arange(2**size), size) if size <= 16 else None,
        quality=shares(3 * size),
        solved=np.arange(3 * size + 1) == 3 * size,
        accuracy=shares(grid.num_cells),
    )


def bits_of(numbers: Array, size: int) -> Array:
    """(..., S) int8: the lowest S bits of numbers."""
    bits: Array = (numbers[..., None] >> np.arange(size) & 1).astype(np.int8)
    return bits


def _unpack(bits: Array, size: int) -> Array:
    """(B, E) int8 from the bits (B, N) of each cell."""
    table = tables_of(size).unpacked
    unpacked = bits_of(bits, size) if table is None else table.take(bits, axis=0)
    return unpacked.reshape(len(bits), -1)


def shares(total: int) -> Array:
    """(total + 1,) float32: k / total, so that all ways of scoring give the same bits."""
    share: Array = (np.arange(total + 1) / total).astype(np.float32)
    return share


def edit_mask(givens: Array, answer: Array, size: int, strict: bool) -> Array:
    """(B, E) int8: edits of free cells that change something.

    Args:
        givens: (B, N) digits, -1 where free.
        answer: (B, N) digits, -1 where undecided.
        size: S.
        strict: Only blank cells, and only digits that their row, column and box do not hold.
    """
    if strict:
        return strict_mask(answer, held_by_line(answer, size), size)
    bits = np.where(givens == UNDECIDED, ~digit_bits(answer) & (2**size - 1), 0)
    return _unpack(bits, size)


def strict_mask(answer: Array, held: Array, size: int) -> Array:
    """`edit_mask` with `strict`, from `held_by_line`."""
    lines = tables_of(size).lines
    clash = held[:, lines[0]] | held[:, lines[1]] | held[:, lines[2]]
    bits = np.where(answer == UNDECIDED, ~clash & (2**size - 1), 0)
    return _unpack(bits, size)


def digit_bits(answer: Array) -> Array:
    """int32, bit d set where the digit is d, none where undecided."""
    # A shift by -1 is out of range, which numpy defines as 0.
    bits: Array = np.left_shift(np.uint32(1), answer.astype(np.uint32)).view(np.int32)
    return bits


def held_by_line(answer: Array, size: int) -> Array:
    """(B, L) int32, bit d set where the line holds digit d."""
    held: Array = np.bitwise_or.reduce(digit_bits(answer)[:, grid_of(size).groups], axis=2)
    return held


def _line_counts(answer: Array, size: int) -> Array:
    """(S, B, L) int8: how often each line holds each digit."""
    batch, num_lines = len(answer), 3 * size
    # Cells that hold a digit, by their number in the batch.
    at = (answer.reshape(-1) != UNDECIDED).nonzero()[0]
    rows, cells = np.divmod(at, answer.shape[1])
    slots = answer.reshape(-1).take(at).astype(np.int64) * batch + rows
    slots = slots * num_lines + tables_of(size).lines.take(cells, axis=1)
    counts = np.bincount(slots.reshape(-1), minlength=size * batch * num_lines)
    return counts.astype(np.int8).reshape(size, batch, num_lines)


class SudokuEdits:
    """The `EditState` of Sudoku; edits overwrite, so that a mistake can be repaired.

    Args:
        instances: Live batch of instances.
        size: S.
    """

    def __init__(self, instances: Instances, size: int) -> None:
        batch, cells, lines = len(instances), size * size, 3 * size
        self._instances = instances
        self._size = size
        self.answer = np.full((batch, cells), UNDECIDED, dtype=np.int8)
        self.mask = np.zeros((batch, cells * size), dtype=np.int8)
        self.changed = np.zeros(batch, dtype=np.int32)
        self.ended = np.zeros(batch, dtype=bool)
        self._lines = np.zeros((batch, lines, size + 2), dtype=np.int8)
        self._complete = np.zeros(batch, dtype=np.int64)
        self._right = np.zeros(batch, dtype=np.int64)

    def set_rows(self, rows: Any, answer: Array) -> dict[str, Array]:
        """Begin anew at the rows."""
        givens = self._instances.fields["givens"][rows]
        counts = _line_counts(answer, self._size)
        distinct = (counts > 0).sum(axis=0, dtype=np.int8)
        mask = edit_mask(givens, answer, self._size, strict=False)
        self.answer[rows] = answer
        self.mask[rows] = mask
        self.changed[rows] = 0
        self._lines[rows, :, 0] = distinct
        self._lines[rows, :, 1] = BLANKS
        self._lines[rows, :, 2:] = counts.transpose(1, 2, 0)
        self._complete[rows] = count_per_row(distinct == self._size)
        right = answer == self._instances.labels["answer"][rows]
        self._right[rows] = count_per_row(right)
        return tables_of(self._size).scores(self._complete[rows], self._right[rows])

    def apply(self, edits: Array) -> dict[str, Array]:
        """One edit (B,) int64 per row, in place; those that the mask forbids change nothing."""
        if len(edits) == 1:
            return self._apply_one(int(edits[0]))
        tables = tables_of(self._size)
        batch, num_edits = self.mask.shape
        mask = self.mask.reshape(-1)
        rows = np.arange(batch)
        at = rows * num_edits + edits
        allowed = mask.take(at)
        self.changed = allowed.astype(np.int32)
        where: Any = slice(None)
        if np.count_nonzero(allowed) < batch:
            where = rows = allowed.nonzero()[0]
            edits, at = edits[rows], at[rows]
        digits = tables.digits.take(edits)
        cells = tables.cells.take(edits)
        old = self._write(where, rows, cells, digits)
        self._complete[where] += self._count(rows, cells, old, digits)
        # Where the cell was blank this reopens an edit that is open; then the new digit closes.
        mask[at - digits + np.maximum(old, 0)] = 1
        mask[at] = 0
        return tables_of(self._size).scores(self._complete, self._right)

    def _apply_one(self, edit: int) -> dict[str, Array]:
        """`apply` for a batch of one, cell by cell: numpy's calls would cost ten times the work."""
        cell, digit = divmod(edit, self._size)
        mask, lines = self.mask.data, self._lines.data
        allowed = mask[0, edit]
        self.changed[0] = allowed
        if allowed:
            old = self.answer.item(cell)
            label = self._instances.labels["answer"].item(cell)
            self.answer[0, cell] = digit
            self._right[0] += (label == digit) - (label == old)
            self._complete[0] += self._count_one(lines, cell, old, digit)
            mask[0, edit - digit + max(old, 0)] = 1
            mask[0, edit] = 0
        return tables_of(self._size).scores(self._complete, self._right)

    def _count_one(self, lines: memoryview[int], cell: int, old: int, new: int) -> int:
        """`_count` for one cell: by how much the number of complete lines grows."""
        size, grown = self._size, 0
        for line in tables_of(size).lines_of[cell]:
            before = lines[0, line, 0]
            left = lines[0, line, 2 + old] = lines[0, line, 2 + old] - 1
            held = lines[0, line, 2 + new]
            lines[0, line, 2 + new] = held + 1
            lines[0, line, 0] = after = before + (held == 0) - (left == 0)
            grown += (after == size) - (before == size)
        return grown

    def _write(self, where: Any, rows: Array, cells: Array, digits: Array) -> Array:
        """Write digits (K,) into cells (K,) of the rows (also as `where`); returns the old ones."""
        at = rows * self.answer.shape[1] + cells
        answer = self.answer.reshape(-1)
        label = self._instances.labels["answer"].reshape(-1).take(at)
        old: Array = answer.take(at)
        answer[at] = digits
        self._right[where] += (label == digits).view(np.int8) - (label == old).view(np.int8)
        return old

    def _count(self, rows: Array, cells: Array, old: Array, new: Array) -> Array:
        """Move a cell (K,) of each row from the old digit to the new one in its three lines.

        Returns (K,) by how much the number of complete lines grows.
        """
        lines = self._lines.reshape(-1)
        num_lines, width = self._lines.shape[1:]
        distinct = (rows * num_lines + tables_of(self._size).lines.take(cells, axis=1)) * width
        slots = np.empty((3, *distinct.shape), dtype=np.int64)
        slots[0] = distinct
        np.add(distinct, old + 2, out=slots[1])
        np.add(distinct, new + 2, out=slots[2])
        before = lines.take(slots)
        after = before + STEP
        after[0] += (before[2] == 0).view(np.int8) - (after[1] == 0).view(np.int8)
        lines[slots] = after
        full = self._size
        grown = (after[0] == full).view(np.int8) - (before[0] == full).view(np.int8)
        total: Array = grown[0] + grown[1] + grown[2]
        return total
