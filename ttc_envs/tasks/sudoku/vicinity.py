"""Search for extreme 9x9 puzzles in the vicinity of hard ones.

An island starts with random minimal puzzles and is bred in steps. A step takes a given away from a
member, enumerates the solutions, and makes children: givens are added until one solution is left,
and those that can be spared are taken away. A child that is rated above the worst member takes its
place. Then the island grows: children that are rated above its median join it.

The rating is the number of guesses in the solver's whole tree (`solver`: singles, then a guess at
the first cell with the fewest digits). That depends on the order of the cells: a search that rates
one order finds puzzles that are hard in this order alone, with five to ten times fewer guesses in
any other. So the first rating is the least of three random symmetric versions. A member is rated
once more whenever it is a parent, by another version, and the geometric mean of old and new
rating counts from then on: whoever owes its place to luck loses it.

What an island gives is moved once more. The guesses reported are those up to the solution in this
last version, which no choice has seen.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from ttc_envs.random_words import random_words
from ttc_envs.spec import Array
from ttc_envs.tasks.sudoku.generator import as_grids, generate, generator_seeds
from ttc_envs.tasks.sudoku.grid import check_grids
from ttc_envs.tasks.sudoku.solver import solve
from ttc_envs.tasks.sudoku.symmetry import apply_moves, random_moves

SIZE = 9
FOUNDERS, MEMBERS = 256, 1536
STEPS, MOST_STEPS = 6_000, 50_000
STEPS_AT_ONCE = 500
"""About half a second, after which an interruption is heard."""
NUM_MOVES = 4096
STREAM = 8


def extreme_island(
    key: int, founders: int = FOUNDERS, steps: int = STEPS, members: int = MEMBERS
) -> tuple[Array, Array]:
    """The puzzles of an island, a pure function of the arguments.

    Args:
        key: 0..2^64 - 1.
        founders: F, the number of random puzzles at the beginning, at least 2.
        steps: Of the founders; then the island grows.
        members: M, how many puzzles it grows to, a multiple of F.

    Returns:
        Puzzles and solutions, (M, 81) int8, fewer if MOST_STEPS do not find as many; different
        puzzles, a few of which may be symmetric.
    """
    if founders < 2 or steps < 0 or members < founders or members % founders:
        raise ValueError(
            "expected founders >= 2, steps >= 0 and a multiple of the founders as members, "
            f"got {founders}, {steps} and {members}"
        )
    # Words of their own for the first puzzles, the search and the last moves.
    first, search, last = random_words(np.array([key]), STREAM, 3 * members).reshape(3, -1)
    puzzles, _ = generate(first[:founders], SIZE)
    rng = load_kernels().words(generator_seeds(search[:1])[0])
    pool = puzzles, rate(puzzles)[0]
    for start in range(0, steps, STEPS_AT_ONCE):
        pool = _evolved(rng, *pool, min(STEPS_AT_ONCE, steps - start), 0)
    puzzles = _grown(rng, *pool, members)
    puzzles = apply_moves(random_moves(last[: len(puzzles)], SIZE), puzzles)
    return puzzles, solve(puzzles, SIZE)[0]


def _grown(rng: Any, puzzles: Array, ratings: Array, members: int) -> Array:
    """As many puzzles, (M, 81), the new ones rated above the median.

    Copies of the puzzles, rated 0, are the places that the new ones take.
    """
    bar = int(np.median(ratings))
    room = np.zeros(members - len(ratings), dtype=np.int64)
    pool = np.resize(puzzles, (members, 81)), np.concatenate([ratings, room])
    for _ in range(0, MOST_STEPS, STEPS_AT_ONCE):
        if (pool[1] > 0).all():
            break
        pool = _evolved(rng, *pool, STEPS_AT_ONCE, bar)
    _, one_each = np.unique(pool[0], axis=0, return_index=True)
    return pool[0][np.sort(one_each)]


def _evolved(rng: Any, puzzles: Array, ratings: Array, steps: int, bar: int) -> tuple[Array, Array]:
    """Puzzles (M, 81) and ratings (M,) after so many steps."""
    kernels = load_kernels()
    pool = kernels.words(puzzles), kernels.words(ratings), kernels.words(np.zeros(len(ratings)))
    kernels.evolve(rng, pool, steps, bar, _moves(), kernels.bit_tables())
    return as_grids(pool[0], puzzles.shape), np.array(pool[1], dtype=np.int64)


def rate(puzzles: Array) -> tuple[Array, Array]:
    """How hard 9x9 puzzles are.

    Args:
        puzzles: (B, 81) digits 0..8, -1 for blank.

    Returns:
        Guesses in the solver's whole tree, and up to its first solution, which `solver.grade` gives
        also. Both (B,) int64, -1 unless a puzzle has one solution.
    """
    puzzles = check_grids(puzzles, SIZE)
    kernels = load_kernels()
    whole, first = (kernels.words(np.zeros(len(puzzles))) for _ in range(2))
    kernels.rate_all(kernels.words(puzzles), len(puzzles), whole, first, kernels.bit_tables())
    return np.array(whole, dtype=np.int64), np.array(first, dtype=np.int64)


def load_kernels() -> ModuleType:
    """The scalar kernels, imported at first use since they bring numba with them."""
    from ttc_envs.tasks.sudoku import vicinity_kernels

    return vicinity_kernels


@cache
def _moves() -> tuple[Any, Any]:
    """The moves that versions are drawn from, in the form that the kernels take."""
    moves = random_moves(np.arange(NUM_MOVES), SIZE)
    kernels = load_kernels()
    return kernels.words(moves.cells), kernels.words(moves.digits)
