"""Make the packaged Sudoku banks anew: generate, grade, split by symmetry class, write.

    python scripts/make_sudoku_bank.py                 # all, with numba; sudoku9-extreme is most
    python scripts/make_sudoku_bank.py --banks sudoku4 sudoku6

The same command makes the same puzzles. It prints the sha256 of each file, to be entered in
`bank.SHA256`.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
import time
from pathlib import Path

import numpy as np

from ttc_envs.random_words import mix
from ttc_envs.spec import Array
from ttc_envs.tasks.sudoku import bank
from ttc_envs.tasks.sudoku.generator import filled_grids, generate
from ttc_envs.tasks.sudoku.grid import grid_of
from ttc_envs.tasks.sudoku.levels import MOST_GIVENS
from ttc_envs.tasks.sudoku.solver import grade, solve
from ttc_envs.tasks.sudoku.symmetry import fingerprint
from ttc_envs.tasks.sudoku.vicinity import extreme_island

DATA = Path(__file__).resolve().parents[1] / "ttc_envs/tasks/sudoku/data"
GENERATED = {
    "sudoku6": (3000, 6, "minimal"),
    "sudoku9": (30000, 9, "minimal"),
    "sudoku16": (1000, 16, "givens=110"),
    "sudoku16-few": (500, 16, "givens=80"),
    "sudoku25": (500, 25, "givens=267"),
}
"""Rows before duplicates are left out, size and level."""
ISLANDS = 10
SEED = 20260728
MADE_BY = f"python scripts/make_sudoku_bank.py (first key {SEED})"

Rows = tuple[Array, Array, Array, Array]
"""Puzzles and solutions (R, N), minimal flags (R,) and splits (R,)."""


def splits_of(classes: Array) -> Array:
    """0 train, 1 validation or 2 test for each row.

    Classes stay whole. In hashed order, the first tenth of the rows is test, the next validation.
    """
    distinct, index, counts = np.unique(classes, return_inverse=True, return_counts=True)
    order = mix(distinct).argsort()
    share = np.empty(len(distinct))
    share[order] = (np.cumsum(counts[order]) - counts[order]) / len(classes)
    return np.select([share < 0.1, share < 0.2], [2, 1], 0)[index]


def generated(count: int, size: int, level: str) -> Rows:
    """Puzzles of distinct classes."""
    keys = SEED + np.arange(count, dtype=np.uint64)
    puzzles, solutions = generate(keys, size, level)
    _, first = np.unique(fingerprint(puzzles, size), return_index=True)
    first.sort()
    puzzles, solutions = puzzles[first], solutions[first]
    splits = splits_of(fingerprint(solutions, size))
    return puzzles, solutions, np.full(len(first), level == "minimal"), splits


def all_of_4x4() -> Rows:
    """One puzzle of every symmetry class of 4x4 puzzles with one solution and at most 14 givens."""
    grids = filled_grids(SEED + np.arange(100, dtype=np.uint64), 4)
    grids = grids[np.unique(fingerprint(grids, 4), return_index=True)[1]]
    masks = (np.arange(1 << 16)[:, None] >> np.arange(16) & 1).astype(bool)
    masks = masks[masks.sum(axis=1) <= MOST_GIVENS[4]]
    puzzles = np.concatenate([np.where(masks, grid, -1) for grid in grids]).astype(np.int8)
    solutions = np.repeat(grids, len(masks), axis=0)
    proper = solve(puzzles, 4)[1] == 1
    puzzles, solutions = puzzles[proper], solutions[proper]
    classes, first = np.unique(fingerprint(puzzles, 4), return_index=True)
    puzzles, solutions = puzzles[first], solutions[first]
    count = (puzzles >= 0).sum(axis=1)
    splits = np.zeros(len(first), dtype=np.int64)
    for k in np.unique(count):
        splits[count == k] = splits_of(classes[count == k])
    return puzzles, solutions, is_minimal(puzzles, 4), splits


def extreme() -> Rows:
    """Extreme puzzles of distinct classes; of ten islands, the last are validation and test.

    What shares its class of solutions with a row of another split, here or in the bank of all other
    9x9 puzzles, is left out.
    """
    islands = []
    for key in range(ISLANDS):
        islands.append(extreme_island(SEED + key))
        found, spent = len(islands[-1][0]), time.process_time()
        print(f"island {key}: {found} puzzles, {spent:.0f} CPU s in all", file=sys.stderr)
    puzzles, solutions = (np.concatenate(arrays) for arrays in zip(*islands, strict=True))
    tenth = np.repeat(np.arange(ISLANDS) % 10, [len(rows) for rows, _ in islands])
    splits = np.select([tenth == 8, tenth == 9], [1, 2], 0)
    owner = {}
    for split, name in enumerate(bank.SPLITS):
        owner.update(dict.fromkeys(fingerprint(bank.load_bank(9, name).solutions, 9), split))
    _, first = np.unique(fingerprint(puzzles, 9), return_index=True)
    first.sort()
    classes = fingerprint(solutions, 9)
    kept = [row for row in first if owner.setdefault(classes[row], splits[row]) == splits[row]]
    return puzzles[kept], solutions[kept], np.full(len(kept), True), splits[kept]


def is_minimal(puzzles: Array, size: int) -> Array:
    """Whether every given is necessary, (B,) bool."""
    minimal = np.ones(len(puzzles), dtype=bool)
    for cell in range(grid_of(size).num_cells):
        rows = np.flatnonzero(puzzles[:, cell] >= 0)
        fewer = puzzles[rows]
        fewer[:, cell] = -1
        minimal[rows] &= solve(fewer, size)[1] > 1
    return minimal


def rows_of(name: str) -> Rows:
    """What the bank of a name holds."""
    if name == "sudoku4":
        return all_of_4x4()
    return extreme() if name == "sudoku9-extreme" else generated(*GENERATED[name])


def make(name: str) -> bytes:
    """The bytes of a bank."""
    puzzles, solutions, minimal, splits = rows_of(name)
    grades = grade(puzzles, math.isqrt(puzzles.shape[1]))
    return bank.pack(solutions, puzzles, grades, minimal, splits, MADE_BY)


def main() -> None:
    """Write the files and print their digests."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--banks", choices=bank.SHA256, nargs="+", default=list(bank.SHA256))
    parser.add_argument("--out", type=Path, default=DATA, help="folder (default: the package's)")
    options = parser.parse_args()
    for name in options.banks:
        data = make(name)
        (options.out / f"{name}.npz").write_bytes(data)
        print(f'    "{name}": "{hashlib.sha256(data).hexdigest()}",  # {len(data)} bytes')


if __name__ == "__main__":
    main()
