"""The task: complete a Latin square, so that no row and no column holds a symbol twice.

Three methods are all that a task has to write: a constructor that makes the `TaskSpec`, `sample`
and `solve`. Observations, actions, edits, scores and pictures follow from the spec.

Shapes: B instances, n symbols, N = n * n cells, C = n choices.
"""

import numpy as np

from ttc_envs import UNDECIDED, Field, Group, Instances, Task, TaskSpec, Wording

GIVENS = {"easy": 0.7, "hard": 0.5, "trivial": 0.9}
"""Levels, the first one for whoever names none, and the share of cells that is given."""


class LatinSquare(Task):
    """Latin squares of order `size`."""

    wording = Wording(what="to complete Latin squares")

    def __init__(self, size: int = 5) -> None:
        self.size = size
        cells = np.arange(size * size).reshape(size, size)
        symbols = np.arange(size)
        lines = {"row": cells, "column": cells.T}
        groups = {kind: pairs(line[:, None], symbols[:, None]) for kind, line in lines.items()}
        groups["cell"] = pairs(cells.reshape(-1, 1), symbols)
        self.spec = TaskSpec(
            name="latin_square",
            levels=tuple(GIVENS),
            fields={"givens": Field("node", "given", (cells.size,), "int8", UNDECIDED, size - 1)},
            num_nodes=cells.size,
            num_choices=size,
            choices="class",
            num_edits=cells.size * size,
            groups=tuple(Group(kind, members) for kind, members in groups.items()),
            positions=np.stack(np.divmod(cells.ravel(), size), axis=1).astype(np.float32),
        )

    def sample(self, keys: np.ndarray, level: str) -> Instances:
        """Squares of which some cells are given, determined by (key, level)."""
        self.level_index(level)  # refuses an unknown one
        drawn = [self._drawn(np.random.default_rng(int(key)), GIVENS[level]) for key in keys]
        squares, givens = (np.stack(arrays).astype(np.int8) for arrays in zip(*drawn, strict=True))
        return Instances(np.asarray(keys, dtype=np.uint64), {"givens": givens}, {"answer": squares})

    def _drawn(self, random: np.random.Generator, share: float) -> tuple[np.ndarray, np.ndarray]:
        """A cyclic square with shuffled rows, columns and symbols, and what is given of it."""
        row, column, symbol = (random.permutation(self.size) for _ in range(3))
        square = symbol[(row[:, None] + column) % self.size].ravel()
        given = random.permutation(square.size) < round(share * square.size)
        return square, np.where(given, square, UNDECIDED)

    def solve(self, instances: Instances) -> np.ndarray:
        """Exact answers by backtracking, the cell with the fewest symbols first."""
        return np.stack([self._completed(givens) for givens in instances.fields["givens"]])

    def _completed(self, answer: np.ndarray) -> np.ndarray:
        blank = np.flatnonzero(answer == UNDECIDED)
        if not len(blank):
            return answer
        options = {cell: self._options(answer, cell) for cell in blank}
        cell = min(options, key=lambda cell: len(options[cell]))
        for symbol in options[cell]:
            after = answer.copy()
            after[cell] = symbol
            after = self._completed(after)
            if (after != UNDECIDED).all():
                return after
        return answer

    def _options(self, answer: np.ndarray, cell: int) -> np.ndarray:
        """The symbols that the row and the column of a cell leave."""
        square, (row, column) = answer.reshape(self.size, -1), divmod(cell, self.size)
        used = np.concatenate([square[row], square[:, column]])
        return np.setdiff1d(np.arange(self.size), used)


def pairs(nodes: np.ndarray, choices: np.ndarray) -> np.ndarray:
    """(G, n, 2) int32, the (node, choice) pairs of groups, of which exactly one holds."""
    both = np.broadcast_arrays(nodes, choices)
    return np.stack(both, axis=-1).reshape(-1, both[0].shape[-1], 2).astype(np.int32)
