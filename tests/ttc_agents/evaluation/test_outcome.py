"""What a training has led to, and the graph that it learns on the way."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from ttc_agents.evaluation import outcome, share
from ttc_agents.evaluation.outcome import GraphWatch, findings
from ttc_agents.inference.checkpoint import load_config
from ttc_agents.models import AdjacencyLearner, FactorGraphNetwork
from ttc_agents.training.loop import Hook, run
from ttc_agents.training.recipes import RECIPES
from ttc_agents.training.schedule import Length
from ttc_agents.training.train import FIRST, train
from ttc_agents.training.update import Training
from ttc_envs import make_task


class Metrics(Hook):
    """Keeps what the hooks before it have added."""

    def __init__(self):
        self.lines = []

    def after_update(self, training, metrics, done):
        self.lines.append(dict(metrics))
        return {}


def watched(task, updates, **changes):
    recipe = dataclasses.replace(RECIPES["graph-4x4"], batch_size=4, **changes)
    training = Training(recipe, task, say=str)
    watch, kept = GraphWatch(), Metrics()
    run(training, Length(updates=updates), [watch, kept])
    assert training.model.training
    return watch, kept.lines


def test_the_graph_is_looked_at_now_and_then(task, monkeypatch):
    monkeypatch.setattr(outcome, "LOOKS", 6)
    watch, lines = watched(task, 18)
    assert len(watch.frames) == 7
    assert all(frame.shape == (16, 16) for frame in watch.frames)
    np.testing.assert_allclose(watch.frames[-1].sum(1), 7, rtol=1e-5)
    # Between two looks the scores stay as they were.
    assert all({"edge_precision", "edge_recall"} <= set(line) for line in lines)
    assert 1 < len({float(line["edge_precision"]) for line in lines}) <= 7


def test_a_graph_that_is_not_trained_gives_no_frames(task):
    watch, lines = watched(task, 2, frozen="edges.")
    assert watch.frames == []
    assert "edge_precision" in lines[-1]


def test_each_training_is_looked_at_from_its_beginning(task):
    watch = GraphWatch()
    recipe = dataclasses.replace(RECIPES["graph-4x4"], batch_size=4)
    for _ in range(2):
        run(Training(recipe, task, say=str), Length(updates=1), [watch])
    assert len(watch.frames) == 2


@pytest.mark.parametrize("learns", [True, False])
def test_the_watch_ignores_other_models_and_tasks_without_a_graph(task, learns):
    spec = task.spec.without_structure() if learns else task.spec
    model = AdjacencyLearner(spec, neighbours=7) if learns else FactorGraphNetwork(spec)
    other = SimpleNamespace(model=model, task=SimpleNamespace(spec=spec))
    assert GraphWatch().after_update(other, {}, 0.5) == {}


def test_what_a_training_has_led_to(tmp_path, monkeypatch):
    """Counts and clocks of both stages of a training, and what the network solves."""
    monkeypatch.setattr(outcome, "INSTANCES", 12)
    monkeypatch.setattr(outcome, "STEPS", 2)
    small = {"precision": "float32", "batch_size": 2, "updates": 1, "seconds": None, "seed": 5}
    recipe = dataclasses.replace(RECIPES["graph-4x4"], **small)
    result = train(recipe, tmp_path / "plain")
    document = outcome.outcome(result)
    assert document["recipe"] == recipe.name
    assert (document["seed"], document["updates"]) == (5, 1)
    assert document["instances"] == result.instances
    assert (document["num_test"], document["steps"]) == (12, 2)
    assert document["level"] == recipe.level.split(",")[-1]
    assert 0 <= document["solved"] <= 1
    assert {"edge_precision", "edge_recall"} <= set(document)
    clock = load_config(tmp_path / "plain")["seconds"]
    assert document["seconds"] == pytest.approx(clock, abs=0.006)

    second = dataclasses.replace(RECIPES["learned-graph-4x4"], **small)
    result = train(second, tmp_path / "both", overwrite=True)
    clocks = [load_config(tmp_path / "both" / part)["seconds"] for part in (FIRST, ".")]
    assert outcome.outcome(result)["seconds"] == pytest.approx(sum(clocks), abs=0.006)


def test_flags_of_instances_become_shares_at_any_depth(task):
    class Judged:
        def findings(self, task, instances):
            right = np.arange(len(instances)) < 3
            return {"loss": 0.5, "right": right, "beam": {"legal": ~right}}

    instances = task.sample(np.arange(8, dtype=np.uint64), "easy")
    assert findings(Judged(), task, instances) == {
        "loss": 0.5,
        "right": share(3, 8),
        "beam": {"legal": share(5, 8)},
    }


def test_a_model_has_the_findings_of_its_kind():
    task = make_task("ttc/Sudoku4-v0")
    instances = task.sample(np.arange(3, dtype=np.uint64), "easy")
    assert findings(FactorGraphNetwork(task.spec), task, instances) == {}
    found = findings(AdjacencyLearner(task.spec, neighbours=7), task, instances)
    assert set(found) == {"edge_precision", "edge_recall"}
