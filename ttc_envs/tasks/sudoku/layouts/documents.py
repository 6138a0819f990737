"""Puzzles in JSON, a document or a value per line, and in the XML of OpenSudoku."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from xml.etree import ElementTree

from ttc_envs.tasks.sudoku.grid import SYMBOLS
from ttc_envs.tasks.sudoku.layouts.cells import cells
from ttc_envs.tasks.sudoku.layouts.rows import Gathered
from ttc_envs.tasks.sudoku.layouts.symbols import SIZE_OF, is_grid, number_symbol
from ttc_envs.tasks.sudoku.layouts.table import PUZZLE_NAMES, SOLUTION_NAMES

LENGTHS = tuple(SIZE_OF)
BLANK = "."
STATE = re.compile(r"version: ?[1-9]\s+(.*)", re.DOTALL)
"""OpenSudoku's state of a game: cells of fields with `|` after each, digit first, editable last."""
BOARD_CELLS = 81

Lines = Iterable[tuple[int, str]]


# JSON


def is_json(text: str) -> bool:
    """Whether a text is JSON: an object or an array."""
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def read_json_lines(lines: Lines, gathered: Gathered) -> None:
    """Gather the rows of a file with a JSON value in each line."""
    for number, text in lines:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            gathered.reject(number, f"not JSON ({error})")
            continue
        _add_value(number, value, gathered)


def read_json(text: str, gathered: Gathered) -> None:
    """Gather the rows of a JSON document: an array of puzzles, or an object that holds one.

    Raises:
        ValueError: It is none of these.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a readable JSON document ({error})") from None
    if isinstance(document, dict) and isinstance(_entry(document, PUZZLE_NAMES), list):
        inner = _entry(document, PUZZLE_NAMES)
        document = inner if _spelled(inner) is None else document
    values = document if isinstance(document, list) and _spelled(document) is None else [document]
    for number, value in enumerate(values, start=1):
        _add_value(number, value, gathered)


def _add_value(number: int, value: Any, gathered: Gathered) -> None:
    """Gather one puzzle: an object with a name for it, a text, or an array of cells or rows."""
    solution = None
    if isinstance(value, dict):
        names = list(value)
        value, answer = _entry(value, PUZZLE_NAMES), _entry(value, SOLUTION_NAMES)
        if value is None:
            gathered.reject(number, f"expected an entry puzzle, quiz or question, got {names[:9]}")
            return
        solution = None if answer is None else _spelled(answer) or ""
    spelled = _spelled(value)
    if spelled is None:
        gathered.reject(number, f"expected a puzzle as text or array, got {str(value)[:100]!r}")
    else:
        gathered.add(number, spelled, solution)


def _entry(document: dict[str, Any], names: frozenset[str]) -> Any:
    """The first entry that has one of the names; None if none has."""
    return next((value for name, value in document.items() if name.lower() in names), None)


def _spelled(value: Any) -> str | None:
    """A character per cell; None if the value is no puzzle."""
    if isinstance(value, str):
        return cells(value, LENGTHS) or "".join(value.split())
    if not isinstance(value, list):
        return None
    if all(isinstance(row, str) for row in value) and any(len(row) > 1 for row in value):
        # Rows of a puzzle; several puzzles may be as long as a larger one.
        return None if all(map(is_grid, value)) else cells("\n".join(value), LENGTHS)
    rows = value if all(isinstance(row, list) for row in value) else [value]
    spelled = [_cell(cell) for row in rows for cell in row]
    return None if None in spelled or len(spelled) not in SIZE_OF else "".join(map(str, spelled))


def _cell(value: Any) -> str | None:
    """The character of a cell; None if it is none."""
    if value is None or value == "":
        return BLANK
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= len(SYMBOLS):
        return number_symbol(value)
    return value if isinstance(value, str) and len(value) == 1 else None


# XML


def read_xml(text: str, gathered: Gathered) -> None:
    """Gather the games of a file of OpenSudoku.

    Raises:
        ValueError: It is no such file, is damaged, or declares entities.
    """
    if re.search(r"<!(DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise ValueError("expected XML without a document type: entities are not read")
    try:
        # Its own declaration of an encoding no longer holds: the text is decoded.
        root = ElementTree.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise ValueError(f"not readable XML ({error})") from None
    name = root.tag.rpartition("}")[2].lower()
    if not name.startswith("opensudoku"):
        raise ValueError(f"expected the XML of OpenSudoku, got an element {name[:100]!r}")
    for number, data in enumerate(_games(root), start=1):
        gathered.add(number, _of_state(data) or "".join(data.split()))


def _games(root: ElementTree.Element) -> Iterator[str]:
    """What each game says of its cells."""
    for game in root.iter("game"):
        found = [game.get("data"), game.get("cells_data"), game.findtext("data")]
        yield next((data for data in found if data), "")


def _of_state(data: str) -> str | None:
    """The givens of a game in play: the digits that its player cannot change."""
    match = STATE.fullmatch(data.strip())
    if match is None:
        return None
    fields = match[1].replace("||", "|").strip().strip("|").split("|")
    width = len(fields) // BOARD_CELLS
    if width < 3 or len(fields) != BOARD_CELLS * width:
        return None
    digits, editable = fields[::width], fields[width - 1 :: width]
    marks = zip(digits, editable, strict=True)
    return "".join(digit[:1] if fixed == "0" else BLANK for digit, fixed in marks)
