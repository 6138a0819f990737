"""The packaged puzzles and the sampler that draws fresh ones from them.

Every puzzle was made by `generator`, those of the level `extreme` by `vicinity`; the command is

    python scripts/make_sudoku_bank.py

and each file records the command and the seed that made it. `draw` picks a row, adds cells of the
solution where the level asks for more givens, and applies a random symmetry move (1.2e12 of them
for 9x9), all determined by the key.

Splits share no symmetry class of *solutions* (6x6 to 25x25), so whatever is derived from a row
of one split cannot be derived from a row of another. All extreme puzzles of an island, which may
differ by one given, are in one split. 4x4 has two classes of solutions only; there, the bank holds
every class of puzzles with one solution and from 4 to 14 givens, and the splits divide these, for
each number of givens.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from ttc_envs.random_words import random_words
from ttc_envs.spec import UNDECIDED, Array
from ttc_envs.tasks.sudoku.generator import target_givens
from ttc_envs.tasks.sudoku.grid import grid_of
from ttc_envs.tasks.sudoku.levels import level_names, parse_level
from ttc_envs.tasks.sudoku.symmetry import MOVE_WORDS, moves_from, relabel

__all__ = ["SPLITS", "Bank", "draw", "level_names", "load_bank", "parse_level"]

SPLITS = ("train", "validation", "test")
SHA256 = {
    "sudoku4": "520a1ba52447823f7ab0fe6c81d5eb94b5bebf217857eb433db5ab35e2a4d61e",
    "sudoku6": "d3fb25c306e8b86d3dcb98fb3e6644575cf351aa2f9e58106738e9f999ebe2c2",
    "sudoku9": "807ce6410d310d44a9d2bdfa3b68ed4bfe1da9bc2e2bb04de060c529b5b1cf7c",
    "sudoku16": "823174fb29ac744d1b5c9721e947677b52df66c70dbc77fc6251ab04d88b74ff",
    "sudoku9-extreme": "56b32122cba0e41a7fff3636c175c432cbf8a191e6e2ce82f9e0c1de1177cb9a",
    "sudoku16-few": "9fb697d8e8c0b9293bcbb74e287456718e3b639b1a9eee5e944f53bf95cf7d0b",
    "sudoku25": "24526f4e5e00de37c3c3494e352b6e41da1a81d9516a08319cc66fbd37ca8a60",
}
DRAW_STREAM, ORDER_STREAM = 5, 6
ORDERS = 4096
DIGIT_BITS = 5
BLANK = np.int8(1 << DIGIT_BITS)
CHUNK = 1024
"""Rows drawn at a time: more and the work arrays no longer fit in a core's cache."""


@dataclass(frozen=True, eq=False)
class Bank:
    """The rows of one split. All arrays are read-only.

    Args:
        size: n.
        split: `train`, `validation` or `test`.
        puzzles: (R, N) int8, -1 for blank; minimal for 6x6 and 9x9, with 110 givens for 16x16
            (`few`: 80), 267 for 25x25.
        solutions: (R, N) int8.
        rounds: (R,) uint8, rounds of parallel singles until solved or stuck.
        guesses: (R,) uint16, guesses of the solver; 0 if singles solve the puzzle.
        minimal: (R,) bool, whether every given is necessary.
        code: (R, N) int8, the digit of the solution, plus BLANK where the puzzle is blank.
        made_by: The command that made the file.
    """

    size: int
    split: str
    puzzles: Array
    solutions: Array
    rounds: Array
    guesses: Array
    minimal: Array
    code: Array
    made_by: str

    def __len__(self) -> int:
        """The number of rows, R."""
        return len(self.solutions)


