"""Puzzles of one's own: the rows of a file, divided into splits, drawn under symmetry moves.

Puzzles of one symmetry class belong to the same split, so that nothing derived from a row of one
split can be derived from a row of another. As in the bank, the classes are those of the solutions;
4x4 has two of these only, and there the classes of the puzzles count.

Shapes: B batch, R rows, N = S * S cells, S digits.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ttc_envs.files import digest
from ttc_envs.random_words import mix, random_words
from ttc_envs.spec import Array
from ttc_envs.tasks.sudoku.symmetry import MOVE_WORDS, apply_moves, fingerprint, moves_from

SHARES = {"train": (0, 8), "validation": (8, 9), "test": (9, 10)}
"""Tenths of the symmetry classes that belong to each split."""
CLASS_SALT, DRAW_STREAM = 0x4F57_4E50, 7
CHUNK = 10_000
"""Rows whose classes are found at once, which bounds memory to some 100 MB."""


@dataclass(frozen=True, eq=False)
class OwnPuzzles:
    """The rows of one split.

    Args:
        size: S.
        puzzles: (R, N) int8, -1 for blank; each has exactly one solution.
        solutions: (R, N) int8.
        sha256: Of the file.
    """

    size: int
    puzzles: Array
    solutions: Array
    sha256: str

    def draw(self, keys: Array) -> tuple[Array, Array]:
        """Puzzles and solutions (B, N) int8, determined by the keys (B,) uint64."""
        words = random_words(keys, DRAW_STREAM, 1 + MOVE_WORDS)
        rows = (words[:, 0] % np.uint64(len(self.puzzles))).astype(np.int64)
        moves = moves_from(words[:, 1:], self.size)
        return apply_moves(moves, self.puzzles[rows]), apply_moves(moves, self.solutions[rows])


def own_puzzles(path: str | os.PathLike[str], size: int, split: str) -> OwnPuzzles:
    """The rows of a file that belong to a split.

    Args:
        path: A file for `load_puzzles`.
        size: S.
        split: One of `SHARES`.

    Raises:
        ValueError: A row is bad or of another size, or a split would be empty.
        OSError: There is no such file.
    """
    sha256 = digest(path)
    puzzles, solutions, tenth = _divided(os.fspath(path), sha256, size)
    parts = {name: np.flatnonzero((tenth >= a) & (tenth < b)) for name, (a, b) in SHARES.items()}
    if not all(map(len, parts.values())):
        counts = ", ".join(f"{name} {len(rows)}" for name, rows in parts.items())
        raise ValueError(f"{os.fspath(path)}: too few symmetry classes for all splits: {counts}")
    return OwnPuzzles(size, puzzles[parts[split]], solutions[parts[split]], sha256)


@lru_cache(maxsize=4)
def _divided(path: str, sha256: str, size: int) -> tuple[Array, Array, Array]:
    """Puzzles (R, N), solutions (R, N) and the tenth 0..9 of each row's class, (R,).

    The digest is an argument so that a file that has changed is read again.
    """
    from ttc_envs.tasks.sudoku.files import load_puzzles, of_size

    found = of_size(load_puzzles(path), size)
    if found.sha256 != sha256:
        raise ValueError(f"{path} has changed while it was read: try again")
    grids = found.puzzles if size == 4 else found.solutions
    chunks = [grids[start : start + CHUNK] for start in range(0, len(grids), CHUNK)]
    classes = np.concatenate([fingerprint(chunk, size) for chunk in chunks])
    return found.puzzles, found.solutions, mix(classes ^ np.uint64(CLASS_SALT)) % np.uint64(10)
