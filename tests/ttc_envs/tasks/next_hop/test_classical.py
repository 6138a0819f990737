import networkx
import numpy as np
import pytest

from ttc_envs.tasks.maps.pools import mainland_table
from ttc_envs.tasks.next_hop.classical import bellman_ford, greedy, one_step_a_star
from ttc_envs.tasks.next_hop.task import NextHopTask

PLACES = 20


@pytest.fixture(scope="module")
def task():
    return NextHopTask(places=PLACES, split="test")


@pytest.fixture(scope="module")
def instances(task):
    return task.sample(np.arange(12, dtype=np.uint64), f"spread{PLACES}")


def relaxed(instances, row, steps):
    """Distances after so many relaxations, edge by edge."""
    neighbours = instances.fields["neighbours"][row].tolist()
    distances = instances.fields["distances"][row].tolist()
    target = int(instances.labels["target"][row])
    length = {node: 0.0 if node == target else np.inf for node in range(PLACES)}
    for _ in range(steps):
        length = {
            v: 0.0
            if v == target
            else min(
                w + length[u] for u, w in zip(neighbours[v], distances[v], strict=True) if u >= 0
            )
            for v in length
        }
    return length


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_bellman_ford_makes_one_synchronous_relaxation_per_step(instances, steps):
    answers = list(bellman_ford(instances))
    for row in range(len(instances)):
        length = relaxed(instances, row, steps - 1)
        for node, slot in enumerate(answers[steps - 1][row].tolist()):
            ways = {
                s: w + length[u]
                for s, (u, w) in enumerate(
                    zip(
                        instances.fields["neighbours"][row, node].tolist(),
                        instances.fields["distances"][row, node].tolist(),
                        strict=True,
                    )
                )
                if u >= 0
            }
            if node == instances.labels["target"][row] or min(ways.values()) == np.inf:
                assert slot == -1
            else:
                assert ways[slot] == min(ways.values())


def test_bellman_ford_rests_at_the_shortest_paths(task, instances):
    *_, last = bellman_ford(instances)
    assert task.score(instances, last)["solved"].all()
    assert task.score_parts(instances, last).holds["optimal"].all()


def test_improving_is_never_behind_bellman_ford(task, instances):
    answer = task.initial_answer(instances)
    for relaxed_answer in bellman_ford(instances):
        answer = task.improve(instances, answer)
        ahead, behind = (
            task.score_all_sources(instances, a)["length_ratio"] for a in (answer, relaxed_answer)
        )
        assert (ahead <= behind + 1e-9).all()


def test_greedy_and_one_step_a_star_go_by_coordinates(task, instances):
    _, points = mainland_table()
    (by_rest,), (by_both,) = greedy(instances), one_step_a_star(instances)
    for row in range(len(instances)):
        where = points[instances.labels["places"][row]]
        target = int(instances.labels["target"][row])
        for node in range(PLACES):
            onward = instances.fields["neighbours"][row, node]
            onward = onward[onward >= 0]
            angle = np.arccos(np.clip(where[onward] @ where[target], -1, 1))
            jump = np.arccos(np.clip(where[onward] @ where[node], -1, 1))
            assert angle[by_rest[row, node]] == pytest.approx(angle.min(), abs=1e-6)
            assert (jump + angle)[by_both[row, node]] == pytest.approx(
                (jump + angle).min(), abs=1e-6
            )
    # They are right for some, not for all.
    for answer in (by_rest, by_both):
        share = task.score_parts(instances, answer).holds["optimal"].mean()
        assert 0.2 < share < 0.95


def test_nothing_is_known_of_maps_without_places(task, instances):
    fields = {name: values[:2] for name, values in instances.fields.items()}
    own = task.from_fields(fields)
    assert (next(greedy(own)) == -1).all()
    assert (next(one_step_a_star(own)) == -1).all()
    *_, last = bellman_ford(own)
    assert task.score(own, last)["solved"].all()


def test_parts_are_paths_by_the_hops_of_shortest_ones(task, instances):
    parts = task.score_parts(instances, instances.labels["answer"])
    assert parts.depth_name == "hops"
    for row in range(len(instances)):
        neighbours = instances.fields["neighbours"][row]
        chosen = neighbours[np.arange(PLACES), instances.labels["answer"][row]]
        target = int(instances.labels["target"][row])
        tree = networkx.DiGraph(
            (int(chosen[node]), node) for node in range(PLACES) if node != target
        )
        expected = networkx.single_source_shortest_path_length(tree, target)
        for node in range(PLACES):
            assert parts.depth[row, node] == (-1 if node == target else expected[node])
    undecided = task.score_parts(instances, task.initial_answer(instances))
    assert not undecided.holds["bounded"][parts.depth >= 0].any()
