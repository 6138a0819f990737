"""Figures of the shortest path task, in process CPU time, medians of repeats.

- `graph`: the whole table at 70 km: CPU seconds to build, and of one distance field; its memory.
- `paths`: paths per second, traced and written, over the 4,134 largest places at 70 km; in turns
  with a plain form of the usual script (a heap in Python for each source, the paths put together
  one by one), of which a few sources are run.
- `sequence`, `next_hop`: steps per second of 1024 environments with whole answers at random, and
  with right ones.
- `load`: milliseconds to load the packaged table.

    python benchmarks/shortest_path.py
    python benchmarks/shortest_path.py --repeats 9 --only sequence next_hop

The last line on stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

# Before numpy is imported: one thread, since process CPU time adds threads up.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import gymnasium as gym
import numpy as np

import ttc_envs  # noqa: F401
from ttc_envs.tasks.maps.cities import _packaged, load_cities
from ttc_envs.tasks.maps.graph import CityGraph, city_graph, select_cities
from ttc_envs.tasks.maps.paths import write_shard
from ttc_envs.tasks.maps.shards import PathSettings, plan_of

NUM_ENVS = 1024
LARGEST = "largest=4134"
REFERENCE_SOURCES = 3


def seconds(run: Callable[[], Any]) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    run()
    return time.process_time() - start


def median_seconds(run: Callable[[], Any], repeats: int) -> float:
    """The median, after a call that does not count."""
    run()
    return statistics.median(seconds(run) for _ in range(repeats))


def bench_load(repeats: int) -> dict[str, Any]:
    """The packaged table, read anew."""

    def load() -> None:
        _packaged.cache_clear()
        load_cities()

    return {"milliseconds": round(1000 * median_seconds(load, repeats), 1)}


def bench_graph(repeats: int) -> dict[str, Any]:
    """All places at 70 km."""
    cities = load_cities()
    graph = city_graph(cities, 70.0)
    target = np.array([0])
    arrays = (graph.starts, graph.neighbours, graph.km)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return {
        "places": len(graph),
        "roads": len(graph.neighbours) // 2,
        "megabytes": round(sum(array.nbytes for array in arrays) / 2**20),
        "peak_megabytes_of_the_process": round(peak),
        "build_s": round(median_seconds(lambda: city_graph(cities, 70.0), repeats), 3),
        "field_s": round(median_seconds(lambda: graph.fields(target), repeats), 4),
    }


def bench_paths(repeats: int) -> dict[str, Any]:
    """One shard of our own, in turns with the plain form."""
    graph = city_graph(select_cities(LARGEST), 70.0)
    pairs = len(graph) * (len(graph) - 1)
    settings = PathSettings(LARGEST, 70.0, pairs, 0)
    edges = adjacency(graph)
    shards = plan_of(pairs, len(graph)).num_shards
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)

        def ours() -> int:
            return write_shard(out, settings, 1 % shards)

        def plain() -> int:
            return sum(len(plain_paths(edges, source)) for source in range(REFERENCE_SOURCES))

        written, enumerated = ours(), plain()
        rates = [(written / seconds(ours), enumerated / seconds(plain)) for _ in range(repeats)]
    return {
        "places": len(graph),
        "paths_per_s": round(statistics.median(own for own, _ in rates)),
        "plain_paths_per_s": round(statistics.median(other for _, other in rates)),
        "ratio": round(statistics.median(own / other for own, other in rates), 1),
    }


def adjacency(graph: CityGraph) -> list[list[tuple[int, float]]]:
    """For each place its neighbours and the km to them."""
    neighbours, km = graph.neighbours.tolist(), graph.km.tolist()
    starts = graph.starts.tolist()
    return [list(zip(neighbours[a:b], km[a:b], strict=True)) for a, b in pairwise(starts)]


def plain_paths(edges: list[list[tuple[int, float]]], source: int) -> list[list[int]]:
    """All shortest paths from a source: a heap, then each path back along the predecessors."""
    distance, before = {source: 0.0}, {source: source}
    heap, finished = [(0.0, source)], set()
    while heap:
        length, place = heapq.heappop(heap)
        if place in finished:
            continue
        finished.add(place)
        for neighbour, km in edges[place]:
            longer = length + km
            if longer < distance.get(neighbour, np.inf):
                distance[neighbour], before[neighbour] = longer, place
                heapq.heappush(heap, (longer, neighbour))
    paths = []
    for target in before:
        path = [target]
        while path[-1] != source:
            path.append(before[path[-1]])
        paths.append(path[::-1])
    return paths


def bench_env(env_id: str, repeats: int) -> dict[str, Any]:
    """Whole answers at random, and the right ones (episodes then go on to their limit)."""
    figures = {}
    for name in ("random", "right"):
        envs: Any = gym.make_vec(env_id, num_envs=NUM_ENVS, terminate_on_solved=name == "random")
        envs.reset(seed=0)
        sizes = envs.single_action_space.nvec
        answers = np.random.default_rng(0).integers(0, sizes, (32, NUM_ENVS, len(sizes)))
        if name == "right":
            answers = np.repeat(envs.solution()[None], 31, axis=0)

        def play(envs: Any = envs, answers: np.ndarray = answers) -> None:
            for actions in answers:
                envs.step(actions)

        rates = []
        for _ in range(repeats + 1):
            if name == "right":
                envs.reset(seed=0)
            rates.append(NUM_ENVS * len(answers) / seconds(play))
        figures[f"{name}_steps_per_s"] = round(statistics.median(rates[1:]))
    return figures


BENCHMARKS: dict[str, Callable[[int], dict[str, Any]]] = {
    "load": bench_load,
    "graph": bench_graph,
    "paths": bench_paths,
    "sequence": lambda repeats: bench_env("ttc/ShortestPathUSA-v0", repeats),
    "next_hop": lambda repeats: bench_env("ttc/ShortestPath-v0", repeats),
}


def main() -> None:
    """Run the benchmarks and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="default 5")
    parser.add_argument("--only", nargs="+", choices=sorted(BENCHMARKS), default=list(BENCHMARKS))
    options = parser.parse_args()
    results = {}
    for name in options.only:
        results[name] = BENCHMARKS[name](options.repeats)
        print(name, results[name], flush=True)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
