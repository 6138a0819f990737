"""Scalar kernels of the search for extreme puzzles: `vicinity` says what they do, `kernels` how."""

from __future__ import annotations

import math
from typing import Any

from ttc_envs.tasks.sudoku.bitboard_kernels import (
    DEPTH,
    STATE,
    bit_tables,
    explore,
    load,
)
from ttc_envs.tasks.sudoku.generator_kernels import jit, next_word, shuffle
from ttc_envs.tasks.sudoku.kernels import Words, words, zeros

__all__ = ["bit_tables", "evolve", "rate_all", "words"]

LIMIT, RESCUES = 100, 2
"""Solutions that are too many, and how often a given may be added at random to have fewer."""
CHILDREN = 24
"""Puzzles made from one that has a given taken away."""
GLANCES = 6
"""Cells looked at for each given that is added."""
VERSIONS = 3
"""Symmetric versions whose worst rating counts."""
HASH_MASK = (1 << 57) - 1
Work = Any
"""State and stack of `explore`, store of solutions, and workspaces (LIMIT,), (81,), (81,)."""
Moves = tuple[Words, Words]
"""`symmetry.Moves`, flat: cells (K * 81,) and digits (K * 10,)."""


@jit
def workspaces() -> Work:
    """See `Work`."""
    return (
        zeros(STATE),
        zeros(DEPTH * STATE),
        zeros(LIMIT * 81),
        zeros(LIMIT),
        zeros(81),
        zeros(81),
    )


@jit
def below(rng: Words, n: int) -> int:
    """A random number of 0..n-1."""
    return (next_word(rng) * n) >> 32


@jit
def rate(puzzle: Words, start: int, work: Work, tables: tuple[Words, Words]) -> tuple[int, int]:
    """Guesses of the whole tree of the puzzle at `puzzle[start:]`, and up to the first solution.

    The whole tree does not depend on which digit is tried first. -1 unless there is one solution.
    """
    load(puzzle, start, work[0])
    found, guesses, first = explore(work[0], work[1], 2, work[2], tables)
    if found != 1:
        return -1, -1
    return guesses, first


@jit
def rate_all(
    puzzles: Words, batch: int, whole: Words, first: Words, tables: tuple[Words, Words]
) -> None:
    """`rate` of puzzles (B * 81,), into (B,) each."""
    work = workspaces()
    for row in range(batch):
        whole[row], first[row] = rate(puzzles, 81 * row, work, tables)


