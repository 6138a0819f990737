"""Pools of small maps: spread places, the smallest radius that connects them, distance fields.

A map is made from its number alone: a random choice of ten times as many places, thinned by
farthest-point sampling, the nodes in random order. Maps with a place of more neighbours than fit
are passed over. Distances are in units of the map's radius and float32, as agents see them; the
fields are exact for these.

Shapes: M maps, K places, P places to choose from, N nodes (K, padded), D neighbours per node,
T targets per map.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ttc_envs.random_words import random_words
from ttc_envs.spec import Array
from ttc_envs.tasks.maps.cities import choose, load_cities, mainland
from ttc_envs.tasks.maps.graph import SLACK, km_of_chord, unit_vectors

SPLITS = ("train", "validation", "test")
KINDS = {"spread": 1.0, "dense": 1.5}
"""The radius of each kind of map, in units of the smallest that connects it."""
MOST_NEIGHBOURS = {64: 8, 512: 12, 1024: 20, 2048: 32}
"""What a node of a spread map may have, by the size up to which it holds. The radius has to connect
the emptiest region, and crowded ones have more places within it the more places there are: two of
100 maps of 1,024 places have at most 12 neighbours everywhere, 69 at most 20; of 2,048 places none
has at most 24, and 70% have at most 32."""
CHOICE = 10
TARGETS = 8
BLOCK, LARGE = 64, 256
"""Maps that are made at once, up to so many places; see `block_size`."""
PLACE_STREAM, ORDER_STREAM, TARGET_STREAM = 2, 3, 4
TIE = 1e-9
"""Ways are equally short if their lengths differ by no more than this share."""


@dataclass(frozen=True, eq=False)
class MapPool:
    """Maps with targets and labels; all arrays read-only.

    Args:
        rows: (M, N) int32, the place of each node in the mainland table; -1 for padding.
        neighbours: (M, N, D) of the smallest dtype, nearest first, -1 for padding.
        distances: (M, N, D) float32 in 0..1, 0 for padding.
        targets: (M, T) int32.
        distance: (M, T, N) float64, the distance of each node to the target, infinite for padding.
        tight: (M, T, N, D) bool, the slots that begin a shortest path.
        answer: (M, T, N), the first tight slot of each node, 0 where there is none.
        places: K.
    """

    rows: Array
    neighbours: Array
    distances: Array
    targets: Array
    distance: Array
    tight: Array
    answer: Array
    places: int

    def __len__(self) -> int:
        """The number of maps, M."""
        return len(self.rows)


def most_neighbours(kind: str, places: int) -> int:
    """The neighbours that a node of such a map may have; maps with more are passed over."""
    fewest = next(most for largest, most in MOST_NEIGHBOURS.items() if places <= largest)
    return fewest if kind == "spread" else 2 * fewest


def pool_size(places: int) -> int:
    """M: fewer of larger maps, which take longer to make."""
    return max(32, min(1024, 2**22 // places**2))


def block_size(places: int) -> int:
    """Maps that are made at once: fewer of larger maps, whose distances (K, K) take the memory."""
    return max(1, min(BLOCK, BLOCK * LARGE**2 // places**2))


@cache
def mainland_table() -> tuple[dict[str, Array], Array]:
    """The packaged places outside of Alaska and Hawaii, and their unit vectors (V, 3)."""
    cities = load_cities()
    cities = choose(cities, mainland(cities))
    return cities, unit_vectors(cities["latitude"], cities["longitude"])


@cache
def map_pool(kind: str, places: int, num_nodes: int, degree: int, split: str) -> MapPool:
    """The maps of a kind and size in a split, padded to `num_nodes` nodes and `degree` slots."""
    wanted = pool_size(places)
    blocks: list[tuple[Array, Array, Array]] = []
    first, made, size = SPLITS.index(split) << 32, 0, block_size(places)
    while made < wanted:
        numbers = np.arange(first, first + size, dtype=np.uint64)
        block = _make_maps(numbers, places, KINDS[kind], most_neighbours(kind, places))
        blocks.append(block)
        first, made = first + size, made + len(block[0])
    rows, neighbours, distances = (
        np.concatenate(parts)[:wanted] for parts in zip(*blocks, strict=True)
    )
    return _labelled(rows, neighbours, distances, num_nodes, degree)


def _make_maps(numbers: Array, places: int, factor: float, most: int) -> tuple[Array, Array, Array]:
    """Places (M, K), neighbours (M, K, `most`) and distances of the maps that fit."""
    _, points = mainland_table()
    words = random_words(numbers, PLACE_STREAM, min(CHOICE * places, len(points)))
    candidates = (words % np.uint64(len(points))).astype(np.int64)
    chosen = spread(points[candidates], places)
    rows = np.take_along_axis(candidates, chosen, axis=1)
    order = random_words(numbers, ORDER_STREAM, places).argsort(axis=1, kind="stable")
    rows = np.take_along_axis(rows, order, axis=1)
    here = points[rows]
    km = km_of_chord(np.linalg.norm(here[:, :, None] - here[:, None], axis=-1))
    radius = spanning_radius(km) * factor * SLACK
    fits = ((km <= radius[:, None, None]).sum(axis=2) - 1 <= most).all(axis=1)
    neighbours, share = _nearest(km[fits], radius[fits], most)
    return rows[fits].astype(np.int32), neighbours, share


def spread(points: Array, count: int) -> Array:
    """(M, count) farthest-point samples of (M, P, 3) unit vectors, from the first point on."""
    chosen = np.zeros((len(points), count), dtype=np.int64)
    maps = np.arange(len(points))
    nearest = np.full(points.shape[:2], -np.inf)
    for i in range(count):
        if i:
            chosen[:, i] = nearest.argmin(axis=1)
        inner = (points @ points[maps, chosen[:, i], :, None])[..., 0]
        np.maximum(nearest, inner, out=nearest)
    return chosen


def spanning_radius(km: Array) -> Array:
    """(M,) the longest edges of minimum spanning trees of (M, K, K) distances, by Prim's method."""
    maps = np.arange(len(km))
    best = km[:, 0].copy()
    best[:, 0] = np.inf
    inside = np.zeros(best.shape, dtype=bool)
    inside[:, 0] = True
    longest = np.zeros(len(km))
    for _ in range(km.shape[1] - 1):
        node = best.argmin(axis=1)
        np.maximum(longest, best[maps, node], out=longest)
        inside[maps, node] = True
        np.minimum(best, km[maps, node], out=best)
        best[inside] = np.inf
    return longest


