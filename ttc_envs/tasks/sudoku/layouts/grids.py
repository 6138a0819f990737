"""Puzzles over several lines, a row each: plain, spaced, with bars, in sections.

Lines drawn between rows (`---+---+---`) do not count. Any other line is a heading: one that speaks
of a solution says that the next grid is that of the last puzzle, one that speaks of a state
(SudoCue's `[State]`) says that the next grid is no puzzle.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from ttc_envs.tasks.sudoku.grid import BOXES
from ttc_envs.tasks.sudoku.layouts.cells import cells, plain
from ttc_envs.tasks.sudoku.layouts.rows import Gathered
from ttc_envs.tasks.sudoku.layouts.symbols import BLANKS, digit_symbols

ROW_LENGTHS = tuple(BOXES)
SOLUTION_HEADING = re.compile(r"solution|answer|solved", re.IGNORECASE)
STATE_HEADING = re.compile(r"state|candidate|pencil", re.IGNORECASE)
DRAWN_BLANKS = "-_*"
"""Blanks that are also drawn as lines between rows."""
DIGITS = "0123456789"
SLACK = 2
"""Cells that a row may lack or have too many and still be a row that went wrong, no heading."""

Lines = Iterable[tuple[int, str]]


def row_of(text: str, wanted: tuple[int, ...] = ROW_LENGTHS) -> str | None:
    """The cells of a line if it is a row of one of the lengths."""
    row = cells(text, wanted)
    if row is None or row.strip(digit_symbols(len(row)) + BLANKS):
        return None
    return row


def grid_reader(lines: list[tuple[int, str]], gathered: Gathered) -> GridReader | None:
    """What reads the grids of a file, by its first lines; None if these hold no row."""
    rows = [row for _, text in lines if (row := row_of(text)) and row.strip(BLANKS)]
    if not rows:
        return None
    size, _ = max(Counter(map(len, rows)).items(), key=lambda pair: (pair[1], pair[0]))
    drawn = "".join(mark for mark in DRAWN_BLANKS if not any(mark in row for row in rows))
    count = sum(len(row) == size for row in rows)
    return GridReader(size, drawn, any(" " in row for row in rows), count, gathered)


class GridReader:
    """Puts rows together to grids.

    Args:
        size: The cells of a row, n.
        drawn: Characters that are no blanks in this file, but draw lines.
        spaces: Whether a space is a blank cell.
        count: Rows among the first lines.
        gathered: Takes the grids.
    """

    def __init__(self, size: int, drawn: str, spaces: bool, count: int, gathered: Gathered) -> None:
        self._size = size
        self._spaces = spaces
        self._count = count
        self._drawn = drawn
        self._gathered = gathered
        self._rows: list[str] = []
        self._first = 0
        self._fault = ""
        self._kind = "puzzle"
        self._puzzle: tuple[int, str] | None = None

    def fits_better(self, puzzles: int) -> bool:
        """Whether lines are rows rather than puzzles, of which so many stand in a table.

        A header may be a heading, and rows of 16 cells are as long as 4x4 puzzles, which few are.
        """
        rows_of_16 = self._size == 16 and self._count >= 16
        return puzzles == 0 or (rows_of_16 and 2 * puzzles < self._count)

    def read(self, lines: Lines) -> None:
        """Gather the grids of a file."""
        for number, text in lines:
            self._take(number, text)
        self._end()
        self._flush()

    def _take(self, number: int, text: str) -> None:
        """One more line."""
        if self._is_drawn(text):
            return
        row = self._row(text)
        if row is not None:
            self._add(number, row)
        elif not text.strip():
            # Bands of rows may be set apart by blank lines, and puzzles are.
            if len(self._rows) % BOXES[self._size][0]:
                self._end()
        elif self._went_wrong(text):
            shown = f"line {number}: expected a row of {self._size} cells, got {text[:100]!r}"
            self._add(number, "", shown)
        else:
            self._end()
            self._kind = kind_of(text)

    def _row(self, text: str) -> str | None:
        """The cells of a line; where spaces are blanks, all may be, and an editor may cut the last.

        A line without anything, though, sets rows apart.
        """
        row = row_of(text, (self._size,))
        if row is None and self._spaces and text:
            bare = plain(text).replace("|", "")
            if len(bare) == self._size and not bare.strip():
                return bare
            if "|" not in text and bare.strip() and len(bare) < self._size:
                row = row_of(bare.ljust(self._size), (self._size,))
        return row

    def _is_drawn(self, text: str) -> bool:
        """Whether a line is drawn between rows."""
        marks = set(plain(text)) - set(" |")
        if marks & set("+="):
            return not any(mark.isalnum() for mark in marks)
        return bool(marks & set(self._drawn)) and marks <= set(self._drawn + "*.':")

    def _went_wrong(self, text: str) -> bool:
        """Whether a line that is no row should have been one."""
        if kind_of(text) != "puzzle":
            return False
        marks = "".join(plain(text).replace("|", " ").split())
        near = abs(len(marks) - self._size) <= SLACK
        if self._rows:
            return near or not marks.strip(DIGITS + BLANKS)
        # A number alone is a heading.
        return near and not marks.strip(DIGITS + BLANKS) and bool(marks.strip(DIGITS))

    def _add(self, number: int, row: str, fault: str = "") -> None:
        """One more row; a fault spoils its grid, and only that."""
        if not self._rows:
            self._first = number
        self._rows.append(row)
        self._fault = self._fault or fault
        if len(self._rows) == self._size:
            self._end()

    def _end(self) -> None:
        """The grid is over, complete or not."""
        rows, fault, kind = self._rows, self._fault, self._kind
        if not rows:
            return
        self._rows, self._fault, self._kind = [], "", "puzzle"
        if kind == "state":
            return
        if fault or len(rows) < self._size:
            fault = fault or f"expected a grid of {self._size} rows, got {len(rows)}"
            self._gathered.reject(self._first, fault)
        elif kind == "solution" and self._puzzle is not None:
            line, puzzle = self._puzzle
            self._puzzle = None
            self._gathered.add(line, puzzle, "".join(rows))
        else:
            self._flush()
            self._puzzle = (self._first, "".join(rows))

    def _flush(self) -> None:
        """The last puzzle has no solution after it."""
        if self._puzzle is not None:
            self._gathered.add(*self._puzzle)
            self._puzzle = None


def kind_of(heading: str) -> str:
    """What the grid below a heading is: `puzzle`, `solution` or `state`."""
    if SOLUTION_HEADING.search(heading):
        return "solution"
    return "state" if STATE_HEADING.search(heading) else "puzzle"
