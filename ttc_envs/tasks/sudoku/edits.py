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

from ttc_envs.spec import UNDECIDED, Array, Instances
from ttc_envs.tasks.sudoku.grid import grid_of

BLANKS = 64
"""Added to the count of blanks per line: it never falls to 0, so blanks never count as a digit."""


@dataclass(frozen=True, eq=False)
class EditTables:
    """What edits touch, as index tables.

    Args:
        cells: (E,) the cell of each edit.
        digits: (E,) int8, the digit of each edit.
        lines: (3, N), the row, column and box of each cell.
        slots: (3, N), `line * (S + 1) + 1` of each cell: where the counts of its lines begin. The
            slot before holds the blanks.
        closes: (E, S + P) the edits that a strict edit forbids: other digits in the cell, and its
            digit in the cell's peers.
        quality: (L + 1,) float32, quality by the number of complete lines.
        accuracy: (N + 1,) float32, accuracy by the number of right cells.
    """

    cells: Array
    digits: Array
    lines: Array
    slots: Array
    closes: Array
    quality: Array
    accuracy: Array


@cache
def tables_of(size: int) -> EditTables:
    """The tables of a size."""
    grid = grid_of(size)
    cells, digits = np.divmod(np.arange(grid.num_cells * size), size)
    lines = np.ascontiguousarray(grid.cell_groups.T)
    own = cells[:, None] * size + np.arange(size)
    peers = grid.peers[cells] * size + digits[:, None]
    return EditTables(
        cells=cells,
        digits=digits.astype(np.int8),
        lines=lines,
        slots=lines * (size + 1) + 1,
        closes=np.concatenate([own, peers], axis=1),
        quality=shares(3 * size),
        accuracy=shares(grid.num_cells),
    )


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
    digits = np.arange(size, dtype=np.int8)
    allowed: Array
    if strict:
        held = _line_counts(answer, size)[:, :, 1:] > 0
        clash = held[:, tables_of(size).lines].any(axis=1)
        allowed = (answer == UNDECIDED)[:, :, None] & ~clash
    else:
        allowed = (givens == UNDECIDED)[:, :, None] & (answer[:, :, None] != digits)
    return allowed.astype(np.int8).reshape(len(answer), -1)


def _line_counts(answer: Array, size: int) -> Array:
    """(B, L, S + 1) int8: how often each line holds nothing, and each digit."""
    batch, per_row = len(answer), 3 * size * (size + 1)
    slots = tables_of(size).slots[None] + answer[:, None, :]
    slots += np.arange(0, batch * per_row, per_row)[:, None, None]
    counts = np.bincount(slots.reshape(-1), minlength=batch * per_row)
    return counts.astype(np.int8).reshape(batch, 3 * size, size + 1)


class SudokuEdits:
    """The `EditState` of Sudoku.

    Args:
        instances: Live batch of instances.
        size: S.
        strict: Whether Jumanji's rules hold: only blank cells, no digit that clashes with its row,
            column or box; a forbidden edit or the lack of an allowed one ends the episode.
    """

    def __init__(self, instances: Instances, size: int, strict: bool) -> None:
        batch, cells, lines = len(instances), size * size, 3 * size
        self._instances = instances
        self._size = size
        self._strict = strict
        self.answer = np.full((batch, cells), UNDECIDED, dtype=np.int8)
        self.mask = np.zeros((batch, cells * size), dtype=np.int8)
        self.changed = np.zeros(batch, dtype=np.int32)
        self.ended = np.zeros(batch, dtype=bool)
        self._counts = np.zeros((batch, lines, size + 1), dtype=np.int8)
        self._distinct = np.zeros((batch, lines), dtype=np.int8)
        self._complete = np.zeros(batch, dtype=np.int64)
        self._right = np.zeros(batch, dtype=np.int64)
        self._allowed = np.zeros(batch, dtype=np.int64)

    def set_rows(self, rows: Any, answer: Array) -> None:
        """Begin anew at the rows."""
        givens = self._instances.fields["givens"][rows]
        counts = _line_counts(answer, self._size)
        distinct = np.count_nonzero(counts[:, :, 1:], axis=2)
        counts[:, :, 0] += BLANKS
        mask = edit_mask(givens, answer, self._size, self._strict)
        self.answer[rows] = answer
        self.mask[rows] = mask
        self.changed[rows] = 0
        self.ended[rows] = False
        self._counts[rows] = counts
        self._distinct[rows] = distinct
        self._complete[rows] = np.count_nonzero(distinct == self._size, axis=1)
        right = answer == self._instances.labels["answer"][rows]
        self._right[rows] = np.count_nonzero(right, axis=1)
        self._allowed[rows] = np.count_nonzero(mask, axis=1)

    def apply(self, edits: Array) -> dict[str, Array]:
        """One edit (B,) int64 per row, in place; those that the mask forbids change nothing."""
        tables = tables_of(self._size)
        batch, num_edits = self.mask.shape
        mask = self.mask.reshape(-1)
        at = np.arange(0, batch * num_edits, num_edits) + edits
        allowed = mask[at]
        self.changed = allowed.astype(np.int32)
        rows = allowed.nonzero()[0]
        if len(rows) < batch:
            edits, at = edits[rows], at[rows]
        digits = tables.digits[edits]
        cells = tables.cells[edits]
        old = self._write(rows, cells, digits)
        self._count(rows, cells, old, digits)
        if self._strict:
            self._close(rows, edits)
            self.ended = (allowed == 0) | (self._allowed == 0)
        else:
            # Where the cell was blank this reopens an edit that is open; then the new digit closes.
            mask[at - digits + np.maximum(old, 0)] = 1
            mask[at] = 0
        return {
            "quality": tables.quality[self._complete],
            "accuracy": tables.accuracy[self._right],
            "solved": self._complete == len(tables.quality) - 1,
        }

    def _write(self, rows: Array, cells: Array, digits: Array) -> Array:
        """Write digits (K,) into cells (K,) of the rows; returns the old ones."""
        at = rows * self.answer.shape[1] + cells
        answer = self.answer.reshape(-1)
        label = self._instances.labels["answer"].reshape(-1)[at]
        old: Array = answer[at]
        answer[at] = digits
        self._right[rows] += (label == digits).view(np.int8) - (label == old).view(np.int8)
        return old

    def _count(self, rows: Array, cells: Array, old: Array, new: Array) -> None:
        """Move one cell (K,) of each row from the old digit to the new one in its lines."""
        tables = tables_of(self._size)
        counts, distinct = self._counts.reshape(-1), self._distinct.reshape(-1)
        num_lines, width = self._counts.shape[1:]
        slots = rows * (num_lines * width) + tables.slots[:, cells]
        leave, enter = slots + old, slots + new
        left = counts[leave] - np.int8(1)
        counts[leave] = left
        held = counts[enter]
        counts[enter] = held + np.int8(1)
        lines = rows * num_lines + tables.lines[:, cells]
        before = distinct[lines]
        after = before + (held == 0).view(np.int8) - (left == 0).view(np.int8)
        distinct[lines] = after
        gained = (after == self._size).view(np.int8) - (before == self._size).view(np.int8)
        self._complete[rows] += gained[0] + gained[1] + gained[2]

    def _close(self, rows: Array, edits: Array) -> None:
        """Forbid what a strict edit (K,) rules out."""
        mask = self.mask.reshape(-1)
        at = (rows * self.mask.shape[1])[:, None] + tables_of(self._size).closes[edits]
        self._allowed[rows] -= np.count_nonzero(mask[at], axis=1)
        mask[at] = 0
