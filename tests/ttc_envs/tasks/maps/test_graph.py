import time

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttc_envs.tasks.maps import graph as graph_module
from ttc_envs.tasks.maps.graph import (
    EARTH_KM,
    cities_digest,
    city_graph,
    connecting_radius,
    km_of_chord,
    select_cities,
    unit_vectors,
)
from ttc_envs.tasks.maps.pools import spanning_radius


def table(latitude, longitude):
    size = len(latitude)
    return {
        "name": np.array([f"p{i}" for i in range(size)]),
        "state": np.array(["XX"] * size),
        "latitude": np.asarray(latitude, dtype=float),
        "longitude": np.asarray(longitude, dtype=float),
        "population": np.ones(size, dtype=int),
    }


def random_table(seed, size):
    rng = np.random.default_rng(seed)
    return table(rng.uniform(30, 45, size), rng.uniform(-110, -80, size))


def haversine(a, b):
    (phi, theta), (psi, chi) = np.radians(a), np.radians(b)
    h = np.sin((psi - phi) / 2) ** 2 + np.cos(phi) * np.cos(psi) * np.sin((chi - theta) / 2) ** 2
    return 2 * EARTH_KM * np.arcsin(np.sqrt(h))


def test_roads_are_all_pairs_within_the_radius():
    cities = random_table(0, 40)
    graph = city_graph(cities, 600.0, largest_component=False)
    places = np.stack([cities["latitude"], cities["longitude"]], axis=1)
    km = np.array([[haversine(a, b) for b in places] for a in places])
    expected = (km <= 600) & ~np.eye(40, dtype=bool)
    matrix = graph.matrix().toarray()
    assert np.array_equal(matrix > 0, expected)
    assert np.allclose(matrix[expected], km[expected], rtol=1e-9)
    assert graph.degrees.tolist() == expected.sum(axis=1).tolist()
    neighbours, padded = graph.padded()
    assert np.array_equal(neighbours >= 0, padded > 0)
    for place in range(40):
        here = neighbours[place][neighbours[place] >= 0]
        assert here.tolist() == np.flatnonzero(expected[place]).tolist()


@given(seed=st.integers(0, 10_000), size=st.integers(1, 25), radius=st.floats(50, 3000))
@settings(max_examples=25, deadline=None)
def test_fields_agree_with_networkx(seed, size, radius):
    graph = city_graph(random_table(seed, size), radius, largest_component=False)
    oracle = graph.networkx()
    assert len(oracle) == size
    assert oracle.number_of_edges() == len(graph.neighbours) // 2
    distance, following = graph.fields(np.arange(size))
    for target in range(size):
        expected = networkx.single_source_dijkstra_path_length(oracle, target)
        for place in range(size):
            assert distance[target, place] == pytest.approx(expected.get(place, np.inf))
            onward = following[target, place]
            assert (onward < 0) == (place == target or place not in expected)
            if onward >= 0:
                km = oracle.edges[place, int(onward)]["weight"]
                assert distance[target, place] == pytest.approx(km + distance[target, onward])


@given(seed=st.integers(0, 10_000), size=st.integers(2, 60))
@settings(max_examples=25, deadline=None)
def test_the_default_radius_is_the_smallest_that_connects(seed, size):
    cities = random_table(seed, size)
    graph = city_graph(cities)
    assert len(graph) == size
    assert graph.dropped == 0
    smaller = city_graph(cities, graph.radius_km * (1 - 1e-6))
    assert smaller.dropped > 0
    assert graph.km.max() == pytest.approx(graph.radius_km)


