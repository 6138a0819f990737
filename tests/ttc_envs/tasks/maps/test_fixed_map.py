from itertools import pairwise

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttc_envs.tasks.maps import fixed_map as fixed_map_module
from ttc_envs.tasks.maps.fixed_map import MOST_IN_TABLE, SHARES, FixedMap, in_split
from ttc_envs.tasks.maps.graph import (
    city_graph,
    connecting_radius,
    select_cities,
    unit_vectors,
)


def test_splits_divide_the_unordered_pairs():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 500, (2, 4000))
    shares = {}
    for split in SHARES:
        here = in_split(first, second, split)
        assert np.array_equal(here, in_split(second, first, split))
        shares[split] = here
    assert (sum(flags.astype(int) for flags in shares.values()) == 1).all()
    assert shares["test"].mean() == pytest.approx(0.1, abs=0.02)


@given(seed=st.integers(0, 10_000), size=st.integers(2, 30))
@settings(max_examples=20, deadline=None)
def test_distances_and_paths_of_random_maps_agree_with_networkx(seed, size):
    rng = np.random.default_rng(seed)
    latitude, longitude = rng.uniform(30, 45, size), rng.uniform(-110, -80, size)
    cities = {"latitude": latitude, "longitude": longitude}
    paths = FixedMap(city_graph(cities, connecting_radius(unit_vectors(latitude, longitude)) * 1.2))
    oracle = paths.graph.networkx()
    source, target = np.divmod(np.arange(size * size), size)
    found, fits = paths.paths(source, target, size)
    assert fits.all()
    distance, hops = paths.distances(source, target), paths.hops()
    lengths = dict(networkx.all_pairs_dijkstra_path_length(oracle))
    for row, (a, b) in enumerate(zip(source.tolist(), target.tolist(), strict=True)):
        assert distance[row] == pytest.approx(lengths[a][b])
        path = found[row, : hops[a, b] + 1].tolist()
        assert (path[0], path[-1]) == (a, b)
        assert sum(oracle.edges[jump]["weight"] for jump in pairwise(path)) == (
            pytest.approx(lengths[a][b])
        )


def test_a_large_map_is_looked_up_without_a_table():
    graph = city_graph(select_cities("spread=40"))
    small, large = FixedMap(graph), FixedMap(graph)
    large._tables = None
    path = np.random.default_rng(3).integers(-1, 40, (50, 30))
    code = small.codes(path)
    assert np.array_equal(code, large.codes(path))
    assert np.array_equal(small.roads(code), large.roads(code))
    assert small.roads(code).any()
    assert small.lengths(code) == pytest.approx(large.lengths(code), rel=1e-6)
    assert MOST_IN_TABLE < 21783


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64])
def test_codes_do_not_overflow(dtype):
    paths = FixedMap(city_graph(select_cities("spread=120")))
    path = np.array([[119, 118, -1, 5]], dtype=dtype)
    assert paths.codes(path)[0, :3].tolist() == [119 * 121 + 118, 118 * 121 - 1, -121 + 5]


def test_distances_that_were_forgotten_are_found_again(monkeypatch):
    places = FixedMap(city_graph(select_cities("spread=40")))
    everything = np.arange(40)
    expected = places.distances(everything, everything[::-1])
    small = FixedMap(city_graph(select_cities("spread=40")))
    # Room for ten fields.
    monkeypatch.setattr(fixed_map_module, "KEPT_BYTES", 12 * 40 * 10)
    for start in range(0, 40, 5):
        part = slice(start, start + 5)
        found = small.distances(everything[part], everything[::-1][part])
        np.testing.assert_array_equal(found, expected[part])
        assert len(small._distance) <= 10
