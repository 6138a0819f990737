import gymnasium as gym
import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import floyd_warshall

from ttc_envs.tasks.maps.pools import map_pool
from ttc_envs.tasks.next_hop.task import NextHopTask

KEYS = np.arange(7, 13, dtype=np.uint64)
PLACES = 12


@pytest.fixture(scope="module")
def task():
    return NextHopTask(places=PLACES)


@pytest.fixture(scope="module")
def instances(task):
    return task.sample(KEYS, f"spread{PLACES}")


def graph_of(instances, row):
    graph = networkx.DiGraph()
    neighbours = instances.fields["neighbours"][row]
    graph.add_nodes_from(range(len(neighbours)))
    for node, slot in zip(*np.nonzero(neighbours >= 0), strict=True):
        km = float(instances.fields["distances"][row, node, slot])
        graph.add_edge(int(node), int(neighbours[node, slot]), weight=km)
    return graph


@pytest.mark.parametrize("level", ["spread12", "spread5", "dense7"])
def test_labels_agree_with_networkx(level):
    task = NextHopTask(places=PLACES, degree=16)
    sample = task.sample(KEYS, level)
    places = int(level.removeprefix("spread").removeprefix("dense"))
    for row in range(len(KEYS)):
        graph = graph_of(sample, row)
        target = int(sample.labels["target"][row])
        expected = networkx.single_source_dijkstra_path_length(graph.reverse(), target)
        assert len(expected) == places
        for node in range(PLACES):
            assert sample.labels["distance"][row, node] == pytest.approx(expected.get(node, np.inf))
            for slot in range(16):
                onward = int(sample.fields["neighbours"][row, node, slot])
                on_the_way = onward >= 0 and node != target
                if on_the_way:
                    length = graph.edges[node, onward]["weight"] + expected[onward]
                    on_the_way = length == pytest.approx(expected[node], rel=1e-9)
                assert sample.labels["right"][row, node, slot] == on_the_way
        source = int(sample.labels["source"][row])
        assert source != target
        assert sample.labels["optimum"][row] == pytest.approx(expected[source])
        assert sample.labels["counted"][row] == places - 1


def test_maps_are_symmetric_and_their_longest_road_has_length_one(instances):
    for row in range(len(KEYS)):
        graph = graph_of(instances, row)
        assert max(w for *_, w in graph.edges.data("weight")) == pytest.approx(1, abs=1e-6)
        for a, b, km in graph.edges.data("weight"):
            assert graph.edges[b, a]["weight"] == km


def test_splits_share_no_map():
    pools = [map_pool("spread", PLACES, PLACES, 8, s) for s in ("train", "validation", "test")]
    kinds = [{tuple(sorted(rows)) for rows in pool.rows.tolist()} for pool in pools]
    assert min(map(len, kinds)) > 1000
    assert not kinds[0] & kinds[1]
    assert not kinds[0] & kinds[2]
    assert not kinds[1] & kinds[2]


def test_of_two_roads_between_the_same_places_the_shorter_counts(square):
    task = NextHopTask(places=4)
    fields = square
    fields["neighbours"][0, 0, 2], fields["distances"][0, 0, 2] = 1, 0.5
    instance = task.from_fields(fields)
    assert instance.labels["optimum"][0] == pytest.approx(1.46)
    assert instance.labels["answer"][0, 0] == 2
    assert task.score(instance, instance.labels["answer"])["solved"].all()


def random_maps(seed, nodes, degree, count=3):
    """Directed maps with random roads, some nodes without any, and a target."""
    rng = np.random.default_rng(seed)
    neighbours = np.full((count, nodes, degree), -1)
    for row, node in np.ndindex(count, nodes):
        others = rng.permutation(np.delete(np.arange(nodes), node))
        size = rng.integers(0, min(degree, nodes - 1) + 1)
        neighbours[row, node, :size] = others[:size]
    # Few different lengths, so that there are ways that are equally long.
    lengths = rng.choice(np.array([0.25, 0.5, 1.0], dtype=np.float32), neighbours.shape)
    distances = np.where(neighbours >= 0, lengths, np.float32(0))
    return neighbours, distances, rng.integers(0, nodes, count)