@pytest.mark.parametrize("seed", range(6))
def test_the_radius_that_connects_far_clusters_is_found_without_all_roads(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    centres = rng.uniform([-60, -170], [60, 170], size=(5, 2))
    places = np.concatenate(
        [
            c + rng.normal(0, 0.5, size=(k, 2))
            for c, k in zip(centres, (30, 1, 12, 2, 20), strict=True)
        ]
    )
    points = unit_vectors(*places.T)
    km = km_of_chord(np.linalg.norm(points[:, None] - points[None], axis=-1))
    monkeypatch.setattr(graph_module, "MOST_FOR_TREE", 300)
    # Prim's method, which knows all distances.
    assert connecting_radius(points) == pytest.approx(spanning_radius(km[None])[0], rel=1e-12)


def test_too_many_roads_are_refused_before_they_are_made(monkeypatch):
    cities = random_table(0, 60)
    monkeypatch.setattr(graph_module, "MOST_ROADS", 100)
    monkeypatch.setattr(graph_module, "MOST_FOR_TREE", 100)
    with pytest.raises(ValueError, match=r"radius_km=5000 makes 1770 roads between 60 places"):
        city_graph(cities, 5000)
    same = table([40.0] * 60, [-100.0] * 60)
    with pytest.raises(ValueError, match="60 places lie in too many clusters: give radius_km"):
        city_graph(same)


@pytest.mark.slow
def test_the_country_with_its_islands_is_refused_in_seconds():
    begin = time.process_time()
    with pytest.raises(ValueError, match=r"radius_km=3719\.84 makes \d+ roads between 4134 places"):
        city_graph(select_cities("largest=4134"))
    assert time.process_time() - begin < 20


def test_the_largest_component_remains_and_the_rest_is_counted():
    graph = city_graph(table([40, 40, 40, 30], [-100, -100.5, -101, -80]), 70.0)
    assert graph.cities["name"].tolist() == ["p0", "p1", "p2"]
    assert graph.dropped == 1
    assert len(city_graph(table([40, 30], [-100, -80]), 70.0, largest_component=False)) == 2


def test_a_graph_of_one_place_has_no_roads():
    for radius in (None, 70.0):
        graph = city_graph(table([40], [-100]), radius)
        assert (len(graph), len(graph.neighbours), graph.dropped) == (1, 0, 0)
        assert graph.fields(np.array([0]))[0].tolist() == [[0.0]]
        assert graph.networkx().number_of_nodes() == 1
        assert graph.padded()[0].shape == (1, 0)


def test_places_at_the_same_spot_are_a_metre_apart():
    graph = city_graph(table([40, 40, 40], [-100, -100, -100]))
    assert graph.km.tolist() == [0.001] * 6
    assert len(graph) == 3


@pytest.mark.parametrize("radius", [0, -1.0, np.nan, np.inf])
def test_a_bad_radius_is_an_error(radius):
    with pytest.raises(ValueError, match="radius_km must be a positive number"):
        city_graph(random_table(0, 3), radius)


def test_no_places_are_an_error():
    with pytest.raises(ValueError, match="at least one place, got none"):
        city_graph(table([], []))


def test_subsets():
    assert len(select_cities("all")["name"]) == 21783
    assert len(select_cities("largest=4134")["name"]) == 4134
    assert set(select_cities("state=TX")["state"].tolist()) == {"TX"}
    few, more = (select_cities(f"random={k}")["name"].tolist() for k in (10, 20))
    assert more[:10] == few
    spread = city_graph(select_cities("spread=64"))
    crowded = city_graph(select_cities("random=64"))
    assert not {"AK", "HI"} & set(spread.cities["state"].tolist())
    assert spread.degrees.max() < crowded.degrees.max()


BAD = ["largest=0", "spread=99999", "random=x", "random=", "state=ZZ", "state="]


@pytest.mark.parametrize("what", BAD)
def test_a_bad_subset_is_an_error(what):
    with pytest.raises(ValueError, match=what.split("=")[0]):
        select_cities(what)


def test_a_subset_may_be_a_file(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("city,state,lat,lng\nA,CO,40,-100\nB,CO,40,-101\n")
    assert select_cities(str(path))["name"].tolist() == ["A", "B"]
    with pytest.raises(OSError, match="elsewhere"):
        select_cities("elsewhere.csv")


def test_a_file_has_a_digest_and_the_packaged_table_none(tmp_path):
    path = tmp_path / "places.csv"
    path.write_text("city,state,lat,lng\nX,CO,1,2\n")
    assert len(cities_digest(str(path))) == 64
    assert {cities_digest(w) for w in ("all", "state=TX", "largest=9", "spread=512")} == {""}
    with pytest.raises(FileNotFoundError):
        cities_digest("nowhere")


def test_the_whole_country_at_70_km():
    graph = city_graph(select_cities("all"), 70.0)
    assert (len(graph), graph.dropped) == (21321, 462)
    assert len(graph.neighbours) == 2 * 1_534_827
