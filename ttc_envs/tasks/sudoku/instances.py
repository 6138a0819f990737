"""What a Sudoku instance is: the spec of each size.

Shapes: N = S * S cells, S digits.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ttc_envs.spec import UNDECIDED, Array, Field, Group, TaskSpec
from ttc_envs.tasks.sudoku.grid import grid_of
from ttc_envs.tasks.sudoku.levels import level_names


@cache
def sudoku_spec(size: int) -> TaskSpec:
    """The spec of a size."""
    grid = grid_of(size)
    num_cells = grid.num_cells
    digits = np.arange(size, dtype=np.int32)
    groups = tuple(
        Group(kind, _groups(grid.groups[i * size : (i + 1) * size], size))
        for i, kind in enumerate(("row", "column", "box"))
    )
    cells = np.broadcast_to(np.arange(num_cells)[:, None], (num_cells, size))
    in_cell = np.stack([cells, np.broadcast_to(digits, cells.shape)], axis=2).astype(np.int32)
    row, column = np.divmod(np.arange(num_cells), size)
    return TaskSpec(
        name="sudoku",
        levels=level_names(size),
        fields={
            "givens": Field("node", "given", (num_cells,), "int8", UNDECIDED, size - 1),
        },
        num_nodes=num_cells,
        num_choices=size,
        choices="class",
        num_edits=num_cells * size,
        neighbours=grid.peers.astype(np.int32),
        groups=(*groups, Group("cell", in_cell)),
        positions=np.stack([row, column], axis=1).astype(np.float32),
    )


def _groups(lines: Array, size: int) -> Array:
    """(S * S, S, 2): for each of S lines (S, S) and each digit, the cells that may hold it."""
    cells = np.broadcast_to(lines[:, None, :], (size, size, size))
    digits = np.broadcast_to(np.arange(size)[None, :, None], cells.shape)
    return np.stack([cells, digits], axis=3).reshape(size * size, size, 2).astype(np.int32)
