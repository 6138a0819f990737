"""Make the packaged Sudoku banks anew: generate, grade, split by symmetry class, write.

    python scripts/make_sudoku_bank.py                 # all sizes, about a minute with numba
    python scripts/make_sudoku_bank.py --sizes 4 6

The same command makes the same puzzles. It prints the sha256 of each file, to be entered in
`bank.SHA256`.
"""

from __future__ import annotations

import argparse
import hashlib
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

DATA = Path(__file__).resolve().parents[1] / "ttc_envs/tasks/sudoku/data"
ROWS = {6: 3000, 9: 30000, 16: 1000}
SEED = 20260728
MADE_BY = f"python scripts/make_sudoku_bank.py (first key {SEED})"


def splits_of(classes: Array) -> Array:
    """0 train, 1 validation or 2 test for each row.

    Classes stay whole. In hashed order, the first tenth of the rows is test, the next validation.
    """
    distinct, index, counts = np.unique(classes, return_inverse=True, return_counts=True)
    order = mix(distinct).argsort()
    share = np.empty(len(distinct))
    share[order] = (np.cumsum(counts[order]) - counts[order]) / len(classes)
    return np.select([share < 0.1, share < 0.2], [2, 1], 0)[index]


def generated(size: int) -> tuple[Array, Array, Array, Array]:
    """Puzzles of distinct classes, with solutions, minimal flags and splits."""
    keys = SEED + np.arange(ROWS[size], dtype=np.uint64)
    level = "givens=110" if size == 16 else "minimal"
    puzzles, solutions = generate(keys, size, level)
    _, first = np.unique(fingerprint(puzzles, size), return_index=True)
    first.sort()
    puzzles, solutions = puzzles[first], solutions[first]
    splits = splits_of(fingerprint(solutions, size))
    return puzzles, solutions, np.full(len(first), level == "minimal"), splits


def all_of_4x4() -> tuple[Array, Array, Array, Array]:
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


def is_minimal(puzzles: Array, size: int) -> Array:
    """Whether every given is necessary, (B,) bool."""
    minimal = np.ones(len(puzzles), dtype=bool)
    for cell in range(grid_of(size).num_cells):
        rows = np.flatnonzero(puzzles[:, cell] >= 0)
        fewer = puzzles[rows]
        fewer[:, cell] = -1
        minimal[rows] &= solve(fewer, size)[1] > 1
    return minimal


def make(size: int) -> bytes:
    """The bytes of the bank of one size."""
    puzzles, solutions, minimal, splits = all_of_4x4() if size == 4 else generated(size)
    grades = grade(puzzles, size)
    return bank.pack(solutions, puzzles, grades, minimal, splits, MADE_BY)


def main() -> None:
    """Write the files and print their digests."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[4, 6, 9, 16])
    parser.add_argument("--out", type=Path, default=DATA, help="folder (default: the package's)")
    options = parser.parse_args()
    for size in options.sizes:
        data = make(size)
        (options.out / f"sudoku{size}.npz").write_bytes(data)
        print(f'    {size}: "{hashlib.sha256(data).hexdigest()}",  # {len(data)} bytes')


if __name__ == "__main__":
    main()
