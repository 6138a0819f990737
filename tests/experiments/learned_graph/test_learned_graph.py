"""The scripts of experiments/learned_graph: tasks, credits and tables whose values are known."""

import dataclasses
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ttc_agents.models import Trace
from ttc_agents.models.base import DrawnGraphs
from ttc_envs import NextHopTask

SCRIPTS = Path(__file__).parents[3] / "experiments" / "learned_graph"
NAMES = ("measure", "hidden_map", "objectives", "sorting", "tables")


@pytest.fixture(scope="module")
def scripts():
    before = dict(sys.modules)
    sys.path.insert(0, str(SCRIPTS))
    yield {name: importlib.import_module(name) for name in NAMES}
    sys.path.remove(str(SCRIPTS))
    for name in set(sys.modules) - set(before):
        if name in NAMES:
            del sys.modules[name]


def test_hops_of_the_hidden_map_are_roads_that_begin_shortest_paths(scripts):
    places = scripts["hidden_map"].PLACES
    task = scripts["hidden_map"].HiddenMap(3)
    targets = np.arange(places, dtype=np.uint64)
    drawn = task.sample(targets, "all")
    own = NextHopTask(places).sample(np.array([3], dtype=np.uint64), f"spread{places}")
    neighbours, distances = own.fields["neighbours"][0], own.fields["distances"][0]
    roads = np.full((places, places), np.inf)
    for place, (row, far) in enumerate(zip(neighbours, distances, strict=True)):
        roads[place, row[row >= 0]] = far[row >= 0]
    shortest = roads.copy()
    np.fill_diagonal(shortest, 0)
    for middle in range(places):
        shortest = np.minimum(shortest, shortest[:, middle, None] + shortest[None, middle])
    for target in range(places):
        ways = roads + shortest[None, :, target]
        expected = np.isclose(ways, shortest[:, target, None], rtol=1e-5)
        expected[target] = False
        names = drawn.fields["name"][target]
        assert (drawn.labels["right"][target][:, names] == expected).all()
    assert (np.sort(drawn.fields["name"]) == np.arange(places)).all()
    assert (drawn.fields["target"] == np.eye(places)).all()
    assert (task.spec.neighbours == neighbours).all()


def test_the_hidden_map_scores_right_hops(scripts):
    task = scripts["hidden_map"].HiddenMap(1)
    drawn = task.sample(np.arange(4, dtype=np.uint64), "all")
    answer = task.solve(drawn)
    assert (answer == drawn.labels["answer"]).all()
    assert task.score(drawn, answer)["solved"].all()
    rows, targets = np.arange(4), drawn.fields["target"].argmax(-1)
    answer[rows, targets] = drawn.fields["name"][rows, targets]  # nothing is asked there
    wrong = int(targets[0] == 0)
    answer[0, wrong] = drawn.fields["name"][0, wrong]  # a place is not its own next one
    scores = task.score(drawn, answer)
    assert scores["solved"].tolist() == [False, True, True, True]
    assert scores["accuracy"] == pytest.approx([30 / 31, 1, 1, 1])


def test_a_draw_is_credited_with_the_place_of_its_item(scripts):
    """Two graphs, one list of three items; the loss at place 0 differs, which item 2 should get."""
    log_prob = torch.zeros(2, 1, 3, requires_grad=True)
    logits = torch.zeros(2, 1, 1, 3, 3)
    logits[1, 0, 0, 0, 2] = 5.0
    graphs = DrawnGraphs(log_prob, logits, torch.zeros(2, 1, 3))
    labels = {"answer": torch.tensor([[2, 0, 1]])}
    trace = Trace(logits[0], logits, graphs=graphs)
    scripts["objectives"].sampled_graphs_of_items(trace, labels).backward()
    assert log_prob.grad[0, 0, 2] > 0
    assert log_prob.grad[1, 0, 2] < 0
    assert (log_prob.grad[:, 0, :2] == 0).all()


