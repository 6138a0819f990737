"""Reader of puzzle files; every row is checked and solved.

Text, csv, JSON, XML or npy, plain, gzip'd or alone in a zip file; UTF-8 or UTF-16:

- a puzzle per line (`.sdm`, tdoku), row by row, or 81 numbers with blanks or commas between them;
- csv, with commas, semicolons or tabs, with a header that has a column `puzzle`, `quizzes` or
  `question`, and perhaps one with the solution: `solution`, `solutions` or `answer`; or without a
  header: the first column that holds puzzles, and the one after it if it holds solutions;
- columns parted by blanks, as in the puzzle exchange bank (`<hash> <81 digits> <rating>`);
- HoDoKu's library lines, of which digits that were placed (`+`) are no givens;
- grids with a row per line: plain, spaced, with bars and lines between boxes, below headings
  (`.sdk`, `.ss`, `Grid 01`, `[Puzzle]`); a grid below a heading `solution` is that of the puzzle
  before it, one below `state` is left out;
- JSON lines or an array, of texts, arrays or objects with entries called as the columns of csv;
- OpenSudoku's XML;
- npy: integers (B, N), (B, n, n), or (B, 2, n, n) for pairs of puzzle and solution, 0 for blank.

A blank cell is one of `0 . * _ - ? x` or a space. The digits of 16x16 are 1-9 and A-G, or 0-9 and
A-F, or A-P, or numbers; those of 25x25 are 1-9 and A-P, or 0-9 and A-O, or numbers.
`layouts.symbols` says how a file's alphabet is found. Lines that begin with `#` are comments.
"""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from ttc_envs.files import open_regular
from ttc_envs.spec import UNDECIDED, Array
from ttc_envs.tasks.sudoku.grid import SYMBOLS, Grid, grid_of
from ttc_envs.tasks.sudoku.layouts import read_rows
from ttc_envs.tasks.sudoku.layouts.rows import Gathered, Rejected, Rows, has_answer
from ttc_envs.tasks.sudoku.layouts.symbols import BAD, LENGTHS, SIZE_OF
from ttc_envs.tasks.sudoku.solver import GAVE_UP, MOST_GUESSES, solve

CHUNK = 10_000
SHOWN = 5
SEVERAL = 2
KINDS = ("row", "column", "box")
NO_CELLS = "{}[]<>,;:\"'"
"""Characters of other layouts than a puzzle in one word."""


@dataclass(frozen=True, eq=False)
class PuzzleFile:
    """What a file holds.

    Args:
        path: The file.
        size: n.
        puzzles: (B, N) int8, -1 for blank.
        solutions: (B, N) int8, the only one of each puzzle; of a puzzle with several solutions the
            one in the file, or the solver's first.
        several: (B,) bool, whether a puzzle has several solutions; none has unless asked for.
        lines: (B,) int64, line numbers from 1 (npy, XML and JSON documents: row numbers from 1).
        rejected: (line, reason) of each row that is not among the puzzles, duplicates apart.
        duplicates: How many rows repeat an earlier puzzle; it is kept once.
        sha256: Of the file as it is, packed or not.
    """

    path: str
    size: int
    puzzles: Array
    solutions: Array
    several: Array
    lines: Array
    rejected: tuple[tuple[int, str], ...]
    duplicates: int
    sha256: str

    def __len__(self) -> int:
        """The number of puzzles, B."""
        return len(self.puzzles)


def load_puzzles(
    path: str | os.PathLike[str], on_error: str = "raise", several_solutions: bool = False
) -> PuzzleFile:
    """Read and check the puzzles of a file.

    Args:
        path: A regular file in any of the layouts above.
        on_error: `raise`, or `skip` to leave bad rows out and list them in `rejected`.
        several_solutions: Whether a puzzle may have more than one solution. Such a row is bad
            otherwise, since one label would call right answers wrong.

    Raises:
        ValueError: A row is bad and `on_error="raise"`, or the file as a whole cannot be read.
        OSError: There is no such file.
    """
    check_option(on_error)
    with open_regular(path) as file:
        return _load(os.fspath(path), file, on_error, several_solutions)


