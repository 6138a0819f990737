"""Exact Sudoku solver, grading, and one round of parallel singles.

The solver keeps a bit mask of candidates per cell, settles naked singles (one digit left in a cell)
and hidden singles (one cell left for a digit in a row, column or box) until nothing changes, then
guesses at the cell with the fewest digits. It counts solutions up to two, so it tells a proper
puzzle from a bad one.

Digits are 0..n-1 and -1 is blank, in arrays (B, N), row by row.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from ttc_envs.spec import UNDECIDED, Array
from ttc_envs.tasks.sudoku.grid import check_grids, grid_of

GAVE_UP = -1
"""In place of a count, where the guesses that are allowed do not decide."""
MOST_GUESSES = 50_000
"""Of the solver for a puzzle of a file: 30 times what the hardest of the banks takes."""


def load_kernels() -> ModuleType:
    """The scalar kernels, imported at first use since they bring numba with them."""
    from ttc_envs.tasks.sudoku import kernels

    return kernels


@cache
def tables_of(size: int) -> Any:
    """The lookup tables that the kernels take."""
    return load_kernels().tables_of(grid_of(size))


def solve(puzzles: Array, size: int, most_guesses: int | None = None) -> tuple[Array, Array]:
    """Solve puzzles exactly.

    Args:
        puzzles: (B, N) digits 0..n-1, -1 for blank.
        size: n.
        most_guesses: Give up on a puzzle after so many; None never does. Few 16x16 puzzles of the
            wrong kind take years.

    Returns:
        Solutions (B, N) int8, the first in lexical order of the search and -1 throughout where
        there is none, and counts (B,) int8: 0, 1, 2 for several, or GAVE_UP.
    """
    solutions, counts, _ = _search(puzzles, size, limit=2, most_guesses=most_guesses)
    return solutions, counts


def grade(puzzles: Array, size: int) -> tuple[Array, Array]:
    """How hard puzzles are.

    Args:
        puzzles: (B, N) digits 0..n-1, -1 for blank.
        size: n.

    Returns:
        Rounds (B,) int16 of `parallel_singles` that change anything, and guesses (B,) int32 that
        the solver makes before its first solution (0 if singles solve the puzzle).
    """
    puzzles = check_grids(puzzles, size)
    rounds = np.zeros(len(puzzles), dtype=np.int16)
    answer = puzzles
    active = np.arange(len(puzzles))
    while len(active):
        after = parallel_singles(puzzles[active], answer, size)
        changed = (after != answer).any(axis=1)
        active, answer = active[changed], after[changed]
        rounds[active] += 1
    _, _, guesses = _search(puzzles, size, limit=1)
    return rounds, guesses


def parallel_singles(givens: Array, answer: Array, size: int) -> Array:
    """Fill every naked and hidden single that the filled cells imply, all at once.

    A cell whose filled peers leave it no digit stays undecided. Where two groups ask for different
    digits in one cell, or a digit's only cell is asked for by two digits, the lowest digit is
    written; cells that are filled stay.

    Args:
        givens: (B, N) digits that the answer keeps, -1 elsewhere.
        answer: (B, N) digits, -1 for undecided.
        size: n.

    Returns:
        The next answer, (B, N) int8.
    """
    grid = grid_of(size)
    givens = check_grids(givens, size, "givens")
    answer = np.where(givens != UNDECIDED, givens, check_grids(answer, size, "answer"))
    bits = np.where(answer == UNDECIDED, 0, 1 << np.maximum(answer, 0).astype(np.int32))
    used = np.bitwise_or.reduce(bits[:, grid.groups], axis=2)
    open_digits = ~np.bitwise_or.reduce(used[:, grid.cell_groups], axis=2) & ((1 << size) - 1)
    candidates = np.where(answer == UNDECIDED, open_digits, 0)
    once, twice = np.zeros_like(used), np.zeros_like(used)
    for k in range(size):
        mask = candidates[:, grid.groups[:, k]]
        twice |= once & mask
        once |= mask
    hidden = candidates & np.bitwise_or.reduce((once & ~twice)[:, grid.cell_groups], axis=2)
    naked = np.where(candidates & (candidates - 1) == 0, candidates, 0)
    single = np.where(naked != 0, naked, hidden & -hidden)
    digit = np.log2(np.maximum(single, 1)).astype(np.int8)
    return np.where(single != 0, digit, answer)


def _search(
    puzzles: Array, size: int, limit: int, most_guesses: int | None = None
) -> tuple[Array, Array, Array]:
    """Solutions (B, N), counts up to `limit` (B,) and guesses (B,)."""
    puzzles = check_grids(puzzles, size)
    kernels = load_kernels()
    batch = len(puzzles)
    solutions = kernels.words(np.empty_like(puzzles))
    counts, guesses = kernels.words(np.zeros(batch)), kernels.words(np.zeros(batch))
    most = kernels.NO_END if most_guesses is None else most_guesses
    tables = tables_of(size)
    words = kernels.words(puzzles)
    kernels.solve_all(words, batch, limit, most, solutions, counts, guesses, tables, size)
    return (
        np.array(solutions, dtype=np.int8).reshape(puzzles.shape),
        np.array(counts, dtype=np.int8),
        np.array(guesses, dtype=np.int32),
    )
