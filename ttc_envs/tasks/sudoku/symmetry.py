"""Moves that turn a Sudoku into an equivalent one, and a fingerprint that no move changes.

The moves: relabel the digits; permute bands, rows within a band, stacks, columns within a stack;
transpose, where boxes are square. There are 9! * 6^8 * 2 = 1.2e12 of them for 9x9. A puzzle keeps
its number of solutions, its difficulty and, moved alike, its solution.

Moves are looked up in tables of all orders of rows, of columns and of digits. For 16x16 and
25x25 these would be too long, and moves are drawn from fixed random samples of them: 4,096 orders
of rows, as many of columns, 65,536 relabellings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from ttc_envs.random_words import mix, random_words
from ttc_envs.spec import Array
from ttc_envs.tasks.sudoku.grid import Grid, check_grids, grid_of

MOVE_STREAM = 4
MOVE_WORDS = 2
SAMPLED_ORDERS = 4096
REFINEMENTS = 4


@dataclass(frozen=True, eq=False)
class Moves:
    """One move per row.

    Args:
        cells: (B, N) uint8 (25x25: uint16), the cell of the old grid that each cell of the new one
            takes its digit from.
        digits: (B, n + 1) int8, the new label of each digit, after one column for blank (-1).
    """

    cells: Array
    digits: Array


def random_moves(keys: Array, size: int) -> Moves:
    """A random move for each key, (B,) uint64; a row depends on its own key alone."""
    return moves_from(random_words(keys, MOVE_STREAM, MOVE_WORDS), size)


def moves_from(words: Array, size: int) -> Moves:
    """The moves that random words (B, 2) uint64 choose."""
    across, down, digits = _tables(size)
    upper, lower = words >> np.uint64(32), words & np.uint64(0xFFFFFFFF)
    row_order = _scaled(upper[:, 0], across.shape[1])
    column_order = _scaled(lower[:, 0], down.shape[1])
    if len(across) == 2:
        transposed = (lower[:, 1] & np.uint64(1)).astype(np.int64)
        row_order += transposed * across.shape[1]
        column_order += transposed * down.shape[1]
    cells = across.reshape(-1, size * size).take(row_order, axis=0)
    cells += down.reshape(-1, size * size).take(column_order, axis=0)
    return Moves(cells, digits.take(_scaled(upper[:, 1], len(digits)), axis=0))


def apply_moves(moves: Moves, grids: Array) -> Array:
    """Move grids (B, N); -1 stays -1. A puzzle and its solution, moved alike, stay a pair."""
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


def _scaled(words: Array, count: int) -> Array:
    """32-bit numbers (B,) brought to 0..count-1, int64."""
    return (words * np.uint64(count) >> np.uint64(32)).astype(np.int64)


@cache
def _tables(size: int) -> tuple[Array, Array, Array]:
    """What moves are made of.

    Returns:
        Row parts (1 or 2, R, N) and column parts (1 or 2, R', N), whose sum is the old cell of
        each new one; the second of two is for transposed grids. And relabellings (P, n + 1)
        int8.
    """
    grid = grid_of(size)
    rows, columns = _line_orders(size, grid.box_rows), _line_orders(size, grid.box_columns)
    steps = [(size, 1), (1, size)] if grid.box_rows == grid.box_columns else [(size, 1)]
    across = np.stack([np.repeat(rows, size, axis=1) * row_step for row_step, _ in steps])
    down = np.stack([np.tile(columns, (1, size)) * column_step for _, column_step in steps])
    digits = _orders(size)
    blank = np.full((len(digits), 1), -1, dtype=np.int8)
    cell = np.uint8 if size * size <= 256 else np.uint16
    return across.astype(cell), down.astype(cell), np.concatenate([blank, digits], axis=1)


def _line_orders(size: int, lines: int) -> Array:
    """(R, n) orders that keep bands of `lines` lines together: all, or SAMPLED_ORDERS of them."""
    bands = size // lines
    count = math.factorial(bands) * math.factorial(lines) ** bands
    choice = np.arange(min(count, SAMPLED_ORDERS))
    if count > SAMPLED_ORDERS:
        choice = random_words(choice, MOVE_STREAM, 1)[:, 0] % np.uint64(count)
        choice = choice.astype(np.int64)
    inner = _orders(lines)
    places = []
    for _ in range(bands):
        choice, index = np.divmod(choice, len(inner))
        places.append(inner[index])
    order = _orders(bands)[choice].astype(np.int64)
    chosen: Array = order[:, :, None] * lines + np.stack(places, axis=1)
    return chosen.reshape(len(order), size)


@cache
def _orders(n: int) -> Array:
    """Orders of 0..n-1, int8: all n! of them up to n = 9, 2^16 random ones above."""
    if n > 9:
        noise = random_words(np.arange(1 << 16), MOVE_STREAM, n)
        return noise.argsort(axis=1, kind="stable").astype(np.int8)
    orders = np.zeros((1, 0), dtype=np.int8)
    for k in range(n):
        orders = np.concatenate([np.insert(orders, place, k, axis=1) for place in range(k + 1)])
    return orders


def fingerprint(grids: Array, size: int) -> Array:
    """A number that moves do not change, and that rarely agrees for grids of different classes.

    Cells are coloured by whether they are filled and, in filled grids, by the cycles of the digit
    permutations between their row and the other rows (and columns). The colours are refined, each
    taking in those of the cell's row, column and box and of the cells with the same digit, and
    their multiset is hashed.

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
    """Sums of the colours (B, N) of the cells with the same owner (B or 1, N), 0 where it is -1."""
    batch = len(colours)
    index = owner + np.arange(batch)[:, None] * owners
    index[np.broadcast_to(owner, index.shape) < 0] = batch * owners
    sums = np.zeros(batch * owners + 1, dtype=np.uint64)
    np.add.at(sums, index, colours)
    sums[-1] = 0
    return sums[index]


def _cycle_colours(grids: Array, grid: Grid) -> Array:
    """(B, N) uint64 colours of filled grids, from the cycles between rows and between columns."""
    size = grid.size
    rows = grids.reshape(-1, size, size)
    along = _line_colours(rows, grid.box_rows)
    across = _line_colours(rows.swapaxes(1, 2), grid.box_columns).swapaxes(1, 2)
    if grid.box_rows != grid.box_columns:
        across = mix(across)
    return (along + across).reshape(grids.shape)


def _line_colours(lines: Array, lines_in_band: int) -> Array:
    """(B, n, n) uint64: the lengths of a cell's cycles between its line and each other one."""
    size = lines.shape[1]
    position = lines.argsort(axis=2)
    result = np.zeros(lines.shape, dtype=np.uint64)
    for offset in range(1, size):
        other = np.roll(np.arange(size), -offset)
        # step[b, r, c]: the place in line r of the digit at place c of the other line.
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
