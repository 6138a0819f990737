"""Graphs of places: an edge wherever two lie within a radius, its weight the great-circle distance.

With unit vectors p_i the distance is 2 R arcsin(|p_i - p_j| / 2), so that a k-d tree in space finds
the neighbours on the sphere.

Shapes: V places, E directed edges (each road counts twice), S sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ttc_envs.files import digest
from ttc_envs.random_words import random_words
from ttc_envs.spec import Array
from ttc_envs.tasks.maps.cities import choose, load_cities, mainland

EARTH_KM = 6371.0088
SHORTEST_KM = 0.001
"""Places at one and the same spot are a metre apart, since roads of no length make idle loops."""
SLACK = 1 + 1e-9
"""An edge as long as the radius counts whatever the rounding."""
SUBSET_STREAM = 1
MOST_ROADS = 6_000_000
"""Of a graph; making one takes some 100 bytes a road."""
MOST_FOR_TREE = 3_000_000
"""Roads in which a spanning tree is looked for."""
MOST_PARTS = 1000
"""Components whose shortest connections are looked for one by one."""


@dataclass(frozen=True, eq=False)
class CityGraph:
    """Places and roads in compressed rows: those of place v are at `starts[v]:starts[v + 1]`.

    Args:
        cities: The places, columns (V,) as in `load_cities`.
        radius_km: The longest road allowed.
        starts: (V + 1,) int32.
        neighbours: (E,) int32, rising within a row.
        km: (E,) float64.
        dropped: Places that were left out because they are not in the largest component.
    """

    cities: dict[str, Array]
    radius_km: float
    starts: Array
    neighbours: Array
    km: Array
    dropped: int

    def __len__(self) -> int:
        """The number of places, V."""
        return len(self.starts) - 1

    @property
    def degrees(self) -> Array:
        """(V,) roads of each place."""
        return np.diff(self.starts)

    def matrix(self) -> Any:
        """The roads as a `scipy.sparse.csr_matrix` (V, V)."""
        from scipy.sparse import csr_matrix

        shape = (len(self), len(self))
        return csr_matrix((self.km, self.neighbours, self.starts), shape=shape)

    def fields(self, targets: Array) -> tuple[Array, Array]:
        """Distance to each target (S, V) float64, and the next place on the way (S, V) int32.

        The next place is negative at the target, and where there is no way (distance infinite).
        """
        from scipy.sparse.csgraph import dijkstra

        distance, following = dijkstra(self.matrix(), indices=targets, return_predecessors=True)
        return distance, following

    def padded(self) -> tuple[Array, Array]:
        """Neighbours (V, D) int32, -1 where there is none, and distances in km (V, D), 0 there."""
        degrees = self.degrees
        slots = np.arange(degrees.max(initial=0)) < degrees[:, None]
        neighbours = np.full(slots.shape, -1, dtype=np.int32)
        km = np.zeros(slots.shape)
        neighbours[slots], km[slots] = self.neighbours, self.km
        return neighbours, km

    def networkx(self) -> Any:
        """A `networkx.Graph`; nodes carry the columns of the table, edges `weight` in km."""
        import networkx

        graph = networkx.Graph(radius_km=self.radius_km)
        columns = {name: column.tolist() for name, column in self.cities.items()}
        for node, row in enumerate(zip(*columns.values(), strict=True)):
            graph.add_node(node, **dict(zip(columns, row, strict=True)))
        sources = np.repeat(np.arange(len(self)), self.degrees)
        once = sources < self.neighbours
        edges = (sources[once].tolist(), self.neighbours[once].tolist(), self.km[once].tolist())
        graph.add_weighted_edges_from(zip(*edges, strict=True))
        return graph


def city_graph(
    cities: dict[str, Array], radius_km: float | None = None, largest_component: bool = True
) -> CityGraph:
    """The graph of places.

    Args:
        cities: Columns (V,) as in `load_cities`.
        radius_km: The longest road allowed; None for the shortest one that connects all places.
        largest_component: Whether to leave out all places but those of the largest component.

    Raises:
        ValueError: There is no place, the radius is not positive, or it makes too many roads.
    """
    if not len(cities["latitude"]):
        raise ValueError("a graph needs at least one place, got none")
    points = unit_vectors(cities["latitude"], cities["longitude"])
    if radius_km is None:
        radius_km = connecting_radius(points)
    if not 0 < radius_km < np.inf:
        raise ValueError(f"radius_km must be a positive number, got {radius_km}")
    roads = count_roads(points, radius_km)
    if roads > MOST_ROADS:
        raise ValueError(
            f"radius_km={radius_km:.6g} makes {roads} roads between {len(points)} places, "
            f"expected at most {MOST_ROADS}: leave out places that are far away, or take a shorter "
            "radius"
        )
    matrix = _roads(points, radius_km)
    dropped = 0
    if largest_component:
        keep = _largest_component(matrix)
        dropped = len(points) - len(keep)
        if dropped:
            matrix, cities = matrix[keep][:, keep], choose(cities, keep)
    matrix.sort_indices()
    starts, neighbours = matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32)
    return CityGraph(cities, float(radius_km), starts, neighbours, matrix.data, dropped)


def unit_vectors(latitude: Array, longitude: Array) -> Array:
    """(V, 3) points on the unit sphere, from degrees."""
    phi, theta = np.radians(latitude), np.radians(longitude)
    flat = np.cos(phi)
    return np.stack([flat * np.cos(theta), flat * np.sin(theta), np.sin(phi)], axis=-1)


def km_of_chord(chord: Array) -> Array:
    """Great-circle distances of points that are `chord` apart in a straight line."""
    km: Array = 2 * EARTH_KM * np.arcsin(np.minimum(chord / 2, 1))
    return np.maximum(km, SHORTEST_KM)


def _reach(radius_km: float) -> float:
    """The straight distance of points of the unit sphere that are a radius apart."""
    # Half the way around the earth is as far as anything is.
    angle = min(radius_km / EARTH_KM, np.pi)
    return float(2 * np.sin(angle / 2) * SLACK)


def count_roads(points: Array, radius_km: float) -> int:
    """How many roads up to a length there are, counted without making them."""
    from scipy.spatial import cKDTree

    tree = cKDTree(points)
    return (int(tree.count_neighbors(tree, _reach(radius_km))) - len(points)) // 2


def _roads(points: Array, radius_km: float) -> Any:
    """The roads up to a length, a symmetric csr_matrix."""
    from scipy.sparse import csr_matrix
    from scipy.spatial import cKDTree

    pairs = cKDTree(points).query_pairs(_reach(radius_km), output_type="ndarray")
    first, second = pairs.astype(np.int32).T
    km = km_of_chord(np.linalg.norm(points[first] - points[second], axis=1))
    ends = (np.concatenate([first, second]), np.concatenate([second, first]))
    return csr_matrix((np.concatenate([km, km]), ends), shape=(len(points), len(points)))


def _largest_component(matrix: Any) -> Array:
    """The places of the largest component, in order."""
    from scipy.sparse.csgraph import connected_components

    _, component = connected_components(matrix, directed=False)
    return np.flatnonzero(component == np.bincount(component).argmax())


def connecting_radius(points: Array) -> float:
    """The smallest radius in km that connects (V, 3) points: a spanning tree's longest edge.

    Raises:
        ValueError: Too many places lie too close together to find it.
    """
    from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
    from scipy.spatial import cKDTree

    if len(points) < 2:
        return SHORTEST_KM
    chords, _ = cKDTree(points).query(points, k=2)
    radius = float(km_of_chord(chords[:, 1]).max())
    while count_roads(points, radius) <= MOST_FOR_TREE:
        matrix = _roads(points, radius)
        if connected_components(matrix, directed=False)[0] == 1:
            return float(minimum_spanning_tree(matrix).data.max())
        radius *= 1.5
    while count_roads(points, radius) > MOST_FOR_TREE and radius > SHORTEST_KM:
        radius /= 1.5
    parts = MOST_PARTS + 1
    if radius > SHORTEST_KM:
        parts, labels = connected_components(_roads(points, radius), directed=False)
    if parts > MOST_PARTS:
        raise ValueError(f"{len(points)} places lie in too many clusters: give radius_km")
    return _longest_bridge(points, labels)


def _longest_bridge(points: Array, labels: Array) -> float:
    """The longest of the shortest roads in km that connect components (V,), by Boruvka's method."""
    from scipy.spatial import cKDTree

    longest = 0.0
    while len(sizes := np.bincount(labels)) > 1:
        merged = np.arange(len(sizes))
        for part in np.delete(np.arange(len(sizes)), sizes.argmax()):
            inside, outside = np.flatnonzero(labels == part), np.flatnonzero(labels != part)
            chords, nearest = cKDTree(points[outside]).query(points[inside])
            place = chords.argmin()
            ends = points[[inside[place], outside[nearest[place]]]]
            km = km_of_chord(np.linalg.norm(ends[:1] - ends[1:], axis=1))
            longest = max(longest, float(km[0]))
            other = merged[labels[outside[nearest[place]]]]
            merged[merged == merged[part]] = other
        labels = np.unique(merged[labels], return_inverse=True)[1]
    return longest


