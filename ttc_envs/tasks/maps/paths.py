"""A data set of shortest paths in shards, for models that read paths as text.

What a shard holds depends on the settings and its number alone (`shards`), so that an interrupted
run goes on where it was, with any number of processes. Splits divide the unordered pairs: a path
and its reverse are never on two sides.

A folder holds `settings.json`, `cities.csv` (row i is token i) and for each shard and split an npz
with `tokens` (all paths, one after the other), `starts` (P + 1,) and `km` (P,).

Shapes: P paths of a file, K tokens of a file.
"""

from __future__ import annotations

import csv
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np

from ttc_envs.tasks.maps.fixed_map import SHARES, in_split
from ttc_envs.tasks.maps.graph import CityGraph, city_graph, select_cities
from ttc_envs.tasks.maps.shards import PathSettings, plan_of, shard_paths

Progress = Callable[[str, float], None]


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
    plan = plan_of(settings.count, len(graph), graph.dropped)
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
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=end_with_parent) as pool:
        try:
            sizes = [pool.submit(write_shard, out, settings, shard) for shard in shards]
            for size in sizes:
                yield size.result()
        finally:
            pool.shutdown(cancel_futures=True)


def end_with_parent() -> None:
    """End this process when the one that started it ends, as it may by a signal.

    The workers of a pool would wait for the next shard forever.
    """
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


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