@cache
def load_bank(size: int, split: str = "train", kind: str = "") -> Bank:
    """The packaged rows of a split.

    Args:
        size: n.
        split: `train`, `validation` or `test`.
        kind: `Level.bank`: `extreme` (9x9), `few` (16x16) or "".

    Raises:
        ValueError: There is no such split or size, or the file is damaged.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
    content = _read(size, kind)
    rows = content["split"] == SPLITS.index(split)
    solutions = content["solutions"][rows].astype(np.int8)
    given = np.unpackbits(content["given"][rows], axis=1, count=solutions.shape[1]).astype(bool)
    arrays = {
        "puzzles": np.where(given, solutions, np.int8(UNDECIDED)),
        "solutions": solutions,
        "code": np.where(given, solutions, solutions + BLANK).astype(np.int8),
        **{name: content[name][rows] for name in ("rounds", "guesses", "minimal")},
    }
    for array in arrays.values():
        array.flags.writeable = False
    return Bank(size, split, **arrays, made_by=str(content["made_by"]))


@cache
def _read(size: int, kind: str) -> dict[str, Array]:
    """The arrays of a packaged file, all splits together."""
    name = "-".join([f"sudoku{grid_of(size).size}", kind]).rstrip("-")
    if name not in SHA256:
        raise ValueError(f"there is no bank {kind!r} of {size}x{size} Sudoku")
    data = (resources.files("ttc_envs.tasks.sudoku") / "data" / f"{name}.npz").read_bytes()
    return parse_file(data, f"{name}.npz", SHA256[name])


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
    solutions: Array,
    puzzles: Array,
    grades: tuple[Array, Array],
    minimal: Array,
    split: Array,
    made_by: str,
) -> bytes:
    """The bytes of a bank file, about 45 per 9x9 puzzle: zlib packs the digits well enough."""
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

    All have one solution. `givens=K` adds cells of the solution to a puzzle of the bank; one that
    has K givens or more is drawn as it is (the bank's minimal puzzles have 20 to 29 for 9x9, 8 to
    13 for 6x6). 4x4 draws from the classes with exactly K givens.

    Args:
        keys: (B,) uint64.
        size: 4, 6, 9, 16 or 25.
        level: See `levels`.
        split: `train`, `validation` or `test`.

    Returns:
        Puzzles (B, N) int8, solutions (B, N) int8 and the rows they come from, (B,) int64, of
        `load_bank(size, split, Level.bank)`.
    """
    wanted = parse_level(level, size)
    bank = load_bank(size, split, wanted.bank)
    words = random_words(keys, DRAW_STREAM, 2 + MOVE_WORDS)
    targets = target_givens(keys, wanted)
    rows = _pick_rows(bank, words[:, 0], targets)
    puzzles = np.empty((len(rows), bank.code.shape[1]), dtype=np.int8)
    solutions = np.empty_like(puzzles)
    for start in range(0, len(rows), CHUNK):
        part = slice(start, start + CHUNK)
        moves = moves_from(words[part, 2:], size)
        source = moves.cells + (rows[part] * puzzles.shape[1])[:, None]
        code = bank.code.ravel().take(source)
        if size != 4 and not wanted.minimal:
            _add_givens(code, targets[part], words[part, 1])
        solutions[part] = relabel(moves, code & (BLANK - np.int8(1)))
        # A blank cell has the bit of BLANK set, which makes -1; or with -1 is -1.
        puzzles[part] = solutions[part] | -(code >> DIGIT_BITS)
    return puzzles, solutions, rows


@cache
def _pools(size: int, split: str) -> dict[int, Array]:
    """4x4: rows to draw from, by number of givens (0: minimal). Other sizes draw from all rows."""
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
    """(ORDERS, N) random orders of the cells, uint8 (25x25: uint16)."""
    noise = random_words(np.arange(ORDERS), ORDER_STREAM, num_cells)
    cell = np.uint8 if num_cells <= 256 else np.uint16
    return noise.argsort(axis=1, kind="stable").astype(cell)


def _add_givens(code: Array, targets: Array, word: Array) -> None:
    """Mark cells of `code` (B, N) as given, in a random order, until there are `targets` (B,)."""
    batch, cells = code.shape
    order = _orders(cells).take((word % np.uint64(ORDERS)).astype(np.int64), axis=0)
    places = order + np.arange(0, batch * cells, cells)[:, None]
    ordered = code.ravel().take(places)
    blank = ordered >> DIGIT_BITS
    seen = blank.cumsum(axis=1, dtype=np.int16)
    missing = (targets - cells + seen[:, -1]).astype(np.int16)
    ordered -= blank * (seen <= missing[:, None]) * BLANK
    code.ravel()[places] = ordered
