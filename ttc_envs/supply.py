"""Instances drawn ahead, in few large batches."""

from __future__ import annotations

import numpy as np

from ttc_envs.spec import Array, Instances
from ttc_envs.task import Task


class Supply:
    """Instances drawn ahead, so that a few episodes that begin cost no draw of their own.

    Each environment has a ring of `depth` instances, from keys of its own generator in order.

    Args:
        task: Where the instances come from.
        level: Their level.
        num_envs: B.
        depth: How many are drawn ahead per environment; 1 draws when asked.
    """

    def __init__(self, task: Task, level: str, num_envs: int, depth: int) -> None:
        self._task = task
        self._level = level
        self._depth = depth
        self._ring: Instances | None = None
        self._next = np.zeros(num_envs, dtype=np.int64)
        self._used = np.full(num_envs, depth)

    def discard(self, rows: Array) -> None:
        """Forget what was drawn ahead for the rows, since they have new generators."""
        self._next[rows] = 0
        self._used[rows] = self._depth

    def take(self, rows: Array, generators: list[np.random.Generator]) -> Instances:
        """The next instance of each row."""
        if self._ring is None or (self._used[rows] == self._depth).any():
            self._refill(generators)
        if self._ring is None:
            raise RuntimeError("refilling makes a ring")
        slots = self._next[rows]
        self._next[rows] = (slots + 1) % self._depth
        self._used[rows] += 1
        return self._ring[rows * self._depth + slots]

    def _refill(self, generators: list[np.random.Generator]) -> None:
        """Draw an instance into every slot that was used, those of a row in order."""
        used = self._used
        rows = np.repeat(np.arange(len(used)), used)
        turn = np.arange(len(rows)) - np.repeat(used.cumsum() - used, used)
        slots = (self._next[rows] - used[rows] + turn) % self._depth
        # The raw word, since `integers` takes ten times as long.
        draw = [generator.bit_generator.random_raw for generator in generators]
        words = (draw[row]() for row in rows.tolist())
        keys = np.fromiter(words, dtype=np.uint64, count=len(rows))
        fresh = self._task.sample(keys, self._level)
        if self._ring is None:
            self._ring = fresh[np.zeros(len(used) * self._depth, dtype=np.int64)]
        self._ring.assign(rows * self._depth + slots, fresh)
        used[:] = 0
