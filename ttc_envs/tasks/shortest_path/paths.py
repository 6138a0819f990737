"""A data set of shortest paths in shards, for models that read paths as text.

Every place of a random order is a target in turn; one run of Dijkstra's method gives the next place
on the way to it from everywhere, and the paths from many sources are traced side by side. What a
shard holds depends on the settings and its number alone, so that an interrupted run goes on where
it was, with any number of processes. Splits divide the unordered pairs: a path and its reverse are
never on two sides.

A folder holds `settings.json`, `cities.csv` (row i is token i) and for each shard and split an npz
with `tokens` (all paths, one after the other), `starts` (P + 1,) and `km` (P,).

Shapes: V places, S sources, P paths of a file, K tokens of a file.
"""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from ttc_envs.random_words import random_words
from ttc_envs.spec import Array
from ttc_envs.tasks.shortest_path.fixed_map import SHARES, in_split
from ttc_envs.tasks.shortest_path.graph import CityGraph, city_graph, select_cities

PER_TARGET = 4096
"""Paths to one target, where fewer targets suffice: a compromise of speed and variety."""
SHARD_PATHS = 65_536
BLOCK = 16
"""Targets of one call of scipy."""
TARGET_STREAM, SOURCE_STREAM = 7, 8

Progress = Callable[[str, float], None]


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


def plan_of(count: int, num_places: int) -> Plan:
    """The plan for so many paths on a map.

    Raises:
        ValueError: There are not so many ordered pairs.
    """
    pairs = num_places * (num_places - 1)
    if not 1 <= count <= pairs:
        raise ValueError(
            f"count must lie in 1..{pairs} on a map of {num_places} places, got {count}"
        )
    per_target = min(num_places - 1, max(-(-count // num_places), PER_TARGET))
    return Plan(count, per_target, max(1, SHARD_PATHS // per_target))


def write_paths(
    out: str | Path,
    cities: str = "all",
    radius_km: float | None = 70.0,
    count: int = 5_000_000,
    seed: int = 0,
    processes: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write a data set of shortest paths, or what is missing of it.

    Args:
        out: Its folder, new or of an interrupted run with the same settings.
        cities: `all`, `largest=K`, `random=K`, `spread=K`, `state=TX` or the path of a csv file.
        radius_km: The longest road; None for the shortest that connects all places.
        count: Paths in all splits together.
        seed: Of the choice of pairs.
        processes: None for one per CPU.
        progress: Called with a label and the share that is done.

    Returns:
        `paths`, `paths_written` (in this run), `seconds`, `places`, `dropped`, `shards`, `out`.

    Raises:
        ValueError: An argument is out of range, or the folder holds other data.
    """
    if processes is not None and processes < 1:
        raise ValueError(f"processes must be at least 1, got {processes}")
    start, out = time.perf_counter(), Path(out)
    settings = PathSettings(str(cities), radius_km, int(count), int(seed))
    graph = _graph(settings.cities, settings.radius_km)
    plan = plan_of(settings.count, len(graph))
    _prepare(out, settings, graph)
    missing = [shard for shard in range(plan.num_shards) if not _is_there(out, shard)]
    written = 0
    for done, paths in enumerate(_run(out, settings, missing, processes), start=1):
        written += paths
        if progress is not None:
            progress("paths", 1 - (len(missing) - done) / plan.num_shards)
    return {
        "paths": settings.count,
        "paths_written": written,
        "seconds": round(time.perf_counter() - start, 3),
        "places": len(graph),
        "dropped": graph.dropped,
        "shards": plan.num_shards,
        "out": str(out),
    }


@cache
def _graph(cities: str, radius_km: float | None) -> CityGraph:
    """The map, made once in each process."""
    return city_graph(select_cities(cities), radius_km)


def _prepare(out: Path, settings: PathSettings, graph: CityGraph) -> None:
    """The settings and the vocabulary of a new folder, or a check of what is there."""
    out.mkdir(parents=True, exist_ok=True)
    document = {**asdict(settings), "places": len(graph), "roads": len(graph.neighbours) // 2}
    path = out / "settings.json"
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))
        if found != document:
            raise ValueError(f"{out} holds paths of other settings: {found}, expected {document}")
        return
    partial = out / "cities.csv.partial"
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["token", *graph.cities])
        columns = [column.tolist() for column in graph.cities.values()]
        writer.writerows(enumerate_rows(columns))
    partial.replace(out / "cities.csv")
    # Last, since it says that the vocabulary is complete.
    _write(path, (json.dumps(document) + "\n").encode())


def enumerate_rows(columns: list[list[Any]]) -> Iterator[list[Any]]:
    """Rows of columns, numbered."""
    for token, row in enumerate(zip(*columns, strict=True)):
        yield [token, *row]


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    partial.replace(path)


def shard_file(out: Path, split: str, shard: int) -> Path:
    """The file of a split and a shard."""
    return out / f"{split}-{shard:05d}.npz"


def _is_there(out: Path, shard: int) -> bool:
    return all(shard_file(out, split, shard).exists() for split in SHARES)


def _run(
    out: Path, settings: PathSettings, shards: list[int], processes: int | None
) -> Iterator[int]:
    """Make the shards; yields the number of paths of each."""
    processes = min(processes or os.cpu_count() or 1, len(shards))
    if processes <= 1:
        for shard in shards:
            yield write_shard(out, settings, shard)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        try:
            sizes = [pool.submit(write_shard, out, settings, shard) for shard in shards]
            for size in sizes:
                yield size.result()
        finally:
            pool.shutdown(cancel_futures=True)


def write_shard(out: Path, settings: PathSettings, shard: int) -> int:
    """Write the files of a shard; returns the number of its paths."""
    graph = _graph(settings.cities, settings.radius_km)
    paths = shard_paths(graph, settings, shard)
    for split in SHARES:
        part = paths[in_split(paths.first, paths.last, split)]
        partial = out / f"{split}-{shard:05d}.partial.npz"
        np.savez(partial, tokens=part.tokens, starts=part.starts, km=part.km)
        partial.replace(shard_file(out, split, shard))
    return len(paths)


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
