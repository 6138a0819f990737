"""A data set of shortest paths in shards, for models that read paths as text.

What a shard holds depends on the settings and its number alone (`shards`), so that an interrupted
run goes on where it was, with any number of processes. Splits divide the unordered pairs: a path
and its reverse are never on two sides.

A folder holds `settings.json`, `cities.csv` (row i is token i) and for each shard and split an npz
with `tokens` (all paths, one after the other), `starts` (P + 1,) and `km` (P,). One process at a
time writes to it, and each file gets its name when all of it is on the disk.

Shapes: P paths of a file, K tokens of a file.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import lru_cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np

from ttc_envs.files import digest, locked, read_regular, write_atomically, written_whole
from ttc_envs.tasks.maps.fixed_map import SHARES, in_split
from ttc_envs.tasks.maps.graph import CityGraph, cities_digest, city_graph, select_cities
from ttc_envs.tasks.maps.shards import PathSettings, plan_of, shard_paths

Progress = Callable[[str, float], None]
MOST_SETTINGS = 1 << 16
"""Bytes of `settings.json`."""


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
        ValueError: An argument is out of range, the folder holds other data, or a file of places
            changes meanwhile.
        BlockingIOError: Another process writes to the folder.
    """
    if processes is not None and processes < 1:
        raise ValueError(f"processes must be at least 1, got {processes}")
    start, out = time.perf_counter(), Path(out)
    graph, vocabulary = made(str(cities), radius_km, cities_digest(str(cities)))
    name = hashlib.sha256(vocabulary).hexdigest()
    settings = PathSettings(str(cities), radius_km, int(count), int(seed), name)
    plan = plan_of(settings.count, len(graph), graph.dropped)
    out.mkdir(parents=True, exist_ok=True)
    with locked(out / "paths", wait=False):
        _prepare(out, settings, graph, vocabulary)
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


@lru_cache(maxsize=2)
def made(cities: str, radius_km: float | None, sha256: str) -> tuple[CityGraph, bytes]:
    """The map and its `cities.csv`, made once in each process for each content of a file."""
    graph = city_graph(select_cities(cities, sha256), radius_km)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["token", *graph.cities])
    columns = [column.tolist() for column in graph.cities.values()]
    for token, row in enumerate(zip(*columns, strict=True)):
        writer.writerow([token, *row])
    return graph, text.getvalue().encode()


def _prepare(out: Path, settings: PathSettings, graph: CityGraph, vocabulary: bytes) -> None:
    """The settings and the vocabulary of a new folder, or a check of what is there."""
    for name in ("settings.json", "cities.csv", *SHARES):
        for left in out.glob(f".{name}*"):  # by a run that was killed
            left.unlink()
    document = {**asdict(settings), "places": len(graph), "roads": len(graph.neighbours) // 2}
    path, cities = out / "settings.json", out / "cities.csv"
    if path.exists():
        found = _read_settings(path)
        if found != document:
            raise ValueError(f"{out} holds paths of other settings: {found}, expected {document}")
        if cities.exists() and digest(cities) != settings.vocabulary:
            raise ValueError(f"{cities} has been changed since its paths were written")
    if not cities.exists():
        write_atomically(cities, vocabulary)
    if not path.exists():
        # Last, since it says that the vocabulary is complete.
        write_atomically(path, (json.dumps(document) + "\n").encode())


def _read_settings(path: Path) -> Any:
    """The document of a folder.

    Raises:
        ValueError: It is damaged.
    """
    try:
        return json.loads(read_regular(path, MOST_SETTINGS))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not the settings of a data set ({error})") from None


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
    """Write the files of a shard; returns the number of its paths.

    Raises:
        ValueError: The file of places has changed since the run began.
    """
    graph, vocabulary = made(settings.cities, settings.radius_km, cities_digest(settings.cities))
    if hashlib.sha256(vocabulary).hexdigest() != settings.vocabulary:
        raise ValueError(f"{settings.cities} has changed since these paths were begun")
    paths = shard_paths(graph, settings, shard)
    for split in SHARES:
        part = paths[in_split(paths.first, paths.last, split)]
        with written_whole(shard_file(out, split, shard)) as file:
            np.savez(file, tokens=part.tokens, starts=part.starts, km=part.km)
    return len(paths)