# Subsets


NUMBERED = ("largest", "random", "spread")


def cities_digest(what: str) -> str:
    """The sha256 of the file that `select_cities` would read; "" for the packaged table.

    Raises:
        OSError: There is no such file.
    """
    kind = what.partition("=")[0]
    return "" if what == "all" or kind in ("state", *NUMBERED) else digest(what)


def select_cities(what: str, sha256: str | None = None) -> dict[str, Array]:
    """Places by name.

    Args:
        what: `all`; `largest=K` by population; `state=TX`; `random=K` or `spread=K` (each as far as
            can be from those before) out of the mainland; or the path of a file for `load_cities`.
        sha256: Of the file, where only this content is wanted.

    Raises:
        ValueError: The number or the state does not fit the table, or the file is not as it should
            be.
        OSError: There is no such file.
    """
    kind, _, value = what.partition("=")
    if what == "all":
        return load_cities()
    if kind == "state":
        cities = load_cities()
        states = sorted(set(cities["state"].tolist()))
        if value not in states:
            raise ValueError(f"state must be one of {states}, got {value!r}")
        return choose(cities, cities["state"] == value)
    if kind not in NUMBERED:
        return load_cities(what, sha256)
    cities = load_cities()
    if kind != "largest":
        cities = choose(cities, mainland(cities))
    size = len(cities["name"])
    if not (value.isascii() and value.isdigit() and len(value) < 10 and 1 <= int(value) <= size):
        raise ValueError(f"{kind}= takes a number in 1..{size}, got {value!r}")
    rows = {"largest": _first_places, "random": random_places, "spread": spread_places}[kind]
    return choose(cities, rows(cities, int(value)))


def _first_places(cities: dict[str, Array], count: int) -> Array:
    return np.arange(count)


def random_places(cities: dict[str, Array], count: int) -> Array:
    """(count,) places in a fixed random order of the table: more begin with fewer."""
    noise = random_words(np.arange(len(cities["name"])), SUBSET_STREAM, 1)[:, 0]
    return noise.argsort(kind="stable")[:count]


def spread_places(cities: dict[str, Array], count: int) -> Array:
    """(count,) places by farthest-point sampling, which begins with the first of the table."""
    points = unit_vectors(cities["latitude"], cities["longitude"])
    rows = np.zeros(count, dtype=np.int64)
    # Of unit vectors the one with the smallest inner product is the farthest.
    nearest = points @ points[0]
    for i in range(1, count):
        rows[i] = nearest.argmin()
        np.maximum(nearest, points @ points[rows[i]], out=nearest)
    return rows
