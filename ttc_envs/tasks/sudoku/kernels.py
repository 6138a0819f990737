"""Scalar kernels of the Sudoku solver, one puzzle at a time.

The same source runs in two ways: compiled by numba where it is installed (the `fast` extra), and as
plain Python otherwise, with equal results. That is why the code keeps to flat sequences of
integers, which are int64 arrays when compiled and lists in plain Python (far quicker there than
arrays), and to numbers below 2^63. Importing this module imports numba: `solver` does so at
first use.

State: `cand[i]` is the bit mask of digits that cell i may still take. A cell is settled when one
bit is left.
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
"""The flat `groups` (3n * n,), `cell_groups` (N * 3,) and `peers` (N * P,) of a `grid.Grid`."""
F = TypeVar("F", bound=Callable[..., Any])
NO_END = 1 << 62
"""More guesses than any search makes."""

try:
    numba: Any = importlib.import_module("numba")
except ImportError:
    numba = None


def jit(function: F) -> F:
    """Compile with numba where it is installed, and keep the result on disk where that can be."""
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
def eliminate(cand: Words, queue: Words, tail: int, peers: Words) -> bool:
    """Take the digits of queued cells from their peers, and so on; False if a cell is left none."""
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
    """Settle each cell that alone in a group can take a digit.

    Returns:
        The number of cells queued, -1 if a digit has no cell or two digits have the same one.
    """
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
    """The first cell with the fewest digits left, at least two; -1 if all cells are settled."""
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
def guess(cand: Words, stack: Words, depth: int, cell: int, bit: int) -> None:
    """Settle `cell` on `bit`; what is left without that digit goes to `stack[depth:]`."""
    for i in range(len(cand)):
        stack[depth + i] = cand[i]
    stack[depth + cell] ^= bit
    stack[depth + len(cand)] = cell
    cand[cell] = bit


@jit
def take_back(cand: Words, stack: Words, depth: int) -> int:
    """The state at `stack[depth:]` becomes the current one; the cell that was guessed there."""
    for i in range(len(cand)):
        cand[i] = stack[depth + i]
    cell: int = stack[depth + len(cand)]
    return cell


@jit
def search(
    cand: Words,
    queue: Words,
    tail: int,
    stack: Words,
    limit: int,
    most: int,
    solution: Words,
    tables: Tables,
    size: int,
) -> tuple[int, int]:
    """Count solutions up to `limit` by singles and guesses, lowest digit first.

    Args:
        cand: (N,) state; used up.
        queue: (N,) workspace; its first `tail` entries are the settled cells not yet eliminated
            from their peers.
        tail: See `queue`.
        stack: (N * (N + 1),) workspace.
        limit: Stop at this number of solutions.
        most: Give up after this number of guesses.
        solution: (N,) receives the masks of the first solution, if there is one.
        tables: See `Tables`.
        size: n.

    Returns:
        The number of solutions found, -1 if it gave up, and the number of guesses made up to the
        first of them (or to the end).
    """
    n = size * size
    found = 0
    guesses = 0
    made = 0
    depth = 0
    while True:
        alive = propagate(cand, queue, tail, tables, size)
        cell = pick_cell(cand, n) if alive else -1
        if cell >= 0:
            if made == most:
                return -1, guesses
            made += 1
            guess(cand, stack, depth, cell, cand[cell] & -cand[cell])
            depth += n + 1
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
            cell = take_back(cand, stack, depth)
        queue[0] = cell
        tail = 1 if cand[cell] & (cand[cell] - 1) == 0 else 0


@jit
def start_state(
    puzzle: Words, start: int, cand: Words, queue: Words, cell_groups: Words, size: int
) -> int:
    """Candidates of the puzzle at `puzzle[start:]`.

    Returns:
        The number of settled blank cells queued, -1 if givens clash.
    """
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
    most: int,
    solutions: Words,
    counts: Words,
    guesses: Words,
    tables: Tables,
    size: int,
) -> None:
    """Solve puzzles (B * N,).

    Fills solutions (B * N,), -1 where there is none, counts (B,) and guesses (B,). Counts are -1
    where `most` guesses do not decide.
    """
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
                cand, queue, tail, stack, limit, most, solution, tables, size
            )
        for i in range(n):
            solutions[start + i] = digit_of(solution[i]) if counts[row] > 0 else -1
