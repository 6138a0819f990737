"""Rows of puzzle files, from any layout; `files` checks and solves them.

| module | layout |
|---|---|
| `table` | a puzzle per line, alone or in a column; HoDoKu's library lines |
| `grids` | a row per line, with bars, lines and headings (`.sdk`, `.ss`, numbered sections) |
| `documents` | JSON lines and documents, OpenSudoku's XML |
| `arrays` | npy |
| `content` | gzip, zip and encodings, for all of them |
| `symbols`, `cells`, `rows` | what characters mean, and what is gathered |
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import closing
from itertools import chain, islice
from typing import BinaryIO

from ttc_envs.tasks.sudoku.layouts.arrays import MAGIC, read_array
from ttc_envs.tasks.sudoku.layouts.content import MOST_WHOLE, Content
from ttc_envs.tasks.sudoku.layouts.documents import is_json, read_json, read_json_lines, read_xml
from ttc_envs.tasks.sudoku.layouts.grids import grid_reader
from ttc_envs.tasks.sudoku.layouts.rows import Gathered, Rejected, Rows
from ttc_envs.tasks.sudoku.layouts.symbols import LENGTHS, is_grid, looks_like_grid
from ttc_envs.tasks.sudoku.layouts.table import WHOLE_LINE, Columns, find_columns, read_table

HEAD, HEAD_CHARACTERS = 500, 1 << 22
"""Lines by which a layout is known, and how long they are at most together, about."""
MOST_SHORT = 1_000_000
"""Lines of a character or none."""
LEADING = 16
"""Blank lines before the first other one that are kept."""
FORMATS = (
    "a puzzle per line, csv with a column 'puzzle', grids with a row per line, JSON, "
    "OpenSudoku XML or npy"
)

Lines = Iterator[tuple[int, str]]


def read_rows(file: BinaryIO, rejected: Rejected) -> Rows:
    """The rows of a file.

    Args:
        file: Seekable, at its beginning.
        rejected: Takes the line and the reason of what is no row.

    Raises:
        ValueError: It holds no puzzle, or cannot be read.
    """
    content = Content(file)
    if content.stream.peek(len(MAGIC)).startswith(MAGIC):
        return read_array(content, rejected)
    gathered = Gathered(rejected)
    with closing(content.lines()) as lines:
        counted = Counted(lines)
        try:
            _read_text(counted, gathered)
        finally:
            if content.damage:
                rejected[counted.last + 1] = content.damage
    return gathered.rows()


class Counted(Iterator[tuple[int, str]]):
    """Lines, and the number of the last one, `last`."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._short = 0
        self.last = 0

    def __next__(self) -> tuple[int, str]:
        """The next line.

        Raises:
            ValueError: There are too many blank ones.
        """
        self.last, text = next(self._lines)
        if len(text) < 2:
            self._short += 1
            if self._short > MOST_SHORT:
                raise ValueError(f"more than {MOST_SHORT} lines hold one character or none")
        return self.last, text


def _read_text(lines: Lines, gathered: Gathered) -> None:
    """Gather the rows of a text of whatever layout."""
    kept = ((number, text) for number, text in lines if not text.lstrip().startswith("#"))
    # The first row of a grid may be blank.
    begin: deque[tuple[int, str]] = deque(maxlen=LEADING)
    for line in kept:
        begin.append(line)
        if line[1].strip():
            break
    else:
        raise ValueError("the file holds no puzzle")
    everything = chain(begin, kept)
    start = begin[-1][1].lstrip()
    if start.startswith("<"):
        read_xml(_whole(everything), gathered)
    elif start.startswith(("{", "[")):
        _read_bracketed(everything, gathered)
    else:
        _read_layout(everything, gathered)


def _whole(lines: Lines) -> str:
    """All lines as one text.

    Raises:
        ValueError: It is too long.
    """
    texts, size = [], 0
    for _, text in lines:
        texts.append(text)
        size += len(text) + 1
        if size > MOST_WHOLE:
            raise ValueError(f"expected a document of at most {MOST_WHOLE} characters")
    return "\n".join(texts)


def _read_bracketed(lines: Lines, gathered: Gathered) -> None:
    """JSON, a value per line or as a whole; or a section `[Puzzle]`."""
    head = _head(lines)
    everything = chain(head, lines)
    filled = [text for _, text in head if text.strip()]
    if len(filled) > 1 and is_json(filled[0]):
        read_json_lines(_filled(everything), gathered)
    elif filled[0].lstrip().startswith("{") or _is_json_start(filled):
        read_json(_whole(everything), gathered)
    else:
        _read_layout(everything, gathered)


def _is_json_start(texts: list[str]) -> bool:
    """Whether a text that begins with `[` goes on as JSON does.

    A section `[Puzzle]` goes on with a letter, and what numpy prints with digits and no comma.
    """
    start = "".join(texts)[:HEAD].replace(" ", "")
    if start[1:2].isalpha():
        return start.startswith("[null")
    return "," in start or not any(map(str.isdigit, start))


def _head(lines: Lines) -> list[tuple[int, str]]:
    """The first lines."""
    head, size = [], 0
    for number, text in islice(lines, HEAD):
        head.append((number, text))
        size += len(text)
        if size > HEAD_CHARACTERS:
            break
    return head


def _filled(lines: Lines) -> Lines:
    """The lines that are not blank."""
    return ((number, text) for number, text in lines if text.strip())


def _read_layout(lines: Lines, gathered: Gathered) -> None:
    """Gather the rows of lines: a table, or grids with a row per line."""
    head = _head(lines)
    everything = chain(head, lines)
    filled = [(number, text) for number, text in head if text.strip()]
    joined = "".join("".join(text.split()) for _, text in filled)
    if len(head) < HEAD and looks_like_grid(joined) and not _each_is_a_grid(filled):
        gathered.add(filled[0][0], joined)
        return
    reader = grid_reader(filled, gathered)
    columns = find_columns(filled)
    if columns is not None and not (reader is not None and reader.fits_better(columns.count)):
        read_table(_filled(everything), columns, gathered)
    elif reader is not None:
        reader.read(everything)
    elif is_grid(joined) or all(is_grid(text.strip()) for _, text in filled):
        # Not one digit: no layout is known by blank cells.
        read_table(_filled(everything), Columns(WHOLE_LINE), gathered)
    else:
        raise ValueError(
            f"expected puzzles of {LENGTHS} cells, as {FORMATS}, "
            f"got {filled[0][1].strip()[:100]!r} in the first line"
        )


def _each_is_a_grid(lines: list[tuple[int, str]]) -> bool:
    """Whether there are several lines of a puzzle each, which together are as long as one."""
    return len(lines) > 1 and all(is_grid("".join(text.split())) for _, text in lines)