def parse_puzzles(
    text: str, on_error: str = "raise", several_solutions: bool = False
) -> PuzzleFile:
    """`load_puzzles` of a text, as if it were the content of a file.

    Raises:
        ValueError: As for `load_puzzles`.
    """
    check_option(on_error)
    if len(text.split()) <= 1 and not set(text) & set(NO_CELLS):
        # A puzzle that was typed: what is wrong with it is said in fewer words.
        parse_puzzle(text)
    return _load("the text", io.BytesIO(text.encode()), on_error, several_solutions)


def check_option(on_error: str) -> None:
    """Refuse what is neither `raise` nor `skip`."""
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error must be 'raise' or 'skip', got {on_error!r}")


def _load(name: str, file: BinaryIO, on_error: str, several_solutions: bool) -> PuzzleFile:
    """What a file holds that is open."""
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    file.seek(0)
    rejected: Rejected = {}
    try:
        rows = read_rows(file, rejected)
    except ValueError as error:
        raise ValueError("; ".join([f"{name}: {error}", *_damage(rejected)])) from None
    solutions, several = _solve_and_check(rows, rejected, several_solutions)
    if rejected and on_error == "raise":
        raise ValueError(_summary(name, rejected, len({*rows.lines.tolist(), *rejected})))
    good = np.flatnonzero([int(line) not in rejected for line in rows.lines])
    kept = _first_of_each(rows.puzzles, good)
    return PuzzleFile(
        name,
        rows.size,
        rows.puzzles[kept],
        solutions[kept],
        several[kept],
        rows.lines[kept],
        tuple(sorted(rejected.items())),
        len(good) - len(kept),
        digest.hexdigest(),
    )


def of_size(found: PuzzleFile, size: int) -> PuzzleFile:
    """The file itself, checked.

    Raises:
        ValueError: No row is good, or the puzzles have another size.
    """
    if not len(found):
        line, reason = found.rejected[0]
        raise ValueError(f"{found.path}: no row is a puzzle to solve; line {line}: {reason}")
    if found.size != size:
        raise ValueError(
            f"{found.path}: expected puzzles of {size * size} cells, "
            f"got {len(found)} of {found.size * found.size}"
        )
    return found


def parse_puzzle(text: str) -> Array:
    """The puzzle (N,) int8 that a text spells, in any layout, whatever its solutions.

    Raises:
        ValueError: Wrong length, a character that is no digit, digits that clash, several puzzles.
    """
    rejected: Rejected = {}
    if len(text.split()) > 1:
        rows = read_rows(io.BytesIO(text.encode()), rejected)
        if len(rows.lines) > 1:
            raise ValueError(f"expected one puzzle, got {len(rows.lines)}")
    else:
        rows = _parse_word(text.strip(), rejected)
    for fault in rejected.values():
        raise ValueError(fault)
    puzzle: Array = rows.puzzles[0]
    for fault in filter(None, _clashes(puzzle[None], grid_of(rows.size))):
        raise ValueError(fault)
    return puzzle


def _parse_word(word: str, rejected: Rejected) -> Rows:
    """The row that a word spells, without line breaks."""
    if len(word) not in SIZE_OF:
        raise ValueError(f"a puzzle has {LENGTHS} cells, got {len(word)}")
    gathered = Gathered(rejected)
    gathered.add(1, word)
    for fault in rejected.values():
        raise ValueError(fault)
    return gathered.rows()


def spell_puzzle(puzzle: Array) -> str:
    """A puzzle or an answer (N,) as one word, blank cells as dots: what `parse_puzzle` reads."""
    return "".join("." if digit == UNDECIDED else SYMBOLS[digit] for digit in puzzle)


def _summary(name: str, rejected: Rejected, total: int) -> str:
    """One line on what is wrong with a file."""
    shown = "; ".join(f"line {line}: {reason}" for line, reason in sorted(rejected.items())[:SHOWN])
    more = f"; and {len(rejected) - SHOWN} more" if len(rejected) > SHOWN else ""
    return f"{name}: {len(rejected)} of {total} rows are bad: {shown}{more}"


