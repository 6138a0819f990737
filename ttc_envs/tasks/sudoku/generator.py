"""Generator of Sudoku puzzles: a filled grid by random search, then cells dug out in random order.

A cell may be dug if the puzzle without it has no other solution. As the puzzle with it has exactly
one, only solutions that differ at this cell need to be searched for, which singles refute at once
in most cases. Digging until no cell may go leaves a `minimal` puzzle: every given is necessary.
`givens=K` stops at K.

What uniqueness costs for 16x16, where that search can take long (numba, one core, per puzzle): 1 ms
down to 120 givens, 1.4 ms for 110, 20 ms for 100, 140 ms for 95, and most grids get no further.
Below 110, therefore, a cell goes only if singles refute all other digits; and where this comes to a
stop, a twenty-fifth of the cells is put back and the grid dug again: 0.05 s down to 83 givens,
0.25 s to 80, 1 s to 78. Cells removed at random, with no look at uniqueness, would leave one
solution in 3 of 4 puzzles at 180 givens, in 1 of 5 at 140.

25x25 puzzles can be solved by singles alone: 40 ms down to 267 givens, where most grids get stuck.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from ttc_envs.random_words import random_words
from ttc_envs.spec import Array
from ttc_envs.tasks.sudoku.levels import EXTREME, FEW, Level, parse_level
from ttc_envs.tasks.sudoku.solver import tables_of

ATTEMPTS, ROUNDS = 200, 300
SEED_STREAM, TARGET_STREAM = 1, 2


def generate(keys: Array, size: int, level: str = "minimal") -> tuple[Array, Array]:
    """New puzzles, a pure function of (key, size, level).

    Args:
        keys: (B,) uint64.
        size: 4, 6, 9, 16 or 25.
        level: See `levels`.

    Returns:
        Puzzles (B, N) and solutions (B, N), int8.

    Raises:
        ValueError: The level is unknown or `extreme`, or no puzzle with so few givens was found in
            200 grids.
    """
    wanted = parse_level(level, size)
    if wanted.bank == EXTREME:
        raise ValueError("extreme puzzles are bred many at a time: vicinity.extreme_island")
    seeds = generator_seeds(keys)
    targets = target_givens(keys, wanted)
    kernels = load_kernels()
    shape = len(targets), size * size
    blank = np.zeros(shape, dtype=np.int8)
    puzzles, solutions, left = kernels.words(blank), kernels.words(blank), kernels.words(targets)
    kernels.generate_all(
        kernels.words(seeds),
        kernels.words(targets),
        len(targets),
        ATTEMPTS,
        *_effort(wanted, size),
        puzzles,
        solutions,
        left,
        tables_of(size),
        size,
    )
    check_reached(np.array(left, dtype=np.int64), targets)
    return as_grids(puzzles, shape), as_grids(solutions, shape)


def _effort(wanted: Level, size: int) -> tuple[int, int]:
    """In how many rounds a grid is dug again, and the `most` guesses of the kernel `dig`."""
    kernels = load_kernels()
    if wanted.bank == FEW:
        return ROUNDS, 0
    return 0, kernels.BY_SINGLES if size == 25 else kernels.NO_END


def filled_grids(keys: Array, size: int) -> Array:
    """Random filled grids (B, N) int8, a pure function of (key, size)."""
    kernels = load_kernels()
    tables = tables_of(size)
    seeds = generator_seeds(keys)
    shape = len(seeds), size * size
    solutions = kernels.words(np.zeros(shape, dtype=np.int8))
    kernels.fill_all(kernels.words(seeds), len(seeds), solutions, tables, size)
    return as_grids(solutions, shape)


def load_kernels() -> ModuleType:
    """The scalar kernels, imported at first use since they bring numba with them."""
    from ttc_envs.tasks.sudoku import generator_kernels

    return generator_kernels


def as_grids(words: Any, shape: tuple[int, int]) -> Array:
    """What a kernel filled, as (B, N) int8."""
    return np.array(words, dtype=np.int8).reshape(shape)


def target_givens(keys: Array, level: Level) -> Array:
    """The number of givens wanted for each key, (B,) int64, 0 for minimal."""
    if level.low == level.high:
        return np.full(len(keys), level.low, dtype=np.int64)
    word = random_words(keys, TARGET_STREAM, 1)[:, 0]
    return level.low + (word % np.uint64(level.high - level.low + 1)).astype(np.int64)


def generator_seeds(keys: Array) -> Array:
    """(B, 4) int64, the 32-bit words that the kernels' generator starts from."""
    both = random_words(keys, SEED_STREAM, 2)
    low, high = both & np.uint64(0xFFFFFFFF), both >> np.uint64(32)
    return np.concatenate([low, high], axis=1).astype(np.int64)


def check_reached(left: Array, targets: Array) -> None:
    """Raise if a puzzle has more givens than wanted."""
    missed = np.flatnonzero((left != targets) & (targets > 0))
    if len(missed):
        row = missed[0]
        raise ValueError(
            f"no puzzle with {targets[row]} givens was found in {ATTEMPTS} grids for row {row}; "
            f"so few are too rare to meet by chance, ask for more"
        )
