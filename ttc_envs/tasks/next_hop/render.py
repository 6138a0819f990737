"""The scene of an answer: the map, all hops, the path that they make, the shortest one.

Shapes: V places of the map, which are the N nodes.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ttc_envs.spec import Array, Instances
from ttc_envs.tasks.maps.pools import mainland_table
from ttc_envs.tasks.maps.scene import Scene, confidences, follow, names_of


def scene_of(
    instance: Instances, answer: Array, scores: dict[str, Array], confidence: Array | None
) -> Scene:
    """The scene of next hops (N,); places without a hop are dots alone."""
    neighbours = instance.fields["neighbours"][0].astype(np.int64)
    source, target = (int(instance.labels[name][0]) for name in ("source", "target"))
    onward = np.where(answer >= 0, neighbours[np.arange(len(answer)), answer], -1)
    best = neighbours[np.arange(len(answer)), instance.labels["answer"][0]]
    sure = confidences(confidence, len(answer))
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


def _places(rows: Array) -> tuple[Array, list[str]]:
    """Positions and names of mainland places; on a circle where they are not known (-1)."""
    cities, _ = mainland_table()
    known = rows >= 0
    angle = np.arange(len(rows)) * 2 * np.pi / len(rows)
    circle = np.stack([38 + 9 * np.sin(angle), -96 + 18 * np.cos(angle)], axis=1)
    degrees = np.stack([cities["latitude"], cities["longitude"]], axis=1)
    positions = np.where(known[:, None], degrees[np.maximum(rows, 0)], circle)
    names = names_of({name: cities[name][np.maximum(rows, 0)] for name in ("name", "state")})
    return positions, [name if known[i] else f"node {i}" for i, name in enumerate(names)]
