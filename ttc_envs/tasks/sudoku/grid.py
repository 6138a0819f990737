"""Shape of a Sudoku grid: cells, rows, columns, boxes and their peers.

Cells are numbered row by row. A group is a row, a column or a box; groups are numbered rows first,
then columns, then boxes, so that a grid of n digits has 3 n groups of n cells, and each cell lies
in three of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ttc_envs.spec import Array

BOXES = {4: (2, 2), 6: (2, 3), 9: (3, 3), 16: (4, 4), 25: (5, 5)}
"""Rows and columns of a box, by size."""
SYMBOLS = "123456789ABCDEFGHIJKLMNOP"
"""How digits are written; 16x16 and 25x25 go on with letters."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Lookup tables of one size.

    Args:
        size: n, the number of digits, rows, columns and boxes.
        box_rows: Rows in a box; rows that share boxes form a band.
        box_columns: Columns in a box; columns that share boxes form a stack.
        groups: (3n, n) int64, the cells of each group.
        cell_groups: (N, 3) int64, the row, the column and the box of each cell.
        peers: (N, P) int64, the other cells that share a group with a cell.
    """

    size: int
    box_rows: int
    box_columns: int
    groups: Array
    cell_groups: Array
    peers: Array

    @property
    def num_cells(self) -> int:
        """N."""
        return self.size * self.size


@cache
def grid_of(size: int) -> Grid:
    """The grid of `size` digits.

    Raises:
        ValueError: There is no such size.
    """
    if size not in BOXES:
        raise ValueError(f"size must be one of {sorted(BOXES)}, got {size!r}")
    box_rows, box_columns = BOXES[size]
    row, column = np.divmod(np.arange(size * size), size)
    box = row // box_rows * (size // box_columns) + column // box_columns
    cell_groups = np.stack([row, column + size, box + 2 * size], axis=1)
    groups = np.stack([np.flatnonzero((cell_groups == g).any(axis=1)) for g in range(3 * size)])
    related = (cell_groups[:, None, :] == cell_groups[None, :, :]).any(axis=2)
    np.fill_diagonal(related, False)
    peers = np.nonzero(related)[1].reshape(size * size, -1)
    return Grid(size, box_rows, box_columns, groups, cell_groups, peers)


def check_grids(grids: Array, size: int, name: str = "puzzles") -> Array:
    """`grids` as (B, N) int8, checked.

    Raises:
        ValueError: Wrong shape, dtype or digits outside -1..size-1.
    """
    array = np.asarray(grids)
    cells = grid_of(size).num_cells
    if array.ndim != 2 or array.shape[1] != cells or array.dtype.kind not in "iu":
        raise ValueError(
            f"{name} must be integers of shape (B, {cells}), "
            f"got {array.dtype} of shape {array.shape}"
        )
    if array.size and (array.min() < -1 or array.max() >= size):
        raise ValueError(
            f"{name} must hold digits 0..{size - 1} or -1 for blank, "
            f"got {array.min()}..{array.max()}"
        )
    return array.astype(np.int8, copy=False)