@jit
def worst_rating(
    rng: Words,
    puzzle: Words,
    versions: int,
    floor: int,
    work: Work,
    moves: Moves,
    tables: tuple[Words, Words],
) -> int:
    """The least `rate` of a puzzle under random moves; one below `floor` is returned at once."""
    cells, digits = moves
    moved = work[5]
    worst = -1
    for k in range(versions):
        move = below(rng, len(cells) // 81)
        for i in range(81):
            moved[i] = digits[10 * move + 1 + puzzle[cells[81 * move + i]]]
        rating, _ = rate(moved, 0, work, tables)
        if k == 0 or rating < worst:
            worst = rating
        if worst < floor:
            break
    return worst


@jit
def take_away(rng: Words, puzzle: Words) -> None:
    """Blank a random given."""
    cell = below(rng, 81)
    while puzzle[cell] < 0:
        cell = below(rng, 81)
    puzzle[cell] = -1


@jit
def settle(rng: Words, puzzle: Words, solutions: Words, alive: Words, found: int) -> None:
    """Add givens to a puzzle with the `found` solutions (found * 81,) until it has one of them.

    Of GLANCES random cells, the one becomes a given that leaves fewest solutions.
    """
    target = 81 * below(rng, found)
    for i in range(found):
        alive[i] = 81 * i
    while found > 1:
        fewest = found
        place = -1
        for _ in range(GLANCES):
            cell = below(rng, 81)
            left = 0
            for i in range(found):
                if solutions[alive[i] + cell] == solutions[target + cell]:
                    left += 1
            if left < fewest:
                fewest = left
                place = cell
        if place < 0:
            continue
        puzzle[place] = solutions[target + place]
        left = 0
        for i in range(found):
            if solutions[alive[i] + place] == puzzle[place]:
                alive[left] = alive[i]
                left += 1
        found = left


@jit
def make_minimal(rng: Words, puzzle: Words, work: Work, tables: tuple[Words, Words]) -> None:
    """Blank each given of a puzzle with one solution that can be spared, in random order.

    As the puzzle has one solution, it has another one without a given exactly if there is one that
    differs there.
    """
    state, stack, store, _, order, _ = work
    shuffle(rng, order, 81)
    for k in range(81):
        cell = order[k]
        digit = puzzle[cell]
        if digit < 0:
            continue
        puzzle[cell] = -1
        load(puzzle, 0, state)
        state[3 * digit + cell // 27] &= ~(1 << cell % 27)
        found, _, _ = explore(state, stack, 1, store, tables)
        if found:
            puzzle[cell] = digit


@jit
def hash_of(puzzle: Words) -> int:
    """A number for a puzzle."""
    value = 1
    for i in range(81):
        value = (value * 31 + puzzle[i] + 2) & HASH_MASK
    return value


@jit
def slot_for(hashes: Words, ratings: Words, members: int, value: int) -> int:
    """The member with the lowest rating; -1 if one has this hash."""
    worst = 0
    for i in range(members):
        if hashes[i] == value:
            return -1
        if ratings[i] < ratings[worst]:
            worst = i
    return worst


@jit
def breed(
    rng: Words,
    parent: Words,
    child: Words,
    pool: tuple[Words, Words, Words],
    work: Work,
    moves: Moves,
    tables: tuple[Words, Words],
    solutions: Words,
    found: int,
    bar: int,
) -> None:
    """One child of a puzzle with the `found` solutions.

    It takes the place of the worst member if it is rated above it and above the bar.
    """
    puzzles, ratings, hashes = pool
    for i in range(81):
        child[i] = parent[i]
    settle(rng, child, solutions, work[3], found)
    slot = slot_for(hashes, ratings, len(ratings), hash_of(child))
    if slot < 0:
        return
    floor = max(bar, ratings[slot])
    if worst_rating(rng, child, 1, 0, work, moves, tables) < floor * 3 // 4:
        return
    make_minimal(rng, child, work, tables)
    rating = worst_rating(rng, child, VERSIONS, floor + 1, work, moves, tables)
    value = hash_of(child)
    if rating <= floor or slot_for(hashes, ratings, len(ratings), value) < 0:
        return
    ratings[slot] = rating
    hashes[slot] = value
    for i in range(81):
        puzzles[81 * slot + i] = child[i]


@jit
def evolve(
    rng: Words,
    pool: tuple[Words, Words, Words],
    steps: int,
    bar: int,
    moves: Moves,
    tables: tuple[Words, Words],
) -> None:
    """Steps of the search, in place.

    Args:
        rng: (4,) generator state.
        pool: Puzzles (P * 81,), ratings (P,) and room for hashes (P,), which are filled anew.
        steps: The number of puzzles that a given is taken away from.
        bar: Only what is rated above it joins.
        moves: See `Moves`.
        tables: See `bit_tables`.
    """
    puzzles, ratings, hashes = pool
    work = workspaces()
    parent = zeros(81)
    child = zeros(81)
    solutions = zeros(LIMIT * 81)
    for row in range(len(ratings)):
        for i in range(81):
            child[i] = puzzles[81 * row + i]
        hashes[row] = hash_of(child)
    for _ in range(steps):
        row = below(rng, len(ratings))
        other = below(rng, len(ratings))
        if ratings[other] > ratings[row]:
            row = other
        for i in range(81):
            parent[i] = puzzles[81 * row + i]
        again = worst_rating(rng, parent, 1, 0, work, moves, tables)
        ratings[row] = int(math.sqrt(ratings[row] * again))
        take_away(rng, parent)
        load(parent, 0, work[0])
        found, _, _ = explore(work[0], work[1], LIMIT, solutions, tables)
        for _ in range(RESCUES):
            if found < LIMIT:
                break
            cell = below(rng, 81)
            parent[cell] = solutions[81 * below(rng, found) + cell]
            load(parent, 0, work[0])
            found, _, _ = explore(work[0], work[1], LIMIT, solutions, tables)
        if found == LIMIT:
            continue
        for _ in range(CHILDREN):
            breed(rng, parent, child, pool, work, moves, tables, solutions, found, bar)
