"""Files of new puzzles, no two of one symmetry class.

Puzzles come in portions. A portion depends on the settings and its number alone, and those that are
finished stand in the folder `OUT.partial`, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import gzip
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ttc_envs.files import locked, read_regular, written_whole
from ttc_envs.random_words import mix, random_words
from ttc_envs.spec import Array
from ttc_envs.tasks.sudoku.files import load_puzzles, spell_puzzle
from ttc_envs.tasks.sudoku.generator import generate
from ttc_envs.tasks.sudoku.levels import EXTREME, parse_level
from ttc_envs.tasks.sudoku.solver import grade
from ttc_envs.tasks.sudoku.symmetry import fingerprint
from ttc_envs.tasks.sudoku.vicinity import extreme_island

Progress = Callable[[str, float], None]
PORTION = 500
STREAM = 10
PATIENCE = 20
"""Portions without a new class after which none is expected."""
COLUMNS = "puzzle,solution,guesses"
MOST_BYTES = 1 << 30
"""Of a file that is there already."""


def write_puzzles(
    out: str | Path,
    level: str = "minimal",
    count: int = 1000,
    seed: int = 0,
    size: int = 9,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write a csv of new puzzles, or what is missing of it, that `load_puzzles` reads.

    Columns: puzzle, solution, and the guesses of the exact solver (`solver.grade`).

    Args:
        out: The file; gzip'd if its name ends in `.gz`.
        level: See `levels`; `extreme` searches (see `vicinity`), others are generated.
        count: Puzzles. A smaller count gives the first rows of a larger one.
        seed: 0..2^64 - 1.
        size: 4, 6, 9, 16 or 25.
        progress: Called with a label and the share that is done.

    Returns:
        `puzzles`, `puzzles_written` (in this run), `seconds`, `guesses` (their median, their 90%
        quantile and the most) and `out`.

    Raises:
        ValueError: An argument is out of range, a file holds other puzzles, or there are not as
            many classes.
        BlockingIOError: Another process writes the same file.
    """
    if count < 1 or not 0 <= seed < 1 << 64:
        raise ValueError(f"expected count >= 1 and 0 <= seed < 2^64, got {count} and {seed}")
    parse_level(level, size)
    start, out = time.perf_counter(), Path(out)
    settings = f"# ttc data sudoku --size {size} --level {level} --seed {seed}"
    if out.exists():
        rows, found = _finished(out, settings, count), count
    else:
        folder = out.with_name(out.name + ".partial")
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / "puzzles", wait=False):
            draft = _Draft(folder, settings, size)
            found = len(draft.rows)
            while len(draft.rows) < count:
                draft.add(*_portion(level, seed, size, draft.portions))
                if progress is not None:
                    progress("puzzles", min(1.0, len(draft.rows) / count))
            rows = draft.rows[:count]
            _write(out, [settings, COLUMNS, *rows])
            shutil.rmtree(folder)
    guesses = [int(row.rpartition(",")[2]) for row in rows]
    return {
        "puzzles": count,
        "puzzles_written": max(0, count - found),
        "seconds": round(time.perf_counter() - start, 3),
        "guesses": np.percentile(guesses, [50, 90, 100]).tolist(),
        "out": str(out),
    }


def _finished(out: Path, settings: str, count: int) -> list[str]:
    """The rows of a file that is there already."""
    lines = _read(out).splitlines()
    if lines[:2] != [settings, COLUMNS] or len(lines) != count + 2:
        raise ValueError(
            f"{out} is there already: expected {count} puzzles after {settings!r}, "
            f"got {len(lines)} lines from {''.join(lines[:1])!r} on"
        )
    return lines[2:]


def _portion(level: str, seed: int, size: int, number: int) -> tuple[Array, Array]:
    """Puzzles and solutions (B, N) of a portion, determined by the arguments."""
    key = mix(np.array([seed], dtype=np.uint64)) + np.uint64(number)
    if parse_level(level, size).bank == EXTREME:
        return extreme_island(int(key[0]))
    return generate(random_words(key, STREAM, PORTION)[0], size, level)


class _Draft:
    """The folder of the portions that are finished, `OUT.partial`, a file each.

    Args:
        folder: It is made, or read if it is there.
        settings: The first line of its files.
        size: S.

    Attributes:
        rows: Their lines.
        portions: How many are finished.

    Raises:
        ValueError: The folder has other settings, or a file in it is damaged.
    """

    def __init__(self, folder: Path, settings: str, size: int) -> None:
        self.folder, self.settings, self.size = folder, settings, size
        self.rows: list[str] = []
        self.portions = 0
        self._classes: set[int] = set()
        self._fruitless = 0
        while self._file.exists():
            self._read()

    @property
    def _file(self) -> Path:
        """The file of the next portion."""
        return self.folder / f"{self.portions:06d}.csv"

    def _read(self) -> None:
        """One more portion that is there already."""
        first, _, *rows = _read(self._file).splitlines()
        if first != self.settings:
            raise ValueError(
                f"{self.folder} is a draft of {first!r}, expected {self.settings!r}; remove it"
            )
        if rows:
            puzzles = load_puzzles(self._file).puzzles
            self._classes.update(fingerprint(puzzles, self.size).tolist())
        self.rows += rows
        self.portions += 1

    def add(self, puzzles: Array, solutions: Array) -> None:
        """A portion of the puzzles (B, N) of classes that are new.

        Raises:
            ValueError: PATIENCE portions had none.
        """
        _, guesses = grade(puzzles, self.size)
        new = []
        for row, found in enumerate(fingerprint(puzzles, self.size).tolist()):
            if found not in self._classes:
                self._classes.add(found)
                pair = spell_puzzle(puzzles[row]), spell_puzzle(solutions[row])
                new.append(f"{pair[0]},{pair[1]},{guesses[row]}")
        self._fruitless = 0 if new else self._fruitless + 1
        if self._fruitless == PATIENCE:
            raise ValueError(
                f"no more than {len(self.rows)} symmetry classes of such puzzles were found"
            )
        _write(self._file, [self.settings, COLUMNS, *new])
        self.rows += new
        self.portions += 1


def _read(path: Path) -> str:
    """The text of a file, of which there is enough memory for one as long as its puzzles."""
    data = read_regular(path, MOST_BYTES)
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()


def _write(path: Path, lines: list[str]) -> None:
    """Write a file; the same lines give the same bytes."""
    data = "\n".join([*lines, ""]).encode()
    with written_whole(path) as file:
        file.write(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