def _nearest(km: Array, radius: Array, most: int) -> tuple[Array, Array]:
    """Neighbours (M, K, `most`), nearest first, and distances in units of the radius."""
    size = km.shape[1]
    km = np.where(np.eye(size, dtype=bool), np.inf, km)
    slots = min(most, size - 1)
    neighbours = np.full((*km.shape[:2], most), -1, dtype=np.int64)
    neighbours[..., :slots] = km.argsort(axis=2, kind="stable")[..., :slots]
    share = np.take_along_axis(km, np.maximum(neighbours, 0), axis=2) / radius[:, None, None]
    here = (neighbours >= 0) & (share <= 1)
    return np.where(here, neighbours, -1), np.where(here, share, 0).astype(np.float32)


def _labelled(
    rows: Array, neighbours: Array, distances: Array, num_nodes: int, degree: int
) -> MapPool:
    """The pool of maps, padded, with targets and labels."""
    num_maps, places = rows.shape
    padding = ((0, 0), (0, num_nodes - places))
    slots = (0, degree - neighbours.shape[2])
    rows = np.pad(rows, padding, constant_values=-1)
    dtype = np.int8 if num_nodes <= 128 else np.int32
    neighbours = np.pad(neighbours, (*padding, slots), constant_values=-1).astype(dtype)
    distances = np.pad(distances, (*padding, slots))
    noise = random_words(np.arange(num_maps), TARGET_STREAM, places)
    targets = noise.argsort(axis=1, kind="stable")[:, :TARGETS].astype(np.int32)
    fields = [distance_fields(*m) for m in zip(neighbours, distances, targets, strict=True)]
    distance = np.stack(fields)
    tight = tight_slots(neighbours[:, None], distances[:, None], distance)
    answer = tight.argmax(axis=3).astype(np.int8 if degree <= 128 else np.int32)
    arrays = (rows, neighbours, distances, targets, distance, tight, answer)
    for array in arrays:
        array.flags.writeable = False
    return MapPool(*arrays, places)


def distance_fields(neighbours: Array, distances: Array, targets: Array) -> Array:
    """(T, N) float64, the distance of every node of a map (N, D) to each target (T,)."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import dijkstra

    nodes, slots = np.nonzero(neighbours >= 0)
    ends, size = neighbours[nodes, slots], len(neighbours)
    # Rows are the places where roads end, since the ways to a target are those from it backwards.
    order = ends.argsort(kind="stable")
    starts = np.concatenate([[0], np.bincount(ends, minlength=size).cumsum()])
    km = distances[nodes, slots][order].astype(np.float64)
    # From sorted roads, since scipy takes longer to sort them and adds up those of the same ends.
    rows = (km, nodes[order].astype(np.int32), starts.astype(np.int32))
    fields: Array = dijkstra(csr_matrix(rows, shape=(size, size)), indices=targets)
    return fields


def through(neighbours: Array, distances: Array, distance: Array) -> Array:
    """(..., N, D) float64, the way to the target through each slot; infinite for padding.

    `neighbours` and `distances` are (..., N, D), `distance` (..., N) is the nodes' own.
    """
    shape = np.broadcast_shapes(neighbours.shape[:-2], distance.shape[:-1])
    nodes, slots = neighbours.shape[-2:]
    index = np.broadcast_to(np.maximum(neighbours, 0), (*shape, nodes, slots)).astype(np.int64)
    flat = index.reshape(*shape, nodes * slots)
    onward = np.take_along_axis(distance, flat, axis=-1).reshape(*shape, nodes, slots)
    return np.where(neighbours >= 0, distances.astype(np.float64) + onward, np.inf)


def tight_slots(neighbours: Array, distances: Array, distance: Array) -> Array:
    """(..., N, D) bool, the slots that begin a shortest path; shapes as in `through`."""
    ways = through(neighbours, distances, distance)
    own = np.where((distance > 0) & (distance < np.inf), distance, -np.inf)
    tight: Array = ways <= own[..., None] * (1 + TIE)
    return tight
