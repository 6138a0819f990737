"""What a shard of the data set of shortest paths holds, from its number alone.

Every place of a random order is a target in turn; one run of Dijkstra's method gives the next place
on the way to it from everywhere, and the paths from many sources are traced side by side.

Shapes: V places, S sources, P paths of a shard, K tokens of a shard.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ttc_envs.random_words import random_words
from ttc_envs.spec import Array
from ttc_envs.tasks.maps.graph import CityGraph

PER_TARGET = 4096
"""Paths to one target, where fewer targets suffice: a compromise of speed and variety."""
SHARD_PATHS = 65_536
BLOCK = 16
"""Targets of one call of scipy."""
TOGETHER = 8192
"""Paths that are traced at once, about; more leave the cache."""
TARGET_STREAM, SOURCE_STREAM = 7, 8


@dataclass(frozen=True)
class PathSettings:
    """What determines a data set.

    Args:
        cities: As for `select_cities`.
        radius_km: The longest road, None for the shortest that connects all.
        count: Paths in all.
        seed: Of the choice of pairs.
        vocabulary: The sha256 of `cities.csv`, which says what the tokens mean: the name of a file
            of places does not say what is in it.
    """

    cities: str
    radius_km: float | None
    count: int
    seed: int
    vocabulary: str = ""


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
    sources = [
        _sources(target, min(plan.per_target, plan.count - turn * plan.per_target), graph, settings)
        for turn, target in zip(turns.tolist(), targets.tolist(), strict=True)
    ]
    together = max(1, TOGETHER // plan.per_target)
    parts: list[Paths] = []
    for first in range(0, len(targets), BLOCK):
        block = slice(first, first + BLOCK)
        parts.extend(_traced(graph, sources[block], targets[block], together))
    return joined(parts)


def _traced(
    graph: CityGraph, sources: list[Array], targets: Array, together: int
) -> Iterator[Paths]:
    """The paths to a block of targets, so many targets at a time."""
    distance, following = graph.fields(targets)
    for row in range(0, len(targets), together):
        some = slice(row, row + together)
        yield trace(following[some], distance[some], sources[some], targets[some])


def _sources(target: int, size: int, graph: CityGraph, settings: PathSettings) -> Array:
    """(S,) the places from which paths lead to a target, in order."""
    others = len(graph) - 1
    sources = np.arange(others, dtype=np.int32)
    if size < others:
        key = settings.seed * len(graph) + target
        sources = np.sort(_shuffled(others, key, SOURCE_STREAM)[:size]).astype(np.int32)
    return sources + (sources >= target)


def _shuffled(size: int, key: int, stream: int) -> Array:
    """0..size - 1 in an order determined by the key."""
    words = random_words(np.array([key % 2**64], dtype=np.uint64), stream, size)[0]
    order: Array = words.argsort(kind="stable")
    return order


def trace(following: Array, distance: Array, sources: list[Array], targets: Array) -> Paths:
    """The paths to T targets, each from all sources of its own, side by side.

    Args:
        following: (T, V) the next place on the way to each target.
        distance: (T, V) km to each target.
        sources: For each target (S,) places from which it can be reached.
        targets: (T,) where the paths end.
    """
    size = following.shape[1]
    rows = np.arange(len(targets))
    onward = following.copy()
    onward[rows, targets] = targets
    sizes = [len(places) for places in sources]
    start = np.concatenate(sources)
    row, end = np.repeat(rows * size, sizes), np.repeat(targets, sizes)
    columns = [start]
    while (columns[-1] != end).any():
        columns.append(onward.take(row + columns[-1]))
    path = np.stack(columns, axis=1)
    # The target stands in the last column of all, and once in each path.
    inside = np.ones(path.shape, dtype=bool)
    inside[:, 1:] = path[:, :-1] != end[:, None]
    starts = np.concatenate([[0], inside.sum(axis=1).cumsum()])
    dtype = np.uint16 if size <= 2**16 else np.uint32
    km = distance.take(row + start).astype(np.float32)
    return Paths(path[inside].astype(dtype), starts, km)
