"""One map that stays: lengths of jumps by table, distance fields by target, shortest paths.

Shapes: V places, B batch, L slots of a path.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ttc_envs.random_words import mix
from ttc_envs.spec import Array
from ttc_envs.tasks.maps.graph import CityGraph, cities_digest, city_graph, select_cities

MOST_IN_TABLE = 2048
"""Places up to which roads are looked up in tables of all pairs (20 MiB), not by bisection."""
KEPT_BYTES = 512 * 2**20
"""Distance fields that are kept; when they are more, all are forgotten."""
KEPT_MAPS = 8
SHARES = {"train": (0, 8), "validation": (8, 9), "test": (9, 10)}
"""Tenths of the unordered pairs that belong to each split."""
PAIR_SALT = 0x5348_4F52_5445_5354


def fixed_map(cities: str, radius_km: float | None) -> FixedMap:
    """The map of `select_cities(cities)`; made once for each content of a file."""
    return _map_of(cities, radius_km, cities_digest(cities))


@lru_cache(maxsize=KEPT_MAPS)
def _map_of(cities: str, radius_km: float | None, sha256: str) -> FixedMap:
    return FixedMap(city_graph(select_cities(cities, sha256), radius_km), sha256)


def in_split(first: Array, second: Array, split: str) -> Array:
    """Whether unordered pairs of places belong to a split; (a, b) and (b, a) always agree."""
    low, high = np.minimum(first, second), np.maximum(first, second)
    code = (low.astype(np.uint64) << np.uint64(32)) + high.astype(np.uint64)
    tenth = mix(code ^ np.uint64(PAIR_SALT)) % np.uint64(10)
    start, stop = SHARES[split]
    here: Array = (tenth >= start) & (tenth < stop)
    return here


class FixedMap:
    """A graph of places with what is looked up in it.

    Args:
        graph: The places and roads.
        sha256: Of the file that the places come from; "" for the packaged table.
    """

    def __init__(self, graph: CityGraph, sha256: str = "") -> None:
        self.graph = graph
        self.sha256 = sha256
        size = len(graph)
        self._row_of = np.full(size, -1, dtype=np.int64)
        self._distance = np.zeros((0, size))
        self._following = np.zeros((0, size), dtype=np.int32)
        # Pairs of places in rows of V + 1, of which the last stands for an undecided slot.
        dtype = np.int32 if (size + 1) ** 2 < 2**31 else np.int64
        sources = np.repeat(np.arange(size, dtype=dtype), graph.degrees)
        self._codes = sources * (size + 1) + graph.neighbours
        self._tables = self._all_pairs() if size <= MOST_IN_TABLE else None

    def __len__(self) -> int:
        """The number of places, V."""
        return len(self.graph)

    def _all_pairs(self) -> tuple[Array, Array]:
        """Whether there is a road, bool, and its km, float32, by code."""
        km = np.zeros((len(self) + 1) ** 2, dtype=np.float32)
        km[self._codes] = self.graph.km
        return km > 0, km

    def codes(self, path: Array) -> Array:
        """(B, L) codes of the pairs of each slot of paths and the next one; any for the last."""
        flat = path.ravel().astype(self._codes.dtype, copy=False)
        code: Array = flat * (len(self) + 1)
        code[:-1] += flat[1:]
        return code.reshape(path.shape)

    def roads(self, code: Array) -> Array:
        """(B, L) bool, whether there is a road for the codes of paths.

        Staying is no road. Undecided slots (-1) have none, nor has the last slot.
        """
        if self._tables is not None:
            # What lies below 0, out of an undecided slot, is clipped to the pair (0, 0).
            flags: Array = self._tables[0].take(code, mode="clip")
        else:
            flags = self._codes[self._edge(code)] == code
        flags[:, -1] = False
        return flags

    def lengths(self, code: Array) -> Array:
        """(B,) float64, the km of paths by their codes (B, L): jumps are roads or none at all."""
        if self._tables is not None:
            km = self._tables[1].take(code, mode="clip")
        else:
            edge = self._edge(code)
            km = np.where(self._codes[edge] == code, self.graph.km[edge], 0.0)
        km[:, -1] = 0.0
        total: Array = np.einsum("bl->b", km, dtype=np.float64)
        return total

    def _edge(self, code: Array) -> Array:
        """Where codes are in the list of roads, or would be."""
        return np.minimum(np.searchsorted(self._codes, code), len(self._codes) - 1)

    def neighbour_flags(self, places: Array) -> Array:
        """(B, V) bool, the places that a road leads to from each of (B,)."""
        flags = np.zeros((len(places), len(self)), dtype=bool)
        starts = self.graph.starts
        counts = starts[places + 1] - starts[places]
        rows = np.repeat(np.arange(len(places)), counts)
        turn = np.arange(len(rows)) - np.repeat(counts.cumsum() - counts, counts)
        flags[rows, self.graph.neighbours[np.repeat(starts[places], counts) + turn]] = True
        return flags

    def paths(self, source: Array, target: Array, slots: int) -> tuple[Array, Array]:
        """Shortest paths (B, L) int32, the target repeated at the end, and whether they fit."""
        rows = self._fields(target) * len(self)
        onward = self._following.reshape(-1)
        # Slots first, so that each is written as a whole.
        path = np.empty((slots, len(source)), dtype=np.int32)
        path[0] = source
        for slot in range(1, slots):
            onward.take(rows + path[slot - 1], out=path[slot], mode="clip")
        return np.ascontiguousarray(path.T), path[-1] == target

    def _fields(self, targets: Array) -> Array:
        """(B,) the rows of the kept fields, which are computed where they are missing."""
        needed = np.unique(targets)
        missing = needed[self._row_of[needed] < 0]
        if len(missing):
            most = max(KEPT_BYTES // (12 * len(self)), 1)
            if len(self._distance) + len(missing) > most:
                self._forget()
                missing = needed
            distance, following = self.graph.fields(missing)
            # Where nothing follows, at the target and without a way, a path stays.
            following = np.where(following < 0, np.arange(len(self)), following)
            self._row_of[missing] = len(self._distance) + np.arange(len(missing))
            self._distance = np.concatenate([self._distance, distance])
            self._following = np.concatenate([self._following, following.astype(np.int32)])
        rows: Array = self._row_of[targets]
        return rows

    def _forget(self) -> None:
        self._row_of[:] = -1
        self._distance, self._following = self._distance[:0], self._following[:0]

    def distances(self, source: Array, target: Array) -> Array:
        """(B,) float64 km of the shortest paths, infinite where there is none."""
        rows = self._fields(target)  # before the fields are looked at, which it replaces
        km: Array = self._distance[rows, source]
        return km

    def hops(self) -> Array:
        """(V, V) int32, the jumps of the shortest path from row to column; -1 where there is none.

        For small maps: all fields are computed.
        """
        size = len(self)
        everything = np.arange(size)
        rows = self._fields(everything)
        following, distance = self._following[rows], self._distance[rows]
        hops = np.where(np.isinf(distance), -1, 0)
        place: Array = np.broadcast_to(everything, (size, size))
        while True:
            onward = np.take_along_axis(following, place, axis=1)
            moving = onward != place
            if not moving.any():
                return np.ascontiguousarray(hops.T).astype(np.int32)
            hops += moving
            place = onward
