"""The cells that a piece of text spells: a whole puzzle, or a row of one.

Cells may be parted by blanks, bars, commas, semicolons or tabs; numbers past 9 are those of 16x16
and 25x25.
"""

from __future__ import annotations

import re

from ttc_envs.tasks.sudoku.grid import SYMBOLS
from ttc_envs.tasks.sudoku.layouts.symbols import OTHER_BLANKS, number_symbol

SEPARATORS = (",", ";", "\t")
BARS = dict.fromkeys(map(ord, "|!│┃║┆┇┊┋"), "|")
"""What stands between boxes of a row; other box-drawing characters are lines between rows."""
LINES = {code: "+" for code in range(0x2500, 0x2580) if code not in BARS}
NUMBER = re.compile(r"[0-9]{1,2}")


def plain(text: str) -> str:
    """A line with `|` for any bar and `+` for other box-drawing characters."""
    return text if text.isascii() and "!" not in text else text.translate(BARS | LINES)


def cells(text: str, wanted: tuple[int, ...]) -> str | None:
    """The cells, a character each, where there are `wanted` many of them; else None."""
    text = plain(text)
    if "[" in text or "]" in text:
        # As numpy prints a row, or a list of lists stands in a program.
        text = text.strip().strip("[],")
    for separator in SEPARATORS:
        if separator in text:
            # A field of a table; nothing in it is a blank cell.
            fields = [field.strip() or "." for field in text.split(separator)]
            return _of_tokens(fields, wanted)
    tokens = text.replace("|", " ").split()
    found = _of_tokens(tokens, wanted) if len(tokens) > 1 else None
    if found is not None:
        return found
    joined = "".join(tokens)
    if len(joined) in wanted:
        return joined
    return _with_blanks(text.replace("|", ""), wanted)


def _of_tokens(tokens: list[str], wanted: tuple[int, ...]) -> str | None:
    """One cell per token: a character, or a number up to 25."""
    if len(tokens) not in wanted:
        return None
    if all(len(token) == 1 for token in tokens):
        return "".join(tokens)
    symbols = []
    for token in tokens:
        if len(token) == 1:
            symbols.append(token)
        elif NUMBER.fullmatch(token) and 0 < int(token) <= len(SYMBOLS):
            symbols.append(number_symbol(int(token)))
        else:
            return None
    return "".join(symbols)


def _with_blanks(text: str, wanted: tuple[int, ...]) -> str | None:
    """The cells of a text in which a space is a blank cell, and nothing else is."""
    if len(text) not in wanted or not text.strip() or set(text) & set(OTHER_BLANKS.strip()):
        return None
    return text if " " in text else None
