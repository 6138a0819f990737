"""The packaged puzzles and the sampler that draws fresh ones from them.

Every puzzle was made by `generator`; the command is

    python scripts/make_sudoku_bank.py

and each file records the command and the seed that made it. `draw` picks a row, adds cells of the solution where the
level asks for more givens, and applies a random symmetry move (1.2e12 of them for 9x9), all determined by the key.

Splits share no symmetry class of *solutions* (6x6, 9x9, 16x16), so whatever is derived from a row of one split cannot
be derived from a row of another. 4x4 has two classes of solutions only; there, the bank holds every class of puzzles
with one solution and from 4 to 14 givens, and the splits divide these, for each number of givens.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from ttc_envs.spec import UNDECIDED, Array
from ttc_envs.tasks.sudoku.generator import target_givens
from ttc_envs.tasks.sudoku.grid import grid_of
from ttc_envs.tasks.sudoku.levels import Level, level_names, parse_level
from ttc_envs.tasks.sudoku.random_words import random_words
from ttc_envs.tasks.sudoku.symmetry import fingerprint, random_moves, relabel

__all__ = ["SPLITS", "Bank", "draw", "level_names", "load_bank", "parse_level"]

SPLITS = ("train", "validation", "test")
SHA256: dict[int, str] = {
    4: "520a1ba52447823f7ab0fe6c81d5eb94b5bebf217857eb433db5ab35e2a4d61e",
    6: "d3fb25c306e8b86d3dcb98fb3e6644575cf351aa2f9e58106738e9f999ebe2c2",
    9: "807ce6410d310d44a9d2bdfa3b68ed4bfe1da9bc2e2bb04de060c529b5b1cf7c",
    16: "c413d3181b8e15c32dd66b74e1160e831acfd0b9e7a649674c824e0b8698f590",
}
ROW_STREAM, EXTRA_STREAM = 5, 6
ORDERS = 4096


@dataclass(frozen=True, eq=False)
class Bank:
    """The rows of one split. All arrays are read-only.

    Args:
        size: n.
        split: `train`, `validation` or `test`.
        puzzles: (R, N) int8, -1 for blank; 16x16: blank throughout, as givens are chosen when drawing.
        solutions: (R, N) int8.
        rounds: (R,) uint8, rounds of parallel singles until solved or stuck.
        guesses: (R,) uint16, guesses of the solver; 0 if singles solve the puzzle.
        minimal: (R,) bool, whether every given is necessary.
        made_by: The command that made the file.
    """

    size: int
    split: str
    puzzles: Array
    solutions: Array
    rounds: Array
    guesses: Array
    minimal: Array
    made_by: str

    def __len__(self) -> int:
        """The number of rows, R."""
        return len(self.solutions)


@cache
def load_bank(size: int, split: str = "train") -> Bank:
    """The packaged rows of a split.

    Raises:
        ValueError: There is no such split or size, or the file is damaged.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
    content = _read(size)
    rows = content["split"] == SPLITS.index(split)
    solutions = content["solutions"][rows].astype(np.int8)
    given = np.unpackbits(content["given"][rows], axis=1, count=solutions.shape[1]).astype(bool)
    arrays = {
        "puzzles": np.where(given, solutions, np.int8(UNDECIDED)),
        "solutions": solutions,
        **{name: content[name][rows] for name in ("rounds", "guesses", "minimal")},
    }
    for array in arrays.values():
        array.flags.writeable = False
    return Bank(size, split, **arrays, made_by=str(content["made_by"]))


@cache
def _read(size: int) -> dict[str, Array]:
    """The arrays of the packaged file of a size, all splits together."""
    name = f"sudoku{grid_of(size).size}.npz"
    data = (resources.files("ttc_envs.tasks.sudoku") / "data" / name).read_bytes()
    return parse_file(data, name, SHA256[size])


def parse_file(data: bytes, name: str, sha256: str) -> dict[str, Array]:
    """The arrays of a bank file.

    Raises:
        ValueError: The bytes are not those that the package was built with.
    """
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        raise ValueError(
            f"the packaged puzzle bank {name} is damaged: sha256 {digest}, expected {sha256}; "
            f"install the package again"
        )
    with np.load(io.BytesIO(data), allow_pickle=False) as content:
        return dict(content)


