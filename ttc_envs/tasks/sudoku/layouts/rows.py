"""The rows of a puzzle file, gathered from any layout and turned into digits at the end.

Shapes: B rows, N cells.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import numpy as np

from ttc_envs.spec import Array
from ttc_envs.tasks.sudoku.layouts.symbols import (
    BAD,
    LENGTHS,
    SIZE_OF,
    mixed_blanks,
    symbol_fault,
    table_of,
)

MOST_REJECTED = 1_000_000
"""Bad rows that are listed; a file with more of them is no puzzle file."""

Rejected = dict[int, str]
"""Line numbers and reasons."""


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a file that have the right number of cells.

    Args:
        size: n.
        lines: (B,) int64, line numbers from 1 (npy, JSON documents and XML: row numbers from 1).
        puzzles: (B, N) int8, -1 for blank, BAD for what is no digit.
        answers: (B, N) int8, the solutions in the file, BAD throughout where a row has none; or
            None where no row has one.
    """

    size: int
    lines: Array
    puzzles: Array
    answers: Array | None


@dataclass
class OfLength:
    """Rows of one number of cells: line numbers, and the characters as codes, back to back."""

    lines: array[int] = field(default_factory=lambda: array("q"))
    puzzles: bytearray = field(default_factory=bytearray)
    answers: bytearray = field(default_factory=bytearray)
    any_answer: bool = False


class Gathered:
    """Rows as a reader finds them, kept in a byte per cell.

    Args:
        rejected: Takes the line and the reason of what is no row.
    """

    def __init__(self, rejected: Rejected) -> None:
        self.rejected = rejected
        self._by_length: dict[int, OfLength] = {}
        self._other_lengths: dict[int, int] = {}

    def reject(self, line: int, reason: str) -> None:
        """List a bad row.

        Raises:
            ValueError: There are too many.
        """
        self.rejected[line] = reason
        if len(self.rejected) > MOST_REJECTED:
            raise ValueError(f"more than {MOST_REJECTED} rows are bad, the last one: {reason}")

    def add(self, line: int, puzzle: str, solution: str | None = None) -> None:
        """Keep a row; one of another number of cells than the others is rejected at the end."""
        cells = len(puzzle)
        if cells not in SIZE_OF:
            self._other_lengths[line] = cells
            self.reject(line, f"got {cells} cells")
        elif solution is not None and len(solution) != cells:
            self.reject(line, f"expected a solution of {cells} cells, got {len(solution)}")
        elif not puzzle.isascii():
            size = SIZE_OF[cells]
            table = table_of(np.zeros((0, cells), np.uint8), None, size)
            self.reject(line, symbol_fault(puzzle, table, size))
        else:
            self._keep(line, puzzle, solution)

    def _keep(self, line: int, puzzle: str, solution: str | None) -> None:
        if len(puzzle) not in self._by_length:
            self._by_length[len(puzzle)] = OfLength()
        rows = self._by_length[len(puzzle)]
        rows.lines.append(line)
        rows.puzzles += puzzle.encode("ascii")
        if solution is None:
            rows.answers += bytes(len(puzzle))
        else:
            # What is not ASCII is no digit, and so is the character that takes its place.
            rows.answers += solution.encode("ascii", errors="replace").replace(b"?", b"!")
            rows.any_answer = True

    def rows(self) -> Rows:
        """The rows of the number of cells that most have; the others are rejected.

        Raises:
            ValueError: There is no row, or the alphabet is not clear.
        """
        if not self._by_length:
            first = "".join(f"; line {i}: {self.rejected[i]}" for i in sorted(self.rejected)[:1])
            raise ValueError(f"the file holds no puzzle of {LENGTHS} cells{first}")
        cells = max(self._by_length, key=lambda length: len(self._by_length[length].lines))
        for length, others in self._by_length.items():
            for line in others.lines if length != cells else ():
                self.reject(line, f"expected {cells} cells, got {length}")
        for line, got in self._other_lengths.items():
            self.rejected[line] = f"expected {cells} cells, got {got}"
        return self._digits(self._by_length[cells], SIZE_OF[cells])

    def _digits(self, kept: OfLength, size: int) -> Rows:
        """The rows with digits for characters; those with other characters are rejected."""
        shape = (len(kept.lines), size * size)
        codes = np.frombuffer(kept.puzzles, np.uint8).reshape(shape)
        answers = None
        if kept.any_answer:
            answers = np.frombuffer(kept.answers, np.uint8).reshape(shape)
        table = table_of(codes, answers, size)
        puzzles = table[codes]
        lines = np.array(kept.lines, dtype=np.int64)
        for row in np.flatnonzero((puzzles == BAD).any(axis=1)):
            text = codes[row].tobytes().decode("ascii")
            self.reject(int(lines[row]), symbol_fault(text, table, size))
        for row in np.flatnonzero(mixed_blanks(codes, table, size)):
            self.reject(int(lines[row]), "0 and another blank: 0 may be a digit or a blank here")
        return Rows(size, lines, puzzles, None if answers is None else table[answers])


def has_answer(answers: Array) -> Array:
    """(B,) bool, the rows of `Rows.answers` (B, N) that have one: table[NO_ANSWER] is BAD."""
    given: Array = (answers != BAD).any(axis=1)
    return given
