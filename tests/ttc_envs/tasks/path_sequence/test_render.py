import numpy as np

from ttc_envs.tasks.path_sequence import render
from ttc_envs.tasks.path_sequence.task import SequenceTask

KEYS = np.array([5], dtype=np.uint64)


def sequence_scene(answer=None):
    task = SequenceTask(cities="spread=40", slots=20)
    instance = task.sample(KEYS, "hops=5..9")
    answer = instance.labels["answer"] if answer is None else answer
    graph, scores = task.map.graph, task.score(instance, answer)
    return graph, render.scene_of(graph, instance, answer[0], scores, None)


def test_each_road_is_drawn_once():
    graph, drawn = sequence_scene()
    expected = {frozenset(edge) for edge in graph.networkx().edges}
    assert len(drawn.roads) == len(expected)
    assert {frozenset(road) for road in drawn.roads.tolist()} == expected


def test_roads_that_are_too_many_are_left_out(monkeypatch):
    monkeypatch.setattr(render, "MOST_ROADS", 10)
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
