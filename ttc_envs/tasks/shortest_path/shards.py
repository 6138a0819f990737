"""What a shard of the data set of shortest paths holds, from its number alone.

Every place of a random order is a target in turn; one run of Dijkstra's method gives the next place
on the way to it from everywhere, and the paths from many sources are traced side by side.

Shapes: V places, S sources, P paths of a shard, K tokens of a shard.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ttc_envs.random_words import random_words
from ttc_envs.spec import Array
from ttc_envs.tasks.shortest_path.graph import CityGraph

PER_TARGET = 4096
"""Paths to one target, where fewer targets suffice: a compromise of speed and variety."""
SHARD_PATHS = 65_536
BLOCK = 16
"""Targets of one call of scipy."""
TARGET_STREAM, SOURCE_STREAM = 7, 8


@dataclass(frozen=True)
class PathSettings:
    """What determines a data set.

    Args:
        cities: As for `select_cities`.
        radius_km: The longest road, None for the shortest that connects all.
        count: Paths in all.
        seed: Of the choice of pairs.
    """

    cities: str
    radius_km: float | None
    count: int
    seed: int


@dataclass(frozen=True)
class Plan:
    """How paths are divided into shards.

    Args:
        count: Paths in all.
        per_target: Paths to each target, the last one excepted.
        per_shard: Targets of each shard, the last one excepted.
    """

    count: int
    per_target: int
    per_shard: int

    @property
    def num_targets(self) -> int:
        """Targets in all."""
        return -(-self.count // self.per_target)

    @property
    def num_shards(self) -> int:
        """Shards in all."""
        return -(-self.num_targets // self.per_shard)


def plan_of(count: int, num_places: int, dropped: int = 0) -> Plan:
    """The plan for so many paths on a map.

    Args:
        count: Paths in all.
        num_places: Places of the map.
        dropped: Places that are not connected to these, for the message.

    Raises:
        ValueError: There are not so many ordered pairs, or none at all.
    """
    if num_places < 2:
        raise ValueError(f"paths need two connected places at least, the map has {num_places}")
    pairs = num_places * (num_places - 1)
    if not 1 <= count <= pairs:
        raise ValueError(
            f"count must lie in 1..{pairs} on a map of {num_places} places "
            f"({dropped} more are not connected to them), got {count}"
        )
    per_target = min(num_places - 1, max(-(-count // num_places), PER_TARGET))
    return Plan(count, per_target, max(1, SHARD_PATHS // per_target))


@dataclass(frozen=True, eq=False)
class Paths:
    """Paths one after the other.

    Args:
        tokens: (K,) places, uint16 where that suffices.
        starts: (P + 1,) int64: path i is `tokens[starts[i]:starts[i + 1]]`.
        km: (P,) float32, the lengths.
    """

    tokens: Array
    starts: Array
    km: Array

    def __len__(self) -> int:
        """The number of paths, P."""
        return len(self.km)

    @property
    def first(self) -> Array:
        """(P,) sources."""
        begins: Array = self.tokens[self.starts[:-1]]
        return begins

    @property
    def last(self) -> Array:
        """(P,) targets."""
        ends: Array = self.tokens[self.starts[1:] - 1]
        return ends

    def __getitem__(self, flags: Array) -> Paths:
        """The paths where (P,) flags hold."""
        sizes = np.diff(self.starts)
        tokens = self.tokens[np.repeat(flags, sizes)]
        return Paths(tokens, np.concatenate([[0], sizes[flags].cumsum()]), self.km[flags])


def joined(parts: list[Paths]) -> Paths:
    """All paths of several."""
    sizes = np.concatenate([np.diff(part.starts) for part in parts])
    tokens = np.concatenate([part.tokens for part in parts])
    starts = np.concatenate([[0], sizes.cumsum()])
    return Paths(tokens, starts, np.concatenate([part.km for part in parts]))


def shard_paths(graph: CityGraph, settings: PathSettings, shard: int) -> Paths:
    """The paths of a shard, determined by the settings and its number."""
    plan = plan_of(settings.count, len(graph))
    turns = np.arange(shard * plan.per_shard, min((shard + 1) * plan.per_shard, plan.num_targets))
    targets = _shuffled(len(graph), settings.seed, TARGET_STREAM)[turns]
    parts = []
    for first in range(0, len(targets), BLOCK):
        block = targets[first : first + BLOCK]
        distance, following = graph.fields(block)
        for row, target in enumerate(block):
            turn = int(turns[first + row])
            size = min(plan.per_target, plan.count - turn * plan.per_target)
            others = len(graph) - 1
            sources = np.arange(others, dtype=np.int32)
            if size < others:
                key = settings.seed * len(graph) + int(target)
                sources = np.sort(_shuffled(others, key, SOURCE_STREAM)[:size]).astype(np.int32)
            sources += sources >= target
            parts.append(trace(following[row], distance[row], sources, int(target)))
    return joined(parts)


def _shuffled(size: int, key: int, stream: int) -> Array:
    """0..size - 1 in an order determined by the key."""
    words = random_words(np.array([key % 2**64], dtype=np.uint64), stream, size)[0]
    order: Array = words.argsort(kind="stable")
    return order


def trace(following: Array, distance: Array, sources: Array, target: int) -> Paths:
    """The paths from all sources (S,) to a target, side by side.

    Args:
        following: (V,) the next place on the way to the target.
        distance: (V,) km to the target.
        sources: (S,) places from which it can be reached, all distinct.
        target: Where the paths end.
    """
    onward = following.copy()
    onward[target] = target
    columns = [sources]
    while (columns[-1] != target).any():
        columns.append(onward[columns[-1]])
    path = np.stack(columns, axis=1)
    # The target stands in the last column of all, and once in each path.
    inside = np.ones(path.shape, dtype=bool)
    inside[:, 1:] = path[:, :-1] != target
    starts = np.concatenate([[0], inside.sum(axis=1).cumsum()])
    dtype = np.uint16 if len(following) <= 2**16 else np.uint32
    return Paths(path[inside].astype(dtype), starts, distance[sources].astype(np.float32))