def pack(
    solutions: Array, puzzles: Array, grades: tuple[Array, Array], minimal: Array, split: Array, made_by: str
) -> bytes:
    """The bytes of a bank file: digits and packed given masks, which zlib brings to some 45 bytes per 9x9 puzzle."""
    rounds, guesses = grades
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        solutions=solutions.astype(np.uint8),
        given=np.packbits(puzzles != UNDECIDED, axis=1),
        rounds=rounds.astype(np.uint8),
        guesses=np.minimum(guesses, 65535).astype(np.uint16),
        minimal=minimal.astype(bool),
        split=split.astype(np.uint8),
        made_by=np.array(made_by),
    )
    return stream.getvalue()


def draw(keys: Array, size: int, level: str, split: str = "train") -> tuple[Array, Array, Array]:
    """Fresh puzzles with solutions, a pure function of (key, size, level, split).

    `givens=K` adds cells of the solution to a minimal puzzle; one that has K givens or more is drawn as it is (9x9:
    minimal puzzles of the bank have 20 to 29). 4x4 draws from the classes with exactly K givens. 16x16 shows K cells
    of a filled grid, and the solution need not be the only one.

    Args:
        keys: (B,) uint64.
        size: 4, 6, 9 or 16.
        level: See `levels`.
        split: `train`, `validation` or `test`.

    Returns:
        Puzzles (B, N) int8, solutions (B, N) int8 and the rows of `load_bank(size, split)` they come from, (B,) int64.
    """
    bank = load_bank(size, split)
    wanted = parse_level(level, size)
    targets = target_givens(keys, wanted)
    rows = _pick_rows(bank, random_words(keys, ROW_STREAM, 1)[:, 0], targets)
    moves = random_moves(keys, size)
    source = moves.cells + (rows * moves.cells.shape[1])[:, None]
    solutions = relabel(moves, bank.solutions.ravel().take(source))
    given = bank.puzzles.ravel().take(source) != UNDECIDED
    if not wanted.minimal:
        _add_givens(given, targets, random_words(keys, EXTRA_STREAM, 1)[:, 0])
    return np.where(given, solutions, np.int8(UNDECIDED)), solutions, rows


@cache
def _pools(size: int, split: str) -> dict[int, Array]:
    """Rows to draw from by number of givens (0: minimal); one pool for all where givens are added when drawing."""
    bank = load_bank(size, split)
    if size != 4:
        return {}
    count = (bank.puzzles != UNDECIDED).sum(axis=1)
    pools = {int(k): np.flatnonzero(count == k) for k in np.unique(count)}
    return {0: np.flatnonzero(bank.minimal), **pools}


def _pick_rows(bank: Bank, word: Array, targets: Array) -> Array:
    """A row for each random word, (B,) int64."""
    pools = _pools(bank.size, bank.split)
    if not pools:
        return (word % np.uint64(len(bank))).astype(np.int64)
    rows = np.zeros(len(word), dtype=np.int64)
    for target in np.unique(targets):
        here = targets == target
        pool = pools[int(target)]
        rows[here] = pool[word[here] % np.uint64(len(pool))]
    return rows


@cache
def _orders(num_cells: int) -> Array:
    """(ORDERS, N) int64 random orders of the cells."""
    noise = random_words(np.arange(ORDERS, dtype=np.uint64), EXTRA_STREAM, num_cells)
    return noise.argsort(axis=1, kind="stable")


def _add_givens(given: Array, targets: Array, word: Array) -> None:
    """Mark more cells (B, N) as given, in one of the random orders, until there are `targets` (B,)."""
    batch, cells = given.shape
    order = _orders(cells)[word % np.uint64(ORDERS)]
    order += np.arange(0, batch * cells, cells)[:, None]
    blank = ~given.ravel().take(order)
    missing = targets - given.sum(axis=1)
    chosen = blank & (blank.cumsum(axis=1, dtype=np.int16) <= missing[:, None])
    given.ravel()[order[chosen]] = True