def _damage(rejected: Rejected) -> list[str]:
    """What cut a file short that could not be read."""
    return [reason for reason in rejected.values() if reason.startswith("the ")]


def _solve_and_check(
    rows: Rows, rejected: Rejected, several_solutions: bool
) -> tuple[Array, Array]:
    """The solutions (B, N) int8 and whether there are several (B,); bad rows are rejected."""
    grid = grid_of(rows.size)
    solutions = np.full_like(rows.puzzles, UNDECIDED)
    counts = np.zeros(len(rows.puzzles), dtype=np.int8)
    readable = np.flatnonzero((rows.puzzles != BAD).all(axis=1))
    answered = np.zeros(len(counts), bool) if rows.answers is None else has_answer(rows.answers)
    for start in range(0, len(readable), CHUNK):
        part = readable[start : start + CHUNK]
        solutions[part], counts[part] = solve(rows.puzzles[part], rows.size, MOST_GUESSES)
        unsolved = part[counts[part] == 0]
        clashes = dict(zip(unsolved, _clashes(rows.puzzles[unsolved], grid), strict=True))
        for row in part:
            answer = rows.answers[row] if rows.answers is not None and answered[row] else None
            several = several_solutions and counts[row] == SEVERAL
            if several and answer is not None and _solves(answer, rows.puzzles[row], rows.size):
                solutions[row] = answer
            fault = clashes.get(row) or _fault(counts[row], several, answer, solutions[row])
            if fault:
                rejected.setdefault(int(rows.lines[row]), fault)
    return solutions, counts == SEVERAL


def _fault(count: int, several: bool, answer: Array | None, solution: Array) -> str:
    """What is wrong with a puzzle; "" if nothing.

    Args:
        count: Of its solutions, as `solve` gives it.
        several: Whether several are welcome.
        answer: (N,) the solution in the file, or None.
        solution: (N,) the one that it ought to be.
    """
    if count == 0:
        return "the puzzle has no solution"
    if count == GAVE_UP:
        return f"the solver gave up on the puzzle after {MOST_GUESSES} guesses"
    if count == SEVERAL and not several:
        return "the puzzle has several solutions"
    if answer is not None and (answer != solution).any():
        place = np.flatnonzero(answer != solution)[0] + 1
        return f"the solution in the file is wrong, first at position {place}"
    return ""


def _solves(answer: Array, puzzle: Array, size: int) -> bool:
    """Whether an answer (N,) keeps what is given and holds each digit once in each group."""
    kept = (puzzle == UNDECIDED) | (answer == puzzle)
    sorted_groups = np.sort(answer[grid_of(size).groups], axis=1)
    return bool(kept.all() and (sorted_groups == np.arange(size)).all())


def _clashes(puzzles: Array, grid: Grid) -> list[str]:
    """For each puzzle (B, N) which digit a group holds twice; "" if none."""
    # Of equal neighbours in a sorted group, blanks apart, the first is a digit that stands twice.
    groups = np.sort(puzzles[:, grid.groups], axis=2)
    twice = (groups[:, :, 1:] == groups[:, :, :-1]) & (groups[:, :, 1:] != UNDECIDED)
    group = twice.any(axis=2).argmax(axis=1)
    rows = np.arange(len(puzzles))
    place = twice[rows, group].argmax(axis=1)
    found = twice[rows, group, place]
    digits = groups[rows, group, place]
    return [
        f"{SYMBOLS[d]} stands twice in {KINDS[g // grid.size]} {g % grid.size + 1}" if f else ""
        for f, d, g in zip(found.tolist(), digits.tolist(), group.tolist(), strict=True)
    ]


def _first_of_each(puzzles: Array, good: Array) -> Array:
    """Of the rows `good` (G,), those that repeat no earlier one."""
    if not len(good):
        return good
    _, first = np.unique(puzzles[good], axis=0, return_index=True)
    return good[np.sort(first)]
