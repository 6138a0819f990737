"""Rows of puzzle files, from text and npy; `files` checks and solves them.

The formats stand in the docstring of `files`. What cannot be read as a row of cells goes to
`rejected`, a dict of line number and reason.
"""

from __future__ import annotations

import csv
import io
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttc_envs.spec import UNDECIDED, Array
from ttc_envs.tasks.sudoku.grid import BOXES, SYMBOLS

PUZZLE_NAMES = {"puzzle", "puzzles", "quiz", "quizzes", "question", "questions"}
SOLUTION_NAMES = {"solution", "solutions", "answer", "answers"}
SIZE_OF = {size * size: size for size in BOXES}
LENGTHS = "16, 36, 81 or 256"
GRID_TEXT = re.compile(r"[0-9.]{16}|[0-9.]{36}|[0-9.]{81}|[0-9A-Ga-g.]{256}")
BAD = -2
"""In place of a digit: a character or number that is none."""

Rejected = dict[int, str]


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a file that have the right number of cells.

    Args:
        size: n.
        lines: (B,) int64, line numbers from 1 (npy: row numbers from 1).
        puzzles: (B, N) int8, -1 for blank, BAD for what is no digit.
        answers: (B, N) int8, the solutions in the file, or None.
    """

    size: int
    lines: Array
    puzzles: Array
    answers: Array | None


@dataclass(frozen=True)
class Line:
    """One line of text: its number, the puzzle and the solution if the file has one."""

    number: int
    puzzle: str
    solution: str | None


def read_rows(data: bytes, rejected: Rejected) -> Rows:
    """The rows of a file with this content.

    Raises:
        ValueError: It holds no puzzle.
    """
    if data.startswith(b"\x93NUMPY"):
        return _read_npy(data, rejected)
    return _read_text(data, rejected)


def _read_text(data: bytes, rejected: Rejected) -> Rows:
    lines = _split_columns(_text_lines(data, rejected), rejected)
    size = _common_size(lines, rejected)
    cells = size * size
    kept = []
    for line in lines:
        if len(line.puzzle) != cells:
            rejected[line.number] = f"expected {cells} cells, got {len(line.puzzle)}"
        elif line.solution is not None and len(line.solution) != cells:
            got = len(line.solution)
            rejected[line.number] = f"expected a solution of {cells} cells, got {got}"
        else:
            kept.append(line)
    puzzles = digits_of([line.puzzle for line in kept], size)
    answers = None
    if kept and kept[0].solution is not None:
        answers = digits_of([line.solution or "" for line in kept], size)
    for row in np.flatnonzero((puzzles == BAD).any(axis=1)):
        rejected[kept[row].number] = symbol_fault(kept[row].puzzle, puzzles[row], size)
    return Rows(size, np.array([line.number for line in kept], np.int64), puzzles, answers)


def _text_lines(data: bytes, rejected: Rejected) -> list[str]:
    """The lines of a text; of a damaged gzip, those before the damage, which is rejected."""
    damage = ""
    if data.startswith(b"\x1f\x8b"):
        data, damage = _gunzip(data)
    text = data.decode("utf-8-sig", errors="replace")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if damage:
        rejected[len(lines)] = damage
        lines.pop()
    return lines


def _gunzip(data: bytes) -> tuple[bytes, str]:
    """The content as far as it can be read, and what is wrong with the file ("" if nothing)."""
    content = bytearray()
    while data:
        member = zlib.decompressobj(wbits=31)
        try:
            # In steps, so that what stands before a damaged place is not lost with it.
            while data and not member.eof:
                content += member.decompress(data[:4096])
                data = member.unused_data + data[4096:]
        except zlib.error as error:
            return bytes(content), f"the gzip file is damaged ({error})"
        if not member.eof:
            return bytes(content), "the gzip file is cut off"
        data = data.lstrip(b"\0")
    return bytes(content), ""


def _split_columns(lines: list[str], rejected: Rejected) -> list[Line]:
    """The lines with puzzle and solution apart; comments, header and blank lines dropped."""
    numbered = [(i, line.strip()) for i, line in enumerate(lines, start=1)]
    content = [(i, line) for i, line in numbered if line and not line.startswith("#")]
    if not content:
        raise ValueError("; ".join(["the file holds no puzzle", *rejected.values()]))
    comma = "," in content[0][1]
    puzzle_column, solution_column, header = _columns([line for _, line in content], comma)
    needed = max(puzzle_column, solution_column or 0) + 1
    result = []
    for number, text in content[header:]:
        fields = _fields(text, comma)
        if fields is None or len(fields) < needed:
            rejected[number] = f"expected {needed} or more columns, got {text[:100]!r}"
            continue
        solution = None if solution_column is None else fields[solution_column]
        result.append(Line(number, fields[puzzle_column], solution))
    return result


def _fields(line: str, comma: bool) -> list[str] | None:
    """The fields of a line; None if its quotes are broken. No quote reaches into another line."""
    if not comma:
        return line.split()
    if '"' not in line:
        return [field.strip() for field in line.split(",")]
    try:
        return [field.strip() for field in next(csv.reader([line], strict=True))]
    except csv.Error:
        return None


def _columns(lines: list[str], comma: bool) -> tuple[int, int | None, int]:
    """The columns of puzzle and solution, and the number of header lines."""
    names = [name.lower() for name in _fields(lines[0], comma) or []]
    puzzle = next((i for i, name in enumerate(names) if name in PUZZLE_NAMES), None)
    if puzzle is not None:
        solution = next((i for i, name in enumerate(names) if name in SOLUTION_NAMES), None)
        return puzzle, solution, 1
    for line in lines:
        fields = _fields(line, comma) or []
        grids = [i for i, field in enumerate(fields) if GRID_TEXT.fullmatch(field)]
        if grids:
            pair = len(grids) > 1 and len(fields[grids[0]]) == len(fields[grids[1]])
            return grids[0], grids[1] if pair else None, 0
    raise ValueError(
        f"expected puzzles of {LENGTHS} digits or '.', or a column named 'puzzle', "
        f"got {lines[0][:100]!r} in the first line"
    )


def _common_size(lines: list[Line], rejected: Rejected) -> int:
    """The size that most puzzles have the length of."""
    lengths = Counter(len(line.puzzle) for line in lines)
    known = [length for length, _ in lengths.most_common() if length in SIZE_OF]
    if known:
        return SIZE_OF[known[0]]
    faults = dict(rejected)
    for line in lines:
        faults[line.number] = f"got {len(line.puzzle)} cells"
    first = "".join(f"; line {i}: {faults[i]}" for i in sorted(faults)[:1])
    raise ValueError(f"the file holds no puzzle of {LENGTHS} cells{first}")


def digits_of(texts: Sequence[str], size: int) -> Array:
    """Texts of N characters as (B, N) int8, BAD where a character is no digit."""
    table = np.full(256, BAD, dtype=np.int8)
    for digit, symbol in enumerate(SYMBOLS[:size]):
        table[ord(symbol)] = table[ord(symbol.lower())] = digit
    table[[ord("."), ord("0")]] = UNDECIDED
    codes = np.frombuffer("".join(texts).encode("ascii", errors="replace"), dtype=np.uint8)
    digits: Array = table[codes].reshape(len(texts), size * size)
    return digits


def symbol_fault(text: str, digits: Array, size: int) -> str:
    """Which character is no digit; "" if all are."""
    places = np.flatnonzero(digits == BAD)
    if not len(places):
        return ""
    known = f"1-{size}" if size <= 9 else "1-9, A-G"
    place = int(places[0])
    return f"expected {known}, or 0 or '.' for blank, got {text[place]!r} at position {place + 1}"


def _read_npy(data: bytes, rejected: Rejected) -> Rows:
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"not a readable npy file ({error})") from None
    shape = array.shape
    pairs = len(shape) == 4 and shape[1] == 2
    cells = shape[-1] if len(shape) == 2 else shape[-1] ** 2 if len(shape) > 2 else 0
    fits = (pairs or len(shape) in (2, 3)) and array[:1].size == (2 if pairs else 1) * cells
    if array.dtype.kind not in "iu" or not fits:
        raise ValueError(
            "expected integers of shape (B, N), (B, n, n) or (B, 2, n, n) and B > 0, "
            f"got {array.dtype} of shape {shape}"
        )
    if cells not in SIZE_OF:
        raise ValueError(f"expected puzzles of {LENGTHS} cells, got {cells}")
    size = SIZE_OF[cells]
    grids = array.reshape(len(array), -1, cells)
    digits = np.where((grids >= 0) & (grids <= size), grids, BAD + 1).astype(np.int8) - 1
    for row in np.flatnonzero((digits[:, 0] == BAD).any(axis=1)):
        wrong = grids[row, 0][digits[row, 0] == BAD][0]
        rejected[int(row) + 1] = f"expected 0..{size}, 0 for blank, got {wrong}"
    lines = np.arange(1, len(array) + 1, dtype=np.int64)
    return Rows(size, lines, digits[:, 0], digits[:, 1] if pairs else None)
