"""The solver of `kernels` for 9x9 on bit boards: the same search, about four times as fast.

A state is 30 words. Word `3 * digit + band` has a bit for each of the 27 cells of three rows that
may still take the digit; the last three words mark the cells whose digit was taken from their
peers. Naked and hidden singles have one fixed point whatever their order, and the cell and the
digit to guess at are chosen as in `kernels`, so that the numbers of guesses are equal.
"""

from __future__ import annotations

import numpy as np

from ttc_envs.tasks.sudoku.grid import grid_of
from ttc_envs.tasks.sudoku.kernels import Words, jit, words

DONE, SEEN, STATE = 27, 30, 57
"""Where the marks begin, and the words as they were; the length of a state."""
BAND = (1 << 27) - 1
ROW = (1 << 9) - 1
EACH_ROW = 1 | 1 << 9 | 1 << 18
BOX = 7 * EACH_ROW
CORNERS = 1 | 1 << 3 | 1 << 6
DEPTH = 82
"""States that the stack holds: one for each guess at a blank cell, and the current one."""


def bit_tables() -> tuple[Words, Words]:
    """Peers (81 * 3,), the bits of each cell's peers by band; and the places of powers of 2.

    The place of 2^k stands at entry 2^k mod 37, which differs for all k below 36.
    """
    peers = np.zeros((81, 3), dtype=np.int64)
    for cell, others in enumerate(grid_of(9).peers):
        np.bitwise_or.at(peers[cell], others // 27, np.int64(1) << (others % 27))
    places = np.zeros(37, dtype=np.int64)
    places[[(1 << k) % 37 for k in range(27)]] = np.arange(27)
    return words(peers), words(places)


@jit
def load(puzzle: Words, start: int, state: Words) -> None:
    """The state of the puzzle (digits, -1 for blank) at `puzzle[start:]`."""
    for k in range(DONE):
        state[k] = BAND
    for k in range(DONE, STATE):
        state[k] = 0
    for cell in range(81):
        digit = puzzle[start + cell]
        if digit >= 0:
            settle_cell(state, cell // 27, 1 << cell % 27, digit)


@jit
def settle_cell(state: Words, band: int, bit: int, digit: int) -> None:
    """Leave a cell one digit, or none if that is ruled out."""
    mine = state[3 * digit + band]
    for k in range(band, DONE, 3):
        state[k] &= ~bit
    state[3 * digit + band] = mine


@jit
def naked_singles(state: Words, tables: tuple[Words, Words]) -> bool:
    """Take the digits of settled cells from their peers, and so on; False if a cell has none."""
    peers, places = tables
    going = True
    while going:
        going = False
        for band in range(3):
            once = 0
            twice = 0
            for k in range(band, DONE, 3):
                twice |= once & state[k]
                once |= state[k]
            if once != BAND:
                return False
            new = once & ~(twice | state[DONE + band])
            if new == 0:
                continue
            going = True
            state[DONE + band] |= new
            for first in range(0, DONE, 3):
                rest = state[first + band] & new
                while rest:
                    cell = 3 * (27 * band + places[(rest & -rest) % 37])
                    rest &= rest - 1
                    state[first] &= ~peers[cell]
                    state[first + 1] &= ~peers[cell + 1]
                    state[first + 2] &= ~peers[cell + 2]
    return True


@jit
def hidden_singles(state: Words) -> int:
    """Settle each cell that alone in its row, column or box can take a digit.

    Digits whose words are as they were when this was last asked are left out.

    Returns:
        1 if any was, 0 if none, -1 if a digit has no cell in a row, column or box.
    """
    settled = 0
    for first in range(0, DONE, 3):
        if (
            state[first] == state[first + SEEN]
            and state[first + 1] == state[first + SEEN + 1]
            and state[first + 2] == state[first + SEEN + 2]
        ):
            continue
        once = 0
        twice = 0
        for band in range(3):
            board = state[first + band]
            state[first + SEEN + band] = board
            top, middle, low = board & ROW, (board >> 9) & ROW, board >> 18
            # Columns of the band with a cell, and with several.
            any_, more = top | middle | low, (top & middle) | ((top | middle) & low)
            filled = (any_ | any_ >> 1 | any_ >> 2) & CORNERS
            if top == 0 or middle == 0 or low == 0 or filled != CORNERS:
                return -1
            twice |= (once & any_) | more
            once |= any_
            more |= more >> 1 | more >> 2
            more |= (any_ & (any_ >> 1 | any_ >> 2)) | (any_ >> 1 & any_ >> 2)
            single = (CORNERS & ~more) * BOX
            if top & (top - 1) == 0:
                single |= top
            if middle & (middle - 1) == 0:
                single |= middle << 9
            if low & (low - 1) == 0:
                single |= low << 18
            settled |= settle_cells(state, first, band, single & board)
        if once != ROW:
            return -1
        columns = (once & ~twice) * EACH_ROW
        for band in range(3):
            settled |= settle_cells(state, first, band, state[first + band] & columns)
    return settled


@jit
def settle_cells(state: Words, first: int, band: int, cells: int) -> int:
    """Rule out in cells of a band all but the digit at `first`; whether a cell is new, 0 or 1."""
    cells &= ~state[DONE + band]
    if cells == 0:
        return 0
    mine = state[first + band]
    for k in range(band, DONE, 3):
        state[k] &= ~cells
    state[first + band] = mine
    return 1


@jit
def propagate(state: Words, tables: tuple[Words, Words]) -> bool:
    """Naked and hidden singles until nothing changes; False on a contradiction."""
    while True:
        if not naked_singles(state, tables):
            return False
        settled = hidden_singles(state)
        if settled <= 0:
            return settled == 0


@jit
def pick_cell(state: Words) -> int:
    """The first cell with the fewest digits left, at least two; -1 if all cells are settled."""
    blank = 0
    for band in range(3):
        once = 0
        twice = 0
        thrice = 0
        for k in range(band, DONE, 3):
            thrice |= twice & state[k]
            twice |= once & state[k]
            once |= state[k]
        blank |= twice
        pair = twice & ~thrice
        if pair:
            return 27 * band + place_of(pair)
    return pick_slowly(state) if blank else -1


@jit
def place_of(mask: int) -> int:
    """The place of the lowest bit."""
    place = 0
    while mask & 1 == 0:
        mask >>= 1
        place += 1
    return place


@jit
def pick_slowly(state: Words) -> int:
    """`pick_cell` where no cell has two digits left."""
    best = -1
    fewest = 10
    for cell in range(81):
        count = 0
        for k in range(cell // 27, DONE, 3):
            count += (state[k] >> cell % 27) & 1
        if 1 < count < fewest:
            best = cell
            fewest = count
    return best


@jit
def guess(state: Words, stack: Words, depth: int, cell: int) -> None:
    """Settle a cell on its lowest digit; `stack[depth:]` receives the state without it."""
    band = cell // 27
    bit = 1 << cell % 27
    for k in range(STATE):
        stack[depth + k] = state[k]
    digit = 0
    while state[3 * digit + band] & bit == 0:
        digit += 1
    settle_cell(state, band, bit, digit)
    stack[depth + 3 * digit + band] ^= bit


@jit
def write_digits(state: Words, store: Words, start: int) -> None:
    """The digits of a solved state into `store[start:]`."""
    for k in range(DONE):
        rest = state[k]
        cell = start + 27 * (k % 3)
        while rest:
            if rest & 1:
                store[cell] = k // 3
            rest >>= 1
            cell += 1


@jit
def explore(
    state: Words, stack: Words, limit: int, store: Words, tables: tuple[Words, Words]
) -> tuple[int, int, int]:
    """Search the whole tree of a state.

    Args:
        state: (STATE,) used up.
        stack: (DEPTH * STATE,) workspace.
        limit: Stop at this number of solutions.
        store: (limit * 81,) receives the digits of the solutions.
        tables: See `bit_tables`.

    Returns:
        The numbers of solutions, of guesses, and of guesses up to the first solution.
    """
    found = 0
    guesses = 0
    first = 0
    depth = 0
    while True:
        alive = propagate(state, tables)
        cell = pick_cell(state) if alive else -1
        if cell >= 0:
            guess(state, stack, depth, cell)
            depth += STATE
            guesses += 1
            continue
        if alive:
            write_digits(state, store, 81 * found)
            found += 1
            if found == 1:
                first = guesses
        if depth == 0 or found == limit:
            return found, guesses, first if found else guesses
        depth -= STATE
        for k in range(STATE):
            state[k] = stack[depth + k]
