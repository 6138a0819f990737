"""Moves that turn a Sudoku into an equivalent one, and a fingerprint that no move changes.

The moves: relabel the digits; permute bands, rows within a band, stacks, columns within a stack; transpose, where
boxes are square. There are 9! * 6^8 * 2 = 1.2e12 of them for 9x9. A puzzle keeps its number of solutions, its
difficulty and, moved alike, its solution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ttc_envs.spec import Array
from ttc_envs.tasks.sudoku.grid import Grid, check_grids, grid_of
from ttc_envs.tasks.sudoku.random_words import mix, random_words

MOVE_STREAM = 4
REFINEMENTS = 4


@dataclass(frozen=True, eq=False)
class Moves:
    """One move per row.

    Args:
        cells: (B, N) int64, the cell of the old grid that each cell of the new one takes its digit from.
        digits: (B, n + 1) int8, the new label of each digit, after one column for blank (-1).
    """

    cells: Array
    digits: Array


def random_moves(keys: Array, size: int) -> Moves:
    """A random move for each key, (B,) uint64; a row depends on its own key alone."""
    grid = grid_of(size)
    noise = random_words(keys, MOVE_STREAM, 3 * size + 1)
    batch = len(noise)
    orders = noise[:, 1:].reshape(batch, 3, size)
    # Lines are sorted by the noise of their band, then by their own: bands and lines within them are permuted.
    for axis, lines in ((1, grid.box_rows), (2, grid.box_columns)):
        first = orders[:, axis, ::lines] & np.uint64(0xFFFFFFFF00000000)
        orders[:, axis] &= np.uint64(0xFFFFFFFF)
        orders[:, axis] |= np.repeat(first, lines, axis=1)
    # The lowest four bits carry the index through the sort.
    orders &= np.uint64(0xFFFFFFFFFFFFFFF0)
    orders |= np.arange(size, dtype=np.uint64)
    orders.sort(axis=2)
    orders &= np.uint64(15)
    places = orders.astype(np.int64)
    stride = np.full((batch, 2, 1), [[size], [1]], dtype=np.int64)
    if grid.box_rows == grid.box_columns:
        transposed = noise[:, 0] >> np.uint64(63) == 1
        stride[transposed] = [[1], [size]]
    lines = places[:, 1:] * stride
    digits = np.full((batch, size + 1), -1, dtype=np.int8)
    digits[:, 1:] = places[:, 0]
    return Moves((lines[:, 0, :, None] + lines[:, 1, None, :]).reshape(batch, -1), digits)


def apply_moves(moves: Moves, grids: Array) -> Array:
    """Move grids (B, N); -1 stays -1, and a puzzle and its solution stay together under the same moves."""
    batch, cells = moves.cells.shape
    grids = np.asarray(grids)
    if grids.shape != (batch, cells):
        raise ValueError(f"these moves take grids of shape ({batch}, {cells}), got {grids.shape}")
    source = moves.cells + np.arange(0, batch * cells, cells)[:, None]
    return relabel(moves, grids.astype(np.int8, copy=False).ravel().take(source))


def relabel(moves: Moves, grids: Array) -> Array:
    """Relabel the digits of grids (B, N) int8 whose cells are already in place."""
    columns = moves.digits.shape[1]
    index = grids + np.arange(1, len(grids) * columns + 1, columns)[:, None]
    return moves.digits.ravel().take(index)


def fingerprint(grids: Array, size: int) -> Array:
    """A number that is the same for all grids that moves turn into one another, and rarely for others.

    Cells are coloured by whether they are filled and, in filled grids, by the cycles of the digit permutations
    between their row and the other rows (and columns). The colours are refined, each taking in those of the cell's
    row, column and box and of the cells with the same digit, and their multiset is hashed.

    Args:
        grids: (B, N) digits 0..n-1, -1 for blank: puzzles or filled grids.
        size: n.

    Returns:
        (B,) uint64.
    """
    grids = check_grids(grids, size)
    grid = grid_of(size)
    square = grid.box_rows == grid.box_columns
    colours = mix((grids >= 0).astype(np.uint64))
    full = np.flatnonzero((grids >= 0).all(axis=1))
    colours[full] += _cycle_colours(grids[full], grid)
    owners = [grid.cell_groups[None, :, k] for k in range(3)]
    salts = [1, 1 if square else 2, 3]
    bands = grid.cell_groups[None, :, 0] // grid.box_rows
    stacks = (grid.cell_groups[None, :, 1] - size) // grid.box_columns
    owners += [grids, bands, stacks]
    salts += [4, 5, 5 if square else 6]
    for _ in range(REFINEMENTS):
        total = colours.copy()
        for owner, salt in zip(owners, salts, strict=True):
            shared = _sum_by(colours, owner, 3 * size)
            total += mix(shared + np.uint64(salt))
        colours = mix(total)
    return mix(colours.sum(axis=1, dtype=np.uint64))


def _sum_by(colours: Array, owner: Array, owners: int) -> Array:
    """For each cell, the sum of the colours (B, N) of the cells with the same owner (B or 1, N), 0 where it is -1."""
    batch = len(colours)
    index = owner + np.arange(batch)[:, None] * owners
    index[np.broadcast_to(owner, index.shape) < 0] = batch * owners
    sums = np.zeros(batch * owners + 1, dtype=np.uint64)
    np.add.at(sums, index, colours)
    sums[-1] = 0
    return sums[index]


def _cycle_colours(grids: Array, grid: Grid) -> Array:
    """(B, N) uint64 colours of filled grids, from the cycles between pairs of rows and pairs of columns."""
    size = grid.size
    rows = grids.reshape(-1, size, size)
    along = _line_colours(rows, grid.box_rows)
    across = _line_colours(rows.swapaxes(1, 2), grid.box_columns).swapaxes(1, 2)
    if grid.box_rows != grid.box_columns:
        across = mix(across)
    return (along + across).reshape(grids.shape)


def _line_colours(lines: Array, lines_in_band: int) -> Array:
    """(B, n, n) uint64: for each cell, which cycle lengths its digit lies on between its line and each other one."""
    size = lines.shape[1]
    position = lines.argsort(axis=2)
    result = np.zeros(lines.shape, dtype=np.uint64)
    for offset in range(1, size):
        other = np.roll(np.arange(size), -offset)
        # step[b, r, c]: the place in line r of the digit that stands below place c in the other line.
        step = np.take_along_axis(position, lines[:, other], axis=2).astype(np.int64)
        place = step
        length = np.ones_like(step)
        going = place != np.arange(size)
        while going.any():
            length += going
            place = np.take_along_axis(step, place, axis=2)
            going &= place != np.arange(size)
        same_band = other // lines_in_band == np.arange(size) // lines_in_band
        result += mix((length + size * 2 * same_band[None, :, None]).astype(np.uint64))
    return result