@given(seed=st.integers(0, 10_000), nodes=st.integers(2, 12))
@settings(max_examples=40, deadline=None)
def test_labels_of_random_maps_agree_with_networkx_and_scipy(seed, nodes):
    task = NextHopTask(places=nodes)
    neighbours, distances, target = random_maps(seed, nodes, task.degree)
    marks = np.eye(nodes, dtype=int)[target]
    # From the target itself there is always a way.
    fields = {"neighbours": neighbours, "distances": distances, "source": marks, "target": marks}
    sample = task.from_fields(fields)
    for row in range(len(sample)):
        graph = graph_of(sample, row)
        to_target = networkx.single_source_dijkstra_path_length(graph.reverse(), target[row])
        matrix = networkx.to_scipy_sparse_array(graph, nodelist=range(nodes), format="csr")
        by_scipy = floyd_warshall(matrix)[:, target[row]]
        for node in range(nodes):
            expected = to_target.get(node, np.inf)
            assert sample.labels["distance"][row, node] == pytest.approx(expected)
            assert by_scipy[node] == pytest.approx(expected)
            for slot, onward in enumerate(neighbours[row, node].tolist()):
                right = onward >= 0 and node != target[row] and expected < np.inf
                if right:
                    way = distances[row, node, slot] + to_target.get(onward, np.inf)
                    right = way == pytest.approx(expected)
                assert sample.labels["right"][row, node, slot] == right


def test_a_map_of_one_place_is_solved_where_it_stands(square):
    task = NextHopTask(places=4)
    fields = square | {
        "neighbours": np.full((1, 4, 8), -1),
        "distances": np.zeros((1, 4, 8), dtype=np.float32),
        "source": np.array([[1, 0, 0, 0]]),
        "target": np.array([[1, 0, 0, 0]]),
    }
    instance = task.from_fields(fields)
    for answer in (task.initial_answer(instance), task.solve(instance)):
        scores = task.score(instance, answer)
        assert scores["solved"].all()
        assert scores["quality"].tolist() == [1.0]
    assert not task.edit_mask(instance, answer).any()


def test_a_disconnected_pair_is_refused_and_the_environment_goes_on(square):
    env = gym.make("ttc/ShortestPath-v0", places=4)
    first, _ = env.reset(seed=0)
    fields = square
    # Node 2, the target, can be left but not entered.
    fields["neighbours"] = np.where(fields["neighbours"] == 2, -1, fields["neighbours"])
    fields["distances"] = np.where(fields["neighbours"] >= 0, fields["distances"], np.float32(0))
    with pytest.raises(ValueError, match="no way leads from the source to the target"):
        env.reset(options={"instance": fields})
    observation = env.step(env.action_space.sample())[0]
    assert np.array_equal(observation["neighbours"], first["neighbours"])


def test_coordinates_are_shown_on_request(instances):
    task = NextHopTask(places=PLACES, coordinates=True)
    sample = task.sample(KEYS, "spread12")
    coordinates = sample.fields["coordinates"]
    assert coordinates.shape == (6, PLACES, 2)
    assert np.abs(coordinates).max() <= 2
    assert np.array_equal(sample.fields["distances"], instances.fields["distances"])
    assert "coordinates" not in instances.fields
    # Close by the coordinates is close by the roads: the first neighbour beats a random one.
    first = sample.fields["neighbours"][:, :, 0].astype(int)
    gap = np.take_along_axis(coordinates, first[..., None], axis=1) - coordinates
    other = coordinates[:, ::-1] - coordinates
    assert np.abs(gap).mean() < 0.75 * np.abs(other).mean()


BAD_FIELDS = [
    ({"distances": np.zeros((1, 4, 8), dtype=np.float32)}, "distances to neighbours must be"),
    ({"distances": np.full((1, 4, 8), np.nan, dtype=np.float32)}, "distances must lie in"),
    ({"source": np.zeros((1, 4), dtype=int)}, "source must mark one node"),
    ({"target": np.ones((1, 4), dtype=int)}, "target must mark one node"),
    ({"neighbours": np.full((1, 4, 8), 4)}, "neighbours must lie in -1..3"),
    ({"neighbours": np.full((1, 4, 8), -1)}, "no way leads from the source to the target"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_FIELDS)
def test_bad_fields_are_an_error(square, changes, message):
    with pytest.raises(ValueError, match=message):
        NextHopTask(places=4).from_fields(square | changes)
