"""Scalar kernels of the Sudoku solver and generator, one puzzle at a time.

The same source runs in two ways: compiled by numba where it is installed (the `fast` extra), and as plain Python
otherwise, with equal results. That is why the code keeps to flat sequences of integers, which are int64 arrays when
compiled and lists in plain Python (far quicker there than arrays), and to numbers below 2^63. Importing this module
imports numba: `solver` and `generator` do so at first use.

State: `cand[i]` is the bit mask of digits that cell i may still take. A cell is settled when one bit is left.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ttc_envs.spec import Array
from ttc_envs.tasks.sudoku.grid import Grid

Words = Any
"""A flat sequence of integers: (n,) int64 array when compiled, list of int in plain Python."""
Tables = Any
"""Groups (3n * n,), groups of the cells (N * 3,) and peers of the cells (N * P,), as in `grid.Grid`, flat."""
F = TypeVar("F", bound=Callable[..., Any])

WORD = 0xFFFFFFFF
GUESSES_BEFORE_RESTART = 1000

try:
    numba: Any = importlib.import_module("numba")
except ImportError:
    numba = None


def jit(function: F) -> F:
    """Compile with numba where it is installed; the compiled code is kept on disk where that is possible."""
    if numba is None:
        return function
    try:
        compiled: F = numba.njit(cache=True)(function)
    except RuntimeError:  # no folder to keep it in can be written
        compiled = numba.njit(function)
    return compiled


def tables_of(grid: Grid) -> Tables:
    """The lookup tables of a grid in the form that the kernels take."""
    return words(grid.groups), words(grid.cell_groups), words(grid.peers)


def words(array: Array) -> Words:
    """A flat copy of `array` in the form that the kernels take."""
    flat = np.array(array, dtype=np.int64).ravel()
    return flat.tolist() if numba is None else flat


if numba is None:

    def zeros(n: int) -> Words:
        """`n` zeros."""
        return [0] * n

else:

    @jit
    def zeros(n: int) -> Words:
        """`n` zeros."""
        return np.zeros(n, dtype=np.int64)


@jit
def next_word(rng: Words) -> int:
    """32 random bits from the four 32-bit words of `rng` (additions, shifts and xor only, as in sfc32)."""
    a, b, c, counter = rng[0], rng[1], rng[2], rng[3]
    result = (a + b + counter) & WORD
    rng[0] = b ^ (b >> 9)
    rng[1] = (c + (c << 3)) & WORD
    rng[2] = ((((c << 21) & WORD) | (c >> 11)) + result) & WORD
    rng[3] = (counter + 1) & WORD
    return result


@jit
def eliminate(cand: Words, queue: Words, tail: int, peers: Words) -> bool:
    """Remove the digit of each queued, settled cell from its peers, and so on; False if a cell runs out."""
    num_peers = len(peers) // len(cand)
    head = 0
    while head < tail:
        cell = queue[head]
        head += 1
        bit = cand[cell]
        for k in range(cell * num_peers, (cell + 1) * num_peers):
            peer = peers[k]
            mask = cand[peer]
            if mask & bit:
                mask ^= bit
                if mask == 0:
                    return False
                cand[peer] = mask
                if mask & (mask - 1) == 0:
                    queue[tail] = peer
                    tail += 1
    return True


@jit
def hidden_singles(cand: Words, queue: Words, groups: Words, size: int) -> int:
    """Settle each cell that alone in a group can take a digit; the number of cells queued, -1 if a digit has none."""
    full = (1 << size) - 1
    tail = 0
    for start in range(0, 3 * size * size, size):
        once = 0
        twice = 0
        settled = 0
        for k in range(start, start + size):
            mask = cand[groups[k]]
            twice |= once & mask
            once |= mask
            if mask & (mask - 1) == 0:
                settled |= mask
        if once != full:
            return -1
        hidden = once & ~(twice | settled)
        if hidden == 0:
            continue
        for k in range(start, start + size):
            mask = cand[groups[k]] & hidden
            if mask:
                if mask & (mask - 1):
                    return -1
                cand[groups[k]] = mask
                queue[tail] = groups[k]
                tail += 1
    return tail


@jit
def propagate(cand: Words, queue: Words, tail: int, tables: Tables, size: int) -> bool:
    """Naked and hidden singles until nothing changes; False on a contradiction."""
    while True:
        if not eliminate(cand, queue, tail, tables[2]):
            return False
        tail = hidden_singles(cand, queue, tables[0], size)
        if tail <= 0:
            return tail == 0


@jit
def pick_cell(cand: Words, num_cells: int) -> int:
    """The first cell with the fewest, but at least two, digits left; -1 if all cells are settled."""
    best = -1
    fewest = 64
    for cell in range(num_cells):
        mask = cand[cell] & (cand[cell] - 1)
        if mask == 0:
            continue
        count = 1
        while mask:
            mask &= mask - 1
            count += 1
        if count < fewest:
            best = cell
            fewest = count
            if count == 2:
                break
    return best


@jit
def search(
    cand: Words,
    queue: Words,
    tail: int,
    stack: Words,
    limit: int,
    solution: Words,
    tables: Tables,
    size: int,
) -> tuple[int, int]:
    """Count solutions up to `limit` by singles and guesses, lowest digit first.

    Args:
        cand: (N,) state; used up.
        queue: (N,) workspace; its first `tail` entries are the settled cells not yet eliminated from their peers.
        tail: See `queue`.
        stack: (N * (N + 1),) workspace.
        limit: Stop at this number of solutions.
        solution: (N,) receives the masks of the first solution, if there is one.
        tables: See `Tables`.
        size: n.

    Returns:
        The number of solutions found and the number of guesses made up to the first of them (or to the end).
    """
    n = size * size
    found = 0
    guesses = 0
    depth = 0
    while True:
        alive = propagate(cand, queue, tail, tables, size)
        cell = pick_cell(cand, n) if alive else -1
        if cell >= 0:
            bit = cand[cell] & -cand[cell]
            for i in range(n):
                stack[depth + i] = cand[i]
            stack[depth + cell] ^= bit
            stack[depth + n] = cell
            depth += n + 1
            cand[cell] = bit
            if found == 0:
                guesses += 1
        else:
            if alive:
                if found == 0:
                    for i in range(n):
                        solution[i] = cand[i]
                found += 1
            if depth == 0 or found == limit:
                return found, guesses
            depth -= n + 1
            for i in range(n):
                cand[i] = stack[depth + i]
            cell = stack[depth + n]
        tail = 0
        if cand[cell] & (cand[cell] - 1) == 0:
            queue[0] = cell
            tail = 1


@jit
def start_state(
    puzzle: Words, start: int, cand: Words, queue: Words, cell_groups: Words, size: int
) -> int:
    """Candidates of the puzzle at `puzzle[start:]`; the number of settled blank cells queued, -1 if givens clash."""
    n = size * size
    free = zeros(3 * size)
    for group in range(3 * size):
        free[group] = (1 << size) - 1
    for cell in range(n):
        if puzzle[start + cell] >= 0:
            bit = 1 << puzzle[start + cell]
            for k in range(3 * cell, 3 * cell + 3):
                if free[cell_groups[k]] & bit == 0:
                    return -1
                free[cell_groups[k]] ^= bit
    tail = 0
    for cell in range(n):
        if puzzle[start + cell] >= 0:
            cand[cell] = 1 << puzzle[start + cell]
            continue
        k = 3 * cell
        mask = free[cell_groups[k]] & free[cell_groups[k + 1]] & free[cell_groups[k + 2]]
        if mask == 0:
            return -1
        cand[cell] = mask
        if mask & (mask - 1) == 0:
            queue[tail] = cell
            tail += 1
    return tail


@jit
def digit_of(mask: int) -> int:
    """The digit of a mask with one bit."""
    digit = 0
    while mask > 1:
        mask >>= 1
        digit += 1
    return digit


@jit
def solve_all(
    puzzles: Words,
    batch: int,
    limit: int,
    solutions: Words,
    counts: Words,
    guesses: Words,
    tables: Tables,
    size: int,
) -> None:
    """Solve (B * N,) puzzles; fills solutions (B * N,), -1 where there is none, counts (B,) and guesses (B,)."""
    n = size * size
    cand = zeros(n)
    queue = zeros(n)
    solution = zeros(n)
    stack = zeros(n * (n + 1))
    for row in range(batch):
        start = row * n
        tail = start_state(puzzles, start, cand, queue, tables[1], size)
        counts[row] = 0
        guesses[row] = 0
        if tail >= 0:
            counts[row], guesses[row] = search(
                cand, queue, tail, stack, limit, solution, tables, size
            )
        for i in range(n):
            solutions[start + i] = digit_of(solution[i]) if counts[row] else -1


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
            bit = random_bit(rng, cand[cell])
            for i in range(n):
                stack[depth + i] = cand[i]
            stack[depth + cell] ^= bit
            stack[depth + n] = cell
            depth += n + 1
            cand[cell] = bit
        else:
            depth -= n + 1
            for i in range(n):
                cand[i] = stack[depth + i]
            cell = stack[depth + n]
        tail = 0
        if cand[cell] & (cand[cell] - 1) == 0:
            queue[0] = cell
            tail = 1
    return False


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
def dig(
    rng: Words,
    bits: Words,
    given: Words,
    target: int,
    work: Words,
    tables: Tables,
    size: int,
) -> int:
    """Blank cells of a filled grid in random order, as long as the solution stays unique and over `target` are left.

    The puzzle with cell i has one solution; so without it, it has another one exactly if that differs at i. The test
    therefore takes the digit from cell i's candidates and asks whether anything is left.

    Args:
        rng: (4,) generator state.
        bits: (N,) the grid as masks.
        given: (N,) receives 1 where a cell stays given.
        target: The number of givens to stop at.
        work: Five workspaces and the stack of `search`, as `generate_all` allocates them.
        tables: See `Tables`.
        size: n.

    Returns:
        The number of givens left.
    """
    n = size * size
    cand, queue, order, other, free, stack = work
    for group in range(3 * size):
        free[group] = 0
    for i in range(n):
        given[i] = 1
    shuffle(rng, order, n)
    left = n
    for step in range(n):
        if left == target:
            break
        cell = order[step]
        flip(given, free, cell, bits[cell], tables[1])
        tail = candidates_without(cell, bits, given, free, cand, queue, tables[1], n)
        if tail < 0:
            left -= 1
            continue
        found, _ = search(cand, queue, tail, stack, 1, other, tables, size)
        if found:
            flip(given, free, cell, bits[cell], tables[1])
        else:
            left -= 1
    return left


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
    """Candidates of the dug grid with the true digit of `cell` ruled out there; the number of settled blanks queued.

    Returns -1 if a cell has nothing left, which is quick to see for most cells of a nearly full grid.
    """
    k = 3 * cell
    if free[cell_groups[k]] & free[cell_groups[k + 1]] & free[cell_groups[k + 2]] == bits[cell]:
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
def generate_all(
    seeds: Words,
    targets: Words,
    batch: int,
    attempts: int,
    puzzles: Words,
    solutions: Words,
    lefts: Words,
    tables: Tables,
    size: int,
) -> None:
    """Fill and dig a grid for each row of `seeds` (B * 4,), until `targets` (B,) givens are left; 0 means minimal.

    Fills puzzles and solutions (B * N,) and the number of givens left, lefts (B,); a row whose target was not reached
    in `attempts` grids keeps the last one.
    """
    n = size * size
    rng = zeros(4)
    given = zeros(n)
    bits = zeros(n)
    stack = zeros(n * (n + 1))
    work = (zeros(n), zeros(n), zeros(n), zeros(n), zeros(3 * size), stack)
    for row in range(batch):
        for i in range(4):
            rng[i] = seeds[4 * row + i]
        for _ in range(attempts):
            while not try_fill(rng, bits, work[1], stack, tables, size):
                pass
            lefts[row] = dig(
                rng, bits, given, targets[row], work, tables, size
            )
            if targets[row] == 0 or lefts[row] == targets[row]:
                break
        for i in range(n):
            digit = digit_of(bits[i])
            solutions[row * n + i] = digit
            puzzles[row * n + i] = digit if given[i] else -1


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