def test_ranks_that_are_drawn_by_rank(scripts):
    size = scripts["sorting"].SIZE
    rank = torch.stack([torch.randperm(size), torch.randperm(size)])
    item = rank.argsort(-1)
    follower = (rank + 1) % size
    share = scripts["sorting"].by_rank(item.gather(1, follower)[..., None], rank)
    assert (share == np.roll(np.eye(size), 1, axis=1) * (size - 1)).all()
    blind = scripts["sorting"].blind(4.6, 50)
    assert blind.shape == (50, size, 5)
    assert (blind != torch.arange(size)[None, :, None]).all()


def test_a_network_is_trained_on_another_graph(scripts):
    task = scripts["hidden_map"].HiddenMap(0)
    graph = torch.as_tensor(task.spec.neighbours).long()
    options = {"width": 8, "message_layers": 0, "node_layers": 1}
    model = scripts["measure"].refine_on(task, graph, options, "all", 0, 0.05)
    assert (model.graph.table == graph).all()
    found = scripts["hidden_map"].hops_right(model, task, 2)
    assert 0 <= found["solved"] <= found["hops_right"] <= 1


def test_runs_of_other_seeds_stay_only_beside_the_same_recipe(scripts, tmp_path):
    path, other_runs = tmp_path / "9x9.json", scripts["measure"].other_runs
    recipe = scripts["measure"].recipe_of("9x9", 0)
    assert other_runs(path, recipe, [1]) == []
    document = {"recipe": recipe.to_json(), "runs": [{"seed": 0}, {"seed": 1}]}
    path.write_text(json.dumps(document))
    assert other_runs(path, dataclasses.replace(recipe, seed=7), [1]) == [{"seed": 0}]
    assert other_runs(path, dataclasses.replace(recipe, batch_size=9), [1]) == []


def test_what_was_run_is_what_would_be_run_now(scripts):
    measure = scripts["measure"]
    for setting in measure.SETTINGS:
        path = measure.RESULTS / f"{setting}.json"
        if path.is_file():
            runs = json.loads(path.read_text())["runs"]
            assert measure.other_runs(path, measure.recipe_of(setting, 0), []) == runs
    for name, recipe in (
        ("sorting", scripts["sorting"].RECIPE),
        ("hidden-map", scripts["hidden_map"].RECIPE),
    ):
        document = json.loads((measure.RESULTS / f"{name}.json").read_text())
        assert not recipe.differences(document["recipe"])


def test_a_run_ends_at_its_limit_and_at_the_exact_graph(scripts, monkeypatch):
    measure = scripts["measure"]
    recipe = measure.recipe_of("6x6", 0)
    monkeypatch.setattr(measure, "EVERY", 1)
    found, training = measure.follow(recipe, 1e-9)
    assert found["updates"] == len(found["curve"]) == 1
    assert found["seconds_to_0.99"] is None
    exact = {"edge_precision": 1.0, "edge_recall": 1.0}
    monkeypatch.setattr(measure, "edge_scores", lambda graph, spec: exact)
    found, training = measure.follow(recipe, 60.0)
    assert training.updates == 1
    assert found["seconds_to_1.0"] == found["seconds"]


def test_tables_say_when_a_bound_was_reached(scripts, tmp_path):
    curve = [[10, 1.0, 0.995, 0.99, 2.0], [20, 2.04, 1.0, 0.999, 1.0]]
    run = {"seed": 0, "curve": curve, "edge_precision": 1.0, "edge_recall": 0.999, "seconds": 2.04}
    document = {"runs": [{**run, "updates": 20}]}
    (tmp_path / "9x9.json").write_text(json.dumps(document))
    (row,) = scripts["tables"].settings(tmp_path).splitlines()[2:]
    assert row.endswith("| 0 | 1 | 0.999 | 2 | - | 2 |")
    (row,) = scripts["tables"].estimators(tmp_path).splitlines()[2:]
    assert row.endswith("| 0 | 1 | 1 | 20 |")
