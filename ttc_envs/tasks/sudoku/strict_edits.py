"""Sudoku answers under strict edits, the rules of Jumanji's Sudoku.

Only blank cells may be filled, with digits that their row, column and box do not hold; a
forbidden edit, or the lack of an allowed one, ends the episode. So a line never holds a digit
twice, and it is complete when it is full.

Shapes: B batch, N cells, S digits, L = 3 S lines, E = N S edits, K rows that change.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ttc_envs.spec import UNDECIDED, Array, Instances, count_per_row
from ttc_envs.tasks.sudoku.edits import held_by_line, strict_mask, tables_of
from ttc_envs.tasks.sudoku.grid import grid_of


@cache
def kept_edits(size: int) -> Array:
    """(E, E) int8, 1 where the edit of the column stays allowed after that of the row.

    An edit rules out the other digits of its cell, and its digit in the cell's peers.
    """
    tables, grid = tables_of(size), grid_of(size)
    edits = np.arange(len(tables.cells))
    kept = np.ones((len(edits), len(edits)), dtype=np.int8)
    own = tables.cells[:, None] * size + np.arange(size)
    peers = grid.peers[tables.cells] * size + tables.digits[:, None]
    kept[edits[:, None], own] = 0
    kept[edits[:, None], peers] = 0
    return kept


class StrictEdits:
    """The `EditState` of Sudoku with `strict=True`.

    Args:
        instances: Live batch of instances.
        size: S.
    """

    def __init__(self, instances: Instances, size: int) -> None:
        batch, cells = len(instances), size * size
        self._instances = instances
        self._size = size
        self.answer = np.full((batch, cells), UNDECIDED, dtype=np.int8)
        self.mask = np.zeros((batch, cells * size), dtype=np.int8)
        self.changed = np.zeros(batch, dtype=np.int32)
        self.ended = np.zeros(batch, dtype=bool)
        self._held = np.zeros((batch, 3 * size), dtype=np.int32)
        self._complete = np.zeros(batch, dtype=np.int64)
        self._right = np.zeros(batch, dtype=np.int64)

    def set_rows(self, rows: Any, answer: Array) -> dict[str, Array]:
        """Begin anew at the rows."""
        held = held_by_line(answer, self._size)
        mask = strict_mask(answer, held, self._size)
        complete = count_per_row(held == 2**self._size - 1)
        right = count_per_row(answer == self._instances.labels["answer"][rows])
        self.answer[rows] = answer
        self.mask[rows] = mask
        self.changed[rows] = 0
        self.ended[rows] = False
        self._held[rows] = held
        self._complete[rows] = complete
        self._right[rows] = right
        return tables_of(self._size).scores(complete, right)

    def apply(self, edits: Array) -> dict[str, Array]:
        """One edit (B,) int64 per row, in place; those that the mask forbids change nothing."""
        batch, num_edits = self.mask.shape
        rows = np.arange(batch)
        allowed = self.mask.reshape(-1).take(rows * num_edits + edits)
        self.changed = allowed.astype(np.int32)
        where: Any = slice(None)
        if np.count_nonzero(allowed) < batch:
            where = rows = allowed.nonzero()[0]
            edits = edits[rows]
        self._fill(where, rows, edits)
        self.mask[where] &= kept_edits(self._size).take(edits, axis=0)
        self.ended = ~(allowed.view(bool) & self.mask.view(bool).any(axis=1))
        return tables_of(self._size).scores(self._complete, self._right)

    def _fill(self, where: Any, rows: Array, edits: Array) -> None:
        """Write the digits of edits (K,) into blank cells of the rows (also as `where`)."""
        tables = tables_of(self._size)
        cells, digits = tables.cells.take(edits), tables.digits.take(edits)
        at = rows * self.answer.shape[1] + cells
        self.answer.reshape(-1)[at] = digits
        self._right[where] += self._instances.labels["answer"].reshape(-1).take(at) == digits
        held = self._held.reshape(-1)
        lines = rows * self._held.shape[1] + tables.lines.take(cells, axis=1)
        after = held.take(lines) | tables.bits.take(edits)
        held[lines] = after
        full = (after == 2**self._size - 1).view(np.int8)
        self._complete[where] += full[0] + full[1] + full[2]
