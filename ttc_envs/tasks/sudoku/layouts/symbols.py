"""Symbols of puzzle files: which mean a digit, which a blank cell.

The alphabet of n digits is decided for a file as a whole:

- `1..n` (16x16: 1-9, A-G; 25x25: 1-9, A-P): the usual one, in which 0 is blank;
- `0..n-1` (16x16: 0-9, A-F; 25x25: 0-9, A-O): where n never stands, and solutions hold 0 or a
  puzzle has both 0 and another blank. 0 is then the digit n, so that all others keep their names;
- `A..P` (16x16): where letters past G stand, and no digit but 0, which is blank.

Shapes: B rows, N cells.
"""

from __future__ import annotations

import numpy as np

from ttc_envs.spec import UNDECIDED, Array
from ttc_envs.tasks.sudoku.grid import BOXES, SYMBOLS

SIZE_OF = {size * size: size for size in BOXES}
LENGTHS = "16, 36, 81, 256 or 625"
OTHER_BLANKS = ".*_-?xX "
"""What stands for a blank cell, beside 0."""
BLANKS = "0" + OTHER_BLANKS
BAD = -2
"""In place of a digit: a character or number that is none."""
NO_ANSWER = 0
"""The code of the cells of a solution that a file does not have."""
LETTERS = "ABCDEFGHIJKLMNOP"
ZERO = ord("0")
CHUNK = 10_000


def digit_symbols(size: int) -> str:
    """The characters that mean a digit in some alphabet of a size; 0 apart, which may be one."""
    return SYMBOLS[:size] if size <= 9 else "123456789" + LETTERS + LETTERS.lower()


def is_grid(text: str) -> bool:
    """Whether a text has the length and the symbols of a puzzle."""
    size = SIZE_OF.get(len(text))
    return size is not None and not text.strip(digit_symbols(size) + BLANKS)


def looks_like_grid(text: str) -> bool:
    """Whether it is one with a digit in it: a line of dashes has the length and symbols, too."""
    return is_grid(text) and bool(text.strip(BLANKS))


def number_symbol(number: int) -> str:
    """The symbol of a number in 0..25, as large grids write them."""
    return "0" if number == 0 else SYMBOLS[number - 1]


def table_of(puzzles: Array, answers: Array | None, size: int) -> Array:
    """The digit of each code, (256,) int8: UNDECIDED for blanks, BAD for what is neither.

    Args:
        puzzles: (B, N) uint8 codes of characters.
        answers: (B, N) uint8, NO_ANSWER where there is none; or None.
        size: n.

    Raises:
        ValueError: 0 may be a digit or a blank.
    """
    table = np.full(256, BAD, dtype=np.int8)
    table[[ord(blank) for blank in BLANKS]] = UNDECIDED
    for digit, symbol in enumerate(_alphabet(puzzles, answers, size)):
        table[ord(symbol)] = table[ord(symbol.lower())] = digit
    return table


def _alphabet(puzzles: Array, answers: Array | None, size: int) -> str:
    """The symbols of the digits of a file."""
    used = _counts(puzzles) + (0 if answers is None else _counts(answers))
    if size == 16 and _count(used, LETTERS[7:]) > _count(used, "123456789"):
        return LETTERS
    if used[ZERO] and not _count(used, SYMBOLS[size - 1]) and _zero_is_a_digit(puzzles, answers):
        return SYMBOLS[: size - 1] + "0"
    return SYMBOLS[:size]


def _counts(codes: Array) -> Array:
    """(256,) how often each code stands, counted in parts, since numpy makes int64 of them."""
    used: Array = np.zeros(256, dtype=np.int64)
    for start in range(0, len(codes), CHUNK):
        used += np.bincount(codes[start : start + CHUNK].ravel(), minlength=256)
    return used


def _count(used: Array, symbols: str) -> int:
    """How often the symbols stand, in both cases."""
    return int(sum(used[ord(symbol)] for symbol in set(symbols + symbols.lower())))


def _zero_is_a_digit(puzzles: Array, answers: Array | None) -> bool:
    """Whether 0 is a digit, in a file that has it and not the digit n."""
    if answers is not None and (answers != NO_ANSWER).any():
        return bool((answers == ZERO).any())
    others = np.isin(puzzles, [ord(blank) for blank in OTHER_BLANKS]).any(axis=1)
    zeros = (puzzles == ZERO).sum(axis=1)
    if (zeros[others] > 0).any():
        return True
    # A full grid has each digit n times: then nothing tells a digit from a blank.
    size = int(np.sqrt(puzzles.shape[1]))
    if not others.any() and (zeros == size).all():
        raise ValueError(
            f"0 may be a digit (0..{number_symbol(size - 1)}) or a blank: "
            f"write 1..{SYMBOLS[size - 1]}, or blanks as '.'"
        )
    return False


def mixed_blanks(puzzles: Array, table: Array, size: int) -> Array:
    """(B,) bool, rows (B, N) of codes in which 0 may be a digit though it is read as a blank.

    They have 0 and another blank and lack the digit n, which other rows have.
    """
    if table[ZERO] != UNDECIDED:
        return np.zeros(len(puzzles), dtype=bool)
    others = np.isin(puzzles, [ord(blank) for blank in OTHER_BLANKS]).any(axis=1)
    top = (table[puzzles] == size - 1).any(axis=1)
    mixed: Array = others & (puzzles == ZERO).any(axis=1) & ~top
    return mixed


def symbol_fault(text: str, table: Array, size: int) -> str:
    """Which character of a puzzle is no digit and no blank; "" if all are."""
    for place, symbol in enumerate(text, start=1):
        if not symbol.isascii() or table[ord(symbol)] == BAD:
            known = f"1-{size}" if size <= 9 else f"1-9, A-{SYMBOLS[size - 1]}"
            return f"expected {known}, or 0 or '.' for blank, got {symbol!r} at position {place}"
    return ""
