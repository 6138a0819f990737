"""One puzzle per line: alone, or in a column of a table, perhaps with its solution.

Columns are parted by commas, semicolons, tabs or blanks. A header names those of puzzle and
solution; without one they are the first that holds puzzles, and the next if it holds puzzles, too.
Lines that begin with a colon are HoDoKu's library format.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ttc_envs.tasks.sudoku.layouts.cells import SEPARATORS, cells
from ttc_envs.tasks.sudoku.layouts.rows import Gathered
from ttc_envs.tasks.sudoku.layouts.symbols import SIZE_OF, is_grid, looks_like_grid

PUZZLE_NAMES = frozenset(
    {"puzzle", "puzzles", "quiz", "quizzes", "question", "questions", "sudoku", "unsolved"}
)
SOLUTION_NAMES = frozenset({"solution", "solutions", "answer", "answers", "solved"})
WHOLE_LINE = "line"
BLANK_SPACE = " "
HODOKU = ":"
ALL = (*SEPARATORS, BLANK_SPACE)
HODOKU_LINE = re.compile(r":[^:]*:[^:]*:([^:]*):.*")
"""Technique, candidates, the grid (`+` before a digit that was placed), and what follows."""
PLACED = re.compile(r"\+[0-9]")
LENGTHS = tuple(SIZE_OF)

Lines = Iterable[tuple[int, str]]


@dataclass(frozen=True)
class Columns:
    """Where things stand in a table.

    Args:
        separator: Of columns: one of `SEPARATORS`, BLANK_SPACE, WHOLE_LINE or HODOKU.
        puzzle: The column of puzzles.
        solution: The column of solutions, or None.
        header: Whether the first line names the columns.
        fault: What is wrong with the first line, "" if nothing.
        count: In how many of the first lines a puzzle stands there.
    """

    separator: str
    puzzle: int = 0
    solution: int | None = None
    header: bool = False
    fault: str = ""
    count: int = 0


def find_columns(lines: list[tuple[int, str]]) -> Columns | None:
    """The columns of a table, by its first lines; None if it is none."""
    texts = [text for _, text in lines]
    named = next(filter(None, (_named(texts, separator) for separator in ALL)), None)
    if named is not None:
        return named
    found = [_by_content(texts, separator) for separator in (WHOLE_LINE, HODOKU, *ALL)]
    best = max(found, key=lambda columns: columns.count)
    return best if best.count else None


def read_table(lines: Lines, columns: Columns, gathered: Gathered) -> None:
    """Gather the rows of a table."""
    needed = max(columns.puzzle, columns.solution or 0) + 1
    for turn, (number, text) in enumerate(lines):
        if turn == 0 and (columns.header or columns.fault):
            if columns.fault:
                gathered.reject(number, columns.fault)
            continue
        fields = _fields(text, columns.separator)
        if fields is None or len(fields) < needed:
            gathered.reject(number, f"expected {needed} or more columns, got {text[:100]!r}")
            continue
        solution = None if columns.solution is None else fields[columns.solution]
        gathered.add(number, fields[columns.puzzle], solution)


def _named(texts: list[str], separator: str) -> Columns | None:
    """The columns that a header names; None if it names none."""
    names = [name.strip().lower() for name in _fields(texts[0], separator) or []]
    puzzle = next((i for i, name in enumerate(names) if name in PUZZLE_NAMES), None)
    if puzzle is None or any(map(looks_like_grid, names)):
        return None
    solution = next((i for i, name in enumerate(names) if name in SOLUTION_NAMES), None)
    rows = [_fields(text, separator) or [] for text in texts[1:]]
    count = sum(len(row) > puzzle and is_grid(row[puzzle]) for row in rows)
    return Columns(separator, puzzle, solution, header=True, count=count)


def _by_content(texts: list[str], separator: str) -> Columns:
    """The columns that hold puzzles."""
    rows = [_fields(text, separator) or [] for text in texts]
    grids = [[i for i, field in enumerate(row) if looks_like_grid(field)] for row in rows]
    first = next((turn for turn, places in enumerate(grids) if places), None)
    if first is None:
        return Columns(separator)
    puzzle, *others = grids[first]
    pair = bool(others) and len(rows[first][puzzle]) == len(rows[first][others[0]])
    return Columns(
        separator,
        puzzle,
        others[0] if pair else None,
        fault=_unknown_header(texts[0], separator),
        count=sum(puzzle in places for places in grids),
    )


def _unknown_header(line: str, separator: str) -> str:
    """What to say of a first line that seems to name columns; "" if it does not."""
    fields = _fields(line, separator) or []
    words = [field for field in fields if re.fullmatch(r"[^\W\d][\w .()/-]*", field)]
    if not fields or len(words) < len(fields) or any(map(is_grid, fields)):
        return ""
    return (
        f"unknown header {', '.join(map(repr, fields))}: expected the column of puzzles to be "
        "called puzzle, quiz or question, and that of solutions solution or answer"
    )


def _fields(line: str, separator: str) -> list[str] | None:
    """The fields of a line; None if its quotes are broken. No quote reaches into another line."""
    if separator == WHOLE_LINE:
        found = cells(line, LENGTHS)
        return [line.strip() if found is None else found]
    if separator == HODOKU:
        match = HODOKU_LINE.fullmatch(line.strip())
        return [PLACED.sub(".", match[1])] if match else None
    if separator == BLANK_SPACE:
        return line.split()
    if '"' not in line:
        return [_trimmed(field) for field in line.split(separator)]
    try:
        reader = csv.reader([line], delimiter=separator, skipinitialspace=True, strict=True)
        return [_trimmed(field) for field in next(reader)]
    except csv.Error:
        return None


def _trimmed(field: str) -> str:
    """A field without blanks around it, unless these are blank cells."""
    return field if len(field) in SIZE_OF else field.strip()
