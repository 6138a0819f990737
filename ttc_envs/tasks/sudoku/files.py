"""Reader of puzzle files; every row is checked and solved.

Text, plain or gzip'd, one puzzle per line, row by row, with 0 or `.` for blank (16x16: 1-9, A-G):

- csv with a header that has a column `puzzle`, `quizzes` or `question`, and perhaps one with the
  solution: `solution`, `solutions` or `answer`; or without a header: the first column that holds
  puzzles, and the one after it if it holds solutions;
- columns parted by blanks: a puzzle alone (tdoku), or between other columns, as in the puzzle
  exchange bank (`<hash> <81 digits> <rating>`).

Lines that begin with `#` are comments. Or npy: integers (B, N), (B, n, n), or (B, 2, n, n) for
pairs of puzzle and solution, 0 for blank.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ttc_envs.spec import UNDECIDED, Array
from ttc_envs.tasks.sudoku.grid import SYMBOLS, Grid, grid_of
from ttc_envs.tasks.sudoku.readers import (
    BAD,
    LENGTHS,
    SIZE_OF,
    Rejected,
    Rows,
    digits_of,
    read_rows,
    symbol_fault,
)
from ttc_envs.tasks.sudoku.solver import solve

CHUNK = 10_000
SHOWN = 5


@dataclass(frozen=True, eq=False)
class PuzzleFile:
    """What a file holds.

    Args:
        path: The file.
        size: n.
        puzzles: (B, N) int8, -1 for blank; each has exactly one solution.
        solutions: (B, N) int8.
        lines: (B,) int64, line numbers from 1 (npy: row numbers from 1).
        rejected: (line, reason) of each row that is not among the puzzles, duplicates apart.
        duplicates: How many rows repeat an earlier puzzle; it is kept once.
    """

    path: str
    size: int
    puzzles: Array
    solutions: Array
    lines: Array
    rejected: tuple[tuple[int, str], ...]
    duplicates: int

    def __len__(self) -> int:
        """The number of puzzles, B."""
        return len(self.puzzles)


def load_puzzles(path: str | os.PathLike[str], on_error: str = "raise") -> PuzzleFile:
    """Read and check the puzzles of a file.

    Args:
        path: A text, csv or npy file, gzip'd or not.
        on_error: `raise`, or `skip` to leave bad rows out and list them in `rejected`.

    Raises:
        ValueError: A row is bad and `on_error="raise"`, or the file as a whole cannot be read.
        OSError: There is no such file.
    """
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error must be 'raise' or 'skip', got {on_error!r}")
    name = os.fspath(path)
    data = Path(path).read_bytes()
    rejected: Rejected = {}
    try:
        rows = read_rows(data, rejected)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    solutions = _solve_and_check(rows, rejected)
    if rejected and on_error == "raise":
        raise ValueError(_summary(name, rejected, len({*rows.lines.tolist(), *rejected})))
    good = np.flatnonzero([int(line) not in rejected for line in rows.lines])
    kept = _first_of_each(rows.puzzles, good)
    return PuzzleFile(
        name,
        rows.size,
        rows.puzzles[kept],
        solutions[kept],
        rows.lines[kept],
        tuple(sorted(rejected.items())),
        len(good) - len(kept),
    )


def load_puzzles_of_size(
    path: str | os.PathLike[str], size: int, on_error: str = "raise"
) -> PuzzleFile:
    """`load_puzzles`, for puzzles of one size.

    Raises:
        ValueError: As `load_puzzles`; also where no row is good, or the puzzles have another size.
    """
    found = load_puzzles(path, on_error)
    if not len(found):
        line, reason = found.rejected[0]
        raise ValueError(
            f"{found.path}: no row is a puzzle with one solution; line {line}: {reason}"
        )
    if found.size != size:
        raise ValueError(
            f"{found.path}: expected puzzles of {size * size} cells, "
            f"got {len(found)} of {found.size * found.size}"
        )
    return found


def parse_puzzle(text: str) -> Array:
    """The puzzle (N,) int8 that a text spells; blanks and line breaks in it do not count.

    Raises:
        ValueError: Wrong length, a character that is no digit, or digits that clash.
    """
    text = "".join(text.split())
    if len(text) not in SIZE_OF:
        raise ValueError(f"a puzzle has {LENGTHS} cells, got {len(text)}")
    size = SIZE_OF[len(text)]
    puzzle: Array = digits_of([text], size)[0]
    fault = symbol_fault(text, puzzle, size) or _clash(puzzle, grid_of(size))
    if fault:
        raise ValueError(fault)
    return puzzle


def spell_puzzle(puzzle: Array) -> str:
    """A puzzle or an answer (N,) as one word, blank cells as dots: what `parse_puzzle` reads."""
    return "".join("." if digit == UNDECIDED else SYMBOLS[digit] for digit in puzzle)


def _summary(name: str, rejected: Rejected, total: int) -> str:
    """One line on what is wrong with a file."""
    shown = "; ".join(f"line {line}: {reason}" for line, reason in sorted(rejected.items())[:SHOWN])
    more = f"; and {len(rejected) - SHOWN} more" if len(rejected) > SHOWN else ""
    return f"{name}: {len(rejected)} of {total} rows are bad: {shown}{more}"


def _solve_and_check(rows: Rows, rejected: Rejected) -> Array:
    """The solutions (B, N) int8; rows that do not have exactly one, or another, are rejected."""
    grid = grid_of(rows.size)
    solutions = np.full_like(rows.puzzles, UNDECIDED)
    readable = np.flatnonzero((rows.puzzles != BAD).all(axis=1))
    for start in range(0, len(readable), CHUNK):
        part = readable[start : start + CHUNK]
        solutions[part], counts = solve(rows.puzzles[part], rows.size)
        for row, count in zip(part, counts, strict=True):
            puzzle, line = rows.puzzles[row], int(rows.lines[row])
            if count == 0:
                rejected[line] = _clash(puzzle, grid) or "the puzzle has no solution"
            elif count == 2:
                rejected[line] = "the puzzle has several solutions"
            elif rows.answers is not None and (rows.answers[row] != solutions[row]).any():
                place = np.flatnonzero(rows.answers[row] != solutions[row])[0] + 1
                rejected[line] = f"the solution in the file is wrong, first at position {place}"
    return solutions


def _clash(puzzle: Array, grid: Grid) -> str:
    """Which digit a group holds twice; "" if none."""
    for kind, groups in zip(("row", "column", "box"), np.split(grid.groups, 3), strict=True):
        for number, group in enumerate(groups, start=1):
            count = np.bincount(puzzle[group] + 1, minlength=grid.size + 1)[1:]
            if count.max() > 1:
                return f"{SYMBOLS[int(count.argmax())]} stands twice in {kind} {number}"
    return ""


def _first_of_each(puzzles: Array, good: Array) -> Array:
    """Of the rows `good` (G,), those that repeat no earlier one."""
    if not len(good):
        return good
    _, first = np.unique(puzzles[good], axis=0, return_index=True)
    return good[np.sort(first)]
