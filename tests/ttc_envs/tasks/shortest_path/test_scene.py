import numpy as np

from ttc_envs.tasks.shortest_path import scene
from ttc_envs.tasks.shortest_path.sequence import SequenceTask

KEYS = np.array([5], dtype=np.uint64)


def sequence_scene(answer=None):
    task = SequenceTask(cities="spread=40", slots=20)
    instance = task.sample(KEYS, "hops=5..9")
    answer = instance.labels["answer"] if answer is None else answer
    graph, scores = task.map.graph, task.score(instance, answer)
    return graph, scene.sequence_scene(graph, instance, answer[0], scores, None)


def test_each_road_is_drawn_once():
    graph, drawn = sequence_scene()
    expected = {frozenset(edge) for edge in graph.networkx().edges}
    assert len(drawn.roads) == len(expected)
    assert {frozenset(road) for road in drawn.roads.tolist()} == expected


def test_roads_that_are_too_many_are_left_out(monkeypatch):
    monkeypatch.setattr(scene, "MOST_ROADS", 10)
    assert sequence_scene()[1].roads.shape == (0, 2)


def test_jumps_are_legal_where_there_is_a_road():
    answer = np.random.default_rng(0).integers(0, 40, (1, 20)).astype(np.int8)
    answer[0, 12:] = -1
    graph, drawn = sequence_scene(answer)
    oracle = graph.networkx()
    assert len(drawn.jumps) == 11
    for a, b, legal, sure in drawn.jumps:
        assert legal == oracle.has_edge(a, b)
        assert sure is None


def test_hops_are_followed_to_the_target_a_dead_end_or_once_round():
    onward = np.array([1, 2, 0, -1, 3])
    assert scene.follow(onward, 0, 2) == [0, 1, 2]
    assert scene.follow(onward, 0, 4) == [0, 1, 2, 0]
    assert scene.follow(onward, 4, 0) == [4, 3]
