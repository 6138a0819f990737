"""The scene of an answer: the roads of the map, the way that is written down, the shortest one.

Shapes: V places of the map, L slots, E roads.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ttc_envs.spec import Array, Instances
from ttc_envs.tasks.maps.graph import CityGraph
from ttc_envs.tasks.maps.scene import Scene, confidences, names_of

MOST_ROADS = 20_000
"""Roads that are drawn; more would cover the country."""


def scene_of(
    graph: CityGraph,
    instance: Instances,
    answer: Array,
    scores: dict[str, Array],
    confidence: Array | None,
) -> Scene:
    """The scene of a sequence of places (L,); undecided slots are left out."""
    target = int(instance.fields["target"][0, 0])
    sure = confidences(confidence, len(answer))
    path = [(int(place), slot) for slot, place in enumerate(answer) if place >= 0]
    jumps = [
        (a, b, _is_road(graph, a, b), sure[slot])
        for (a, _), (b, slot) in pairwise(path)
        if not a == b == target
    ]
    cities = graph.cities
    return Scene(
        np.stack([cities["latitude"], cities["longitude"]], axis=1),
        names_of(cities),
        jumps,
        [],
        _roads_of(graph),
        instance.labels["answer"][0].tolist(),
        int(instance.fields["givens"][0, 0]),
        target,
        scores,
    )


def _is_road(graph: CityGraph, a: int, b: int) -> bool:
    return b in graph.neighbours[graph.starts[a] : graph.starts[a + 1]]


def _roads_of(graph: CityGraph) -> Array:
    """(E, 2) roads, each once; none where they are too many to draw."""
    if len(graph.neighbours) > 2 * MOST_ROADS:
        return np.zeros((0, 2), dtype=np.int64)
    sources = np.repeat(np.arange(len(graph)), graph.degrees)
    roads = np.stack([sources, graph.neighbours], axis=1)
    return roads[sources < graph.neighbours]
