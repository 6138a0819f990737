"""Scalar kernels of the Sudoku generator: random filled grids, and digging; see `kernels`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ttc_envs.tasks.sudoku.kernels import (
    NO_END,
    Tables,
    Words,
    digit_of,
    guess,
    numba,
    pick_cell,
    propagate,
    search,
    take_back,
    words,
    zeros,
)

__all__ = ["BY_SINGLES", "NO_END", "fill_all", "generate_all", "words"]

F = TypeVar("F", bound=Callable[..., Any])
WORD = 0xFFFFFFFF
GUESSES_BEFORE_RESTART = 1000
BY_SINGLES = -1
"""In the place of a number of guesses: singles have to solve the puzzle."""
PUT_BACK = 25
"""One cell of so many is put back before a grid is dug again."""


def jit(function: F) -> F:
    """Compile with numba where it is installed.

    The result is not kept on disk: numba would not notice a change of the kernels in another file.
    """
    if numba is None:
        return function
    compiled: F = numba.njit(function)
    return compiled


@jit
def next_word(rng: Words) -> int:
    """32 random bits from the 32-bit words of `rng` (4,), by sums, shifts and xor as in sfc32."""
    a, b, c, counter = rng[0], rng[1], rng[2], rng[3]
    result: int = (a + b + counter) & WORD
    rng[0] = b ^ (b >> 9)
    rng[1] = (c + (c << 3)) & WORD
    rng[2] = ((((c << 21) & WORD) | (c >> 11)) + result) & WORD
    rng[3] = (counter + 1) & WORD
    return result


@jit
def random_bit(rng: Words, mask: int) -> int:
    """One of the bits of `mask`."""
    count = 0
    rest = mask
    while rest:
        rest &= rest - 1
        count += 1
    for _ in range((next_word(rng) * count) >> 32):
        mask &= mask - 1
    return mask & -mask


@jit
def shuffle(rng: Words, order: Words, n: int) -> None:
    """0..n-1 in random order."""
    for i in range(n):
        order[i] = i
    for i in range(n - 1, 0, -1):
        j = (next_word(rng) * (i + 1)) >> 32
        order[i], order[j] = order[j], order[i]


@jit
def try_fill(
    rng: Words,
    cand: Words,
    queue: Words,
    stack: Words,
    tables: Tables,
    size: int,
) -> bool:
    """A random filled grid as masks in `cand`; False after too many guesses."""
    n = size * size
    for i in range(n):
        cand[i] = (1 << size) - 1
    tail = 0
    depth = 0
    for _ in range(GUESSES_BEFORE_RESTART):
        if propagate(cand, queue, tail, tables, size):
            cell = pick_cell(cand, n)
            if cell < 0:
                return True
            guess(cand, stack, depth, cell, random_bit(rng, cand[cell]))
            depth += n + 1
        else:
            depth -= n + 1
            cell = take_back(cand, stack, depth)
        queue[0] = cell
        tail = 1 if cand[cell] & (cand[cell] - 1) == 0 else 0
    return False


@jit
def fill_all(
    seeds: Words,
    batch: int,
    solutions: Words,
    tables: Tables,
    size: int,
) -> None:
    """A random filled grid for each row of `seeds` (B * 4,)."""
    n = size * size
    rng = zeros(4)
    bits = zeros(n)
    queue = zeros(n)
    stack = zeros(n * (n + 1))
    for row in range(batch):
        for i in range(4):
            rng[i] = seeds[4 * row + i]
        while not try_fill(rng, bits, queue, stack, tables, size):
            pass
        for i in range(n):
            solutions[row * n + i] = digit_of(bits[i])


@jit
def flip(given: Words, free: Words, cell: int, bit: int, cell_groups: Words) -> None:
    """Blank a given cell, or put it back."""
    given[cell] ^= 1
    for k in range(3 * cell, 3 * cell + 3):
        free[cell_groups[k]] ^= bit


@jit
def candidates_without(
    cell: int,
    bits: Words,
    given: Words,
    free: Words,
    cand: Words,
    queue: Words,
    cell_groups: Words,
    num_cells: int,
) -> int:
    """Candidates of the dug grid, with the true digit of `cell` ruled out there (none if -1).

    Returns:
        The number of settled blank cells queued, -1 if `cell` has nothing left: the quick answer
        for most cells of a nearly full grid.
    """
    k = 3 * cell
    if cell >= 0 and bits[cell] == (
        free[cell_groups[k]] & free[cell_groups[k + 1]] & free[cell_groups[k + 2]]
    ):
        return -1
    tail = 0
    for i in range(num_cells):
        if given[i]:
            cand[i] = bits[i]
            continue
        k = 3 * i
        mask = free[cell_groups[k]] & free[cell_groups[k + 1]] & free[cell_groups[k + 2]]
        if i == cell:
            mask ^= bits[i]
        cand[i] = mask
        if mask & (mask - 1) == 0:
            queue[tail] = i
            tail += 1
    return tail


@jit
def may_go(
    cell: int,
    bits: Words,
    given: Words,
    most: int,
    work: Words,
    tables: Tables,
    size: int,
) -> bool:
    """Whether the puzzle has one solution without the cell that was blanked last.

    The puzzle with it has one; so without it, it has another one exactly if that differs there. The
    digit is therefore taken from the cell's candidates, and what is asked is whether anything is
    left. With BY_SINGLES, whether singles solve the puzzle.
    """
    cand, queue, _, other, free, stack = work
    n = size * size
    if most == BY_SINGLES:
        tail = candidates_without(-1, bits, given, free, cand, queue, tables[1], n)
        return propagate(cand, queue, tail, tables, size) and pick_cell(cand, n) < 0
    tail = candidates_without(cell, bits, given, free, cand, queue, tables[1], n)
    if tail < 0:
        return True
    found, _ = search(cand, queue, tail, stack, 1, most, other, tables, size)
    return found == 0


@jit
def dig(
    rng: Words,
    bits: Words,
    given: Words,
    target: int,
    most: int,
    work: Words,
    tables: Tables,
    size: int,
) -> int:
    """Blank cells in random order while the solution stays unique, down to `target` givens.

    Args:
        rng: (4,) generator state.
        bits: (N,) the grid as masks.
        given: (N,) 1 where a cell is given, 0 where it is blank; changed in place.
        target: The number of givens to stop at.
        most: A cell stays given if it takes more guesses to see that it may go; or BY_SINGLES.
        work: Five workspaces and the stack of `search`, as `generate_all` allocates them.
        tables: See `Tables`.
        size: n.

    Returns:
        The number of givens left.
    """
    n = size * size
    order, free = work[2], work[4]
    for group in range(3 * size):
        free[group] = (1 << size) - 1
    left = 0
    for i in range(n):
        if given[i]:
            given[i] = 0
            flip(given, free, i, bits[i], tables[1])
            left += 1
    shuffle(rng, order, n)
    for step in range(n):
        if left == target:
            break
        cell = order[step]
        if given[cell]:
            flip(given, free, cell, bits[cell], tables[1])
            if may_go(cell, bits, given, most, work, tables, size):
                left -= 1
            else:
                flip(given, free, cell, bits[cell], tables[1])
    return left


@jit
def dig_again(
    rng: Words,
    bits: Words,
    given: Words,
    left: int,
    target: int,
    most: int,
    before: Words,
    work: Words,
    tables: Tables,
    size: int,
) -> int:
    """Put some cells back at random and `dig`; what was is restored where more than `left` stay.

    Returns the number of givens left. `before` (N,) is a workspace.
    """
    n = size * size
    for i in range(n):
        before[i] = given[i]
    for _ in range(n // PUT_BACK):
        given[(next_word(rng) * n) >> 32] = 1
    now = dig(rng, bits, given, target, most, work, tables, size)
    if now <= left:
        return now
    for i in range(n):
        given[i] = before[i]
    return left


@jit
def generate_all(
    seeds: Words,
    targets: Words,
    batch: int,
    attempts: int,
    rounds: int,
    most: int,
    puzzles: Words,
    solutions: Words,
    lefts: Words,
    tables: Tables,
    size: int,
) -> None:
    """Fill and dig a grid for each row of `seeds` (B * 4,), down to `targets` (B,) givens.

    Target 0 digs until the puzzle is minimal. Fills puzzles and solutions (B * N,) and the numbers
    of givens left, lefts (B,); a row that misses its target in `attempts` grids, each dug again in
    up to `rounds`, keeps the last one.
    """
    n = size * size
    rng = zeros(4)
    given = zeros(n)
    before = zeros(n)
    bits = zeros(n)
    stack = zeros(n * (n + 1))
    work = (zeros(n), zeros(n), zeros(n), zeros(n), zeros(3 * size), stack)
    for row in range(batch):
        target = targets[row]
        for i in range(4):
            rng[i] = seeds[4 * row + i]
        for _ in range(attempts):
            while not try_fill(rng, bits, work[1], stack, tables, size):
                pass
            for i in range(n):
                given[i] = 1
            left = dig(rng, bits, given, target, most, work, tables, size)
            for _ in range(rounds):
                if left <= target:
                    break
                left = dig_again(rng, bits, given, left, target, most, before, work, tables, size)
            lefts[row] = left
            if target == 0 or left == target:
                break
        for i in range(n):
            digit = digit_of(bits[i])
            solutions[row * n + i] = digit
            puzzles[row * n + i] = digit if given[i] else -1
