"""Instances of the next-hop task: drawn from a pool of maps, or labelled maps of the caller's.

Labels: `answer` (B, N) the first right slot of each node, `right` (B, N, D) all slots that begin a
shortest path, `distance` (B, N) to the target, `optimum` (B,) that of the source, `counted` (B,)
nodes with a right slot, `source` and `target` (B,) nodes, `places` (B, N) rows of the mainland
table, -1 where there is none.

Shapes: B batch, N nodes, D neighbours per node.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ttc_envs.random_words import random_words
from ttc_envs.spec import Array, Field, Instances, TaskSpec, count_per_row
from ttc_envs.tasks.maps.pools import (
    MapPool,
    distance_fields,
    mainland_table,
    tight_slots,
)
from ttc_envs.tasks.next_hop.levels import level_names

DRAW_STREAM = 5
MIDDLE, SCALE = (38.0, -96.0), (13.0, 30.0)
"""Degrees of latitude and longitude that coordinates are counted from and in."""


def next_hop_spec(places: int, degree: int, coordinates: bool) -> TaskSpec:
    """The spec for N = `places` and D = `degree`, with or without a field of coordinates."""
    index: Literal["int8", "int32"] = "int8" if places <= 128 else "int32"
    fields = {
        "neighbours": Field("neighbour", "node", (places, degree), index, -1, places - 1),
        "distances": Field("neighbour", "real", (places, degree), "float32", 0, 1),
        "source": Field("node", "symbol", (places,), "int8", 0, 1),
        "target": Field("node", "symbol", (places,), "int8", 0, 1),
    }
    if coordinates:
        fields["coordinates"] = Field("node", "real", (places, 2), "float32", -2, 2)
    return TaskSpec(
        name="shortest_path",
        levels=level_names(places, degree),
        fields=fields,
        num_nodes=places,
        num_choices=degree,
        choices="neighbour",
        num_edits=places * degree,
    )


def drawn(keys: Array, pool: MapPool, spec: TaskSpec) -> Instances:
    """Maps, targets and sources out of a pool, determined by the keys (B,) uint64."""
    words = random_words(keys, DRAW_STREAM, 3)
    sizes = np.array([len(pool), pool.targets.shape[1], pool.places - 1], dtype=np.uint64)
    maps, turn, source = (words % sizes).astype(np.int64).T
    target = pool.targets[maps, turn].astype(np.int64)
    # Any place but the target.
    source = source + (source >= target)
    fields = {"neighbours": pool.neighbours[maps], "distances": pool.distances[maps]}
    if "coordinates" in spec.fields:
        fields["coordinates"] = coordinates_of(pool.rows[maps])
    pairs = maps * pool.targets.shape[1] + turn
    labels = {
        "answer": _flat(pool.answer).take(pairs, axis=0),
        "distance": _flat(pool.distance).take(pairs, axis=0),
        "right": _flat(pool.tight).take(pairs, axis=0),
        "places": pool.rows[maps],
    }
    return _instances(keys, fields, labels, source, target, spec)


def labelled(fields: dict[str, Array], spec: TaskSpec) -> Instances:
    """Instances of checked fields (B, ...), with labels by Dijkstra's method; keys 0.

    Raises:
        ValueError: A road has no length, source or target is not one node, or no way leads from
            one to the other.
    """
    neighbours, distances = fields["neighbours"], fields["distances"]
    if ((neighbours >= 0) & (distances <= 0)).any():
        raise ValueError("distances to neighbours must be positive")
    for name in ("source", "target"):
        if (fields[name].sum(axis=1) != 1).any():
            raise ValueError(f"{name} must mark one node of each instance")
    source, target = (fields[name].argmax(axis=1) for name in ("source", "target"))
    distance = distances_to(target, neighbours, distances)
    lost = np.isinf(distance[np.arange(len(source)), source])
    if lost.any():
        rows = np.flatnonzero(lost)[:8]
        raise ValueError(f"no way leads from the source to the target in instances {rows}")
    tight = tight_slots(neighbours, distances, distance)
    labels = {
        "answer": tight.argmax(axis=2).astype(spec.answer_dtype),
        "distance": distance,
        "right": tight,
        "places": np.full(distance.shape, -1, dtype=np.int32),
    }
    keys = np.zeros(len(source), dtype=np.uint64)
    return _instances(keys, fields, labels, source, target, spec)


def _instances(
    keys: Array,
    fields: dict[str, Array],
    labels: dict[str, Array],
    source: Array,
    target: Array,
    spec: TaskSpec,
) -> Instances:
    """Instances with the fields and labels that follow from the others."""
    rows = np.arange(len(keys))
    for name, node in (("source", source), ("target", target)):
        fields[name] = np.zeros((len(keys), spec.num_nodes), dtype=np.int8)
        fields[name][rows, node] = 1
        labels[name] = node.astype(np.int32)
    labels["optimum"] = labels["distance"][rows, source]
    labels["counted"] = count_per_row(with_hops(labels["right"]))
    return Instances(keys, {name: fields[name] for name in spec.fields}, labels)


def with_hops(right: Array) -> Array:
    """(B, N) bool, the nodes that have a right slot (B, N, D) at all."""
    nodes: Array = np.asarray(right.any(axis=2))
    return nodes


def _flat(labels: Array) -> Array:
    """(M, T, ...) labels as (M * T, ...)."""
    return labels.reshape(-1, *labels.shape[2:])


def distances_to(target: Array, neighbours: Array, distances: Array) -> Array:
    """(B, N) float64, the distance of every node to the target (B,) of its instance."""
    each = zip(neighbours, distances, target[:, None], strict=True)
    return np.concatenate([distance_fields(*one) for one in each])


def coordinates_of(rows: Array) -> Array:
    """(..., N, 2) float32, latitude and longitude of mainland places, 0 for padding."""
    cities, _ = mainland_table()
    degrees = np.stack([cities["latitude"], cities["longitude"]], axis=1)
    scaled = (degrees[np.maximum(rows, 0)] - MIDDLE) / SCALE
    return np.where(rows[..., None] >= 0, scaled, 0).astype(np.float32)
