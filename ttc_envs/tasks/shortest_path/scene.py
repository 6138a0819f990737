"""What there is to draw of an answer to a path task, and the same in words.

Shapes: V places of the map, L slots, N nodes, E roads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ttc_envs.colours import check_confidence
from ttc_envs.spec import Array, Instances
from ttc_envs.tasks.shortest_path.graph import CityGraph
from ttc_envs.tasks.shortest_path.maps import mainland_table

MOST_ROADS = 20_000
"""Roads that are drawn; more would cover the country."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What there is to draw.

    Args:
        positions: (V, 2) latitude and longitude.
        names: V names of places.
        jumps: (from, to, legal, confidence or None) along the answer's path.
        hops: (from, to, confidence or None) of places off the path.
        roads: (E, 2), drawn faintly.
        optimum: Places of a shortest path.
        source: Where the path begins.
        target: Where it should end.
        scores: Of the answer, (1,) each.
    """

    positions: Array
    names: Sequence[str]
    jumps: list[tuple[int, int, bool, float | None]]
    hops: list[tuple[int, int, float | None]]
    roads: Array
    optimum: list[int]
    source: int
    target: int
    scores: dict[str, Array]


def sequence_scene(
    graph: CityGraph,
    instance: Instances,
    answer: Array,
    scores: dict[str, Array],
    confidence: Array | None,
) -> Scene:
    """The scene of a sequence of places (L,); undecided slots are left out."""
    target = int(instance.fields["target"][0, 0])
    sure = _checked(confidence, len(answer))
    path = [(int(place), slot) for slot, place in enumerate(answer) if place >= 0]
    jumps = [
        (a, b, _is_road(graph, a, b), sure[slot])
        for (a, _), (b, slot) in pairwise(path)
        if not a == b == target
    ]
    cities = graph.cities
    return Scene(
        np.stack([cities["latitude"], cities["longitude"]], axis=1),
        _names(cities),
        jumps,
        [],
        _roads_of(graph),
        instance.labels["answer"][0].tolist(),
        int(instance.fields["givens"][0, 0]),
        target,
        scores,
    )


def next_hop_scene(
    instance: Instances, answer: Array, scores: dict[str, Array], confidence: Array | None
) -> Scene:
    """The scene of next hops (N,); places without a hop are dots alone."""
    neighbours = instance.fields["neighbours"][0].astype(np.int64)
    source, target = (int(instance.labels[name][0]) for name in ("source", "target"))
    onward = np.where(answer >= 0, neighbours[np.arange(len(answer)), answer], -1)
    best = neighbours[np.arange(len(answer)), instance.labels["answer"][0]]
    sure = _checked(confidence, len(answer))
    on_path = follow(onward, source, target)
    jumps = [(a, b, True, sure[a]) for a, b in pairwise(on_path)]
    first = set(on_path[:-1]) | {target}
    hops = [(a, int(b), sure[a]) for a, b in enumerate(onward) if b >= 0 and a not in first]
    positions, names = _places(instance.labels["places"][0])
    nodes, slots = np.nonzero(neighbours >= 0)
    roads = np.stack([nodes, neighbours[nodes, slots]], axis=1)
    roads = roads[roads[:, 0] < roads[:, 1]]
    optimum = follow(best, source, target)
    return Scene(positions, names, jumps, hops, roads, optimum, source, target, scores)


def follow(onward: Array, source: int, target: int) -> list[int]:
    """The places that hops (V,) lead through: to the target, to a dead end or once round a loop."""
    path = [source]
    while path[-1] != target and onward[path[-1]] >= 0:
        path.append(int(onward[path[-1]]))
        if path[-1] in path[:-1]:
            break
    return path


def _checked(confidence: Array | None, size: int) -> list[float | None]:
    """The confidence of each node, None where it is not known."""
    if confidence is None:
        return [None] * size
    return [float(c) for c in check_confidence(confidence, size)]


def _is_road(graph: CityGraph, a: int, b: int) -> bool:
    return b in graph.neighbours[graph.starts[a] : graph.starts[a + 1]]


def _roads_of(graph: CityGraph) -> Array:
    """(E, 2) roads, each once; none where they are too many to draw."""
    if len(graph.neighbours) > 2 * MOST_ROADS:
        return np.zeros((0, 2), dtype=np.int64)
    sources = np.repeat(np.arange(len(graph)), graph.degrees)
    roads = np.stack([sources, graph.neighbours], axis=1)
    return roads[sources < graph.neighbours]


def _names(cities: dict[str, Array]) -> list[str]:
    return [f"{n}, {s}" for n, s in zip(cities["name"], cities["state"], strict=True)]


def _places(rows: Array) -> tuple[Array, list[str]]:
    """Positions and names of mainland places; on a circle where they are not known (-1)."""
    cities, _ = mainland_table()
    known = rows >= 0
    angle = np.arange(len(rows)) * 2 * np.pi / len(rows)
    circle = np.stack([38 + 9 * np.sin(angle), -96 + 18 * np.cos(angle)], axis=1)
    degrees = np.stack([cities["latitude"], cities["longitude"]], axis=1)
    positions = np.where(known[:, None], degrees[np.maximum(rows, 0)], circle)
    names = _names({name: cities[name][np.maximum(rows, 0)] for name in ("name", "state")})
    return positions, [name if known[i] else f"node {i}" for i, name in enumerate(names)]


def text_of(scene: Scene) -> str:
    """Both ends, what the path amounts to, and the path itself."""
    legal = sum(jump[2] for jump in scene.jumps)
    ratio = float(scene.scores["length_ratio"][0])
    illegal = int(scene.scores["illegal_jumps"][0])
    parts = [f"{legal} legal jumps", f"{illegal} illegal"]
    if illegal:
        parts[1] = f"\x1b[31m{parts[1]}\x1b[0m"
    if np.isfinite(ratio):
        parts.append("\x1b[32mshortest\x1b[0m" if scene.scores["optimal"][0] else f"{ratio:.3f} x")
    else:
        parts.append("does not arrive")
    path = scene.names[scene.source]
    for _, place, allowed, _ in scene.jumps:
        arrow = ">" if allowed else "\x1b[31mx\x1b[0m"
        path += f" {arrow} {scene.names[place]}"
    ends = f"\x1b[1m{scene.names[scene.source]} -> {scene.names[scene.target]}\x1b[0m"
    return f"{ends}: {', '.join(parts)}\n{path}"
