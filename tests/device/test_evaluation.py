"""What measures models, on a device: as on a CPU, and brought home a block of steps at a time."""

import sys

import numpy as np
import pytest
import torch

from ttc_agents.evaluation.calibration import calibrate
from ttc_agents.evaluation.probe import place_embeddings, place_states
from ttc_agents.evaluation.stability import stability
from ttc_agents.evaluation.sweep import sweep
from ttc_agents.inference.boards import search
from ttc_agents.inference.checkpoint import load_model, load_task
from ttc_agents.inference.policy import BeamPolicy, RefinementPolicy
from ttc_agents.inference.refine import refine
from ttc_agents.inference.search import Branching
from ttc_agents.models import make_model
from ttc_envs import make_task

NARROW = {"width": 8, "message_width": 8, "hidden_width": 8, "layout": "ragged"}
"""In one layout, so that random first states are those of a CPU."""
refining = sys.modules["ttc_agents.inference.refine"]


def pair(there, name, task, **options):
    """A model on the device, and the same on the CPU."""
    models = []
    for device in (there.device, "cpu"):
        torch.manual_seed(0)
        models.append(make_model(name, task.spec, options).to(device).eval())
    return models


@pytest.fixture(scope="module")
def sudoku():
    """A task of 4x4 with four instances."""
    task = make_task("ttc/Sudoku4-v0")
    return task, task.sample(np.arange(4, dtype=np.uint64), "minimal")


def counting(model):
    """A list that grows by one with each step that a model takes."""
    taken, step = [], model.step

    def counted(context, z):
        taken.append(None)
        return step(context, z)

    model.step = counted
    return taken


@pytest.mark.parametrize("protocol", ["p1", "p2", "p3", "p2-branch", "p3-branch"])
def test_sweeps_are_those_of_a_cpu(there, sudoku, protocol):
    task, instances = sudoku
    found = []
    for model in pair(there, "factor_graph_network", task, **NARROW):
        taken = counting(model)
        with there.at_most(lambda taken=taken: len(taken) / 4):
            result = sweep(
                model,
                task,
                {"all": instances},
                (1, 16, 64),
                protocols=(protocol,),
                classical=(),
                num_trajectories=2,
                branching=Branching(steps=32),
            )
        found.append(result.to_json()["rows"])
    if there.exact:
        assert found[0] == found[1]


def test_blocks_of_steps_are_the_steps(there, sudoku, monkeypatch):
    task, instances = sudoku
    mine, theirs = pair(there, "factor_graph_network", task, **NARROW)
    monkeypatch.setattr(refining, "BLOCK", 4)
    with torch.no_grad(), there.at_most(1 + 3):  # one for the graph
        steps = list(refine(mine, task, instances, 10))
    with torch.no_grad():
        expected = list(refine(theirs, task, instances, 10))
    assert len(steps) == 10
    for step, other in zip(steps, expected, strict=True):
        there.close(step.logits, other.logits)
        there.close(step.state, other.state)
        there.close(torch.from_numpy(step.confidence), torch.from_numpy(other.confidence))
        there.close(torch.from_numpy(step.residual), torch.from_numpy(other.residual))
        assert (step.finite == other.finite).all()


def test_a_dense_layout_waits_for_no_graph(there, sudoku):
    task, instances = sudoku
    mine, theirs = pair(there, "factor_graph_network", task, **{**NARROW, "layout": "auto"})
    with torch.no_grad():
        list(refine(mine, task, instances, 1))  # makes the graph of the batch size
        with there.at_most(1):
            *_, last = refine(mine, task, instances, refining.BLOCK)
        *_, expected = refine(theirs, task, instances, refining.BLOCK)
    there.close(last.logits, expected.logits, 1e-5)
    there.close(last.state, expected.state, 1e-5)


def test_a_reader_is_asked_at_every_step(there):
    task = make_task("ttc/Sorting-v0", size=5, view="adjacent")
    instances = task.sample(np.arange(4, dtype=np.uint64), "uniform")
    options = {"width": 8, "message_layers": 1, "node_layers": 1}
    answers = []
    for model in pair(there, "relational_network", task, **options):
        with torch.no_grad(), there.at_most(6):
            answers.append([s.answer for s in refine(model, task, instances, 6)])
    if there.exact:
        assert np.array_equal(*answers)


def test_stability_and_calibration(there, sudoku):
    task, instances = sudoku
    found = []
    for model in pair(there, "factor_graph_network", task, **NARROW):
        with there.at_most(12):
            report = stability(model, task, instances, 2, factors=(1, 8), radius_rows=1)
        with there.at_most(4):
            calibration = calibrate(model, task, instances, (1, 16))
        found.append((report.to_json(), calibration.to_json()))
    radii = [[e.pop("radius")["max"] for e in r["steps"].values()] for r, _ in found]
    assert radii[0] == pytest.approx(radii[1], rel=1e-3)
    if there.exact:
        assert found[0] == found[1]


def test_searches(there, sudoku):
    task, instances = sudoku
    trees = []
    for model in pair(there, "factor_graph_network", task, **NARROW):
        taken = counting(model)
        with there.at_most(lambda taken=taken: len(taken) / 3):
            trees.append(search(model, task, instances, 96, Branching(steps=16), rules=True))
    if there.exact:
        for mine, theirs in zip(*trees, strict=True):
            assert np.array_equal(mine.answer, theirs.answer)
            assert (mine.used, mine.accepted) == (theirs.used, theirs.accepted)


def test_places_are_probed(there):
    task = make_task("ttc/ShortestPathUSA-v0", cities="spread=32", slots=24)
    instances = task.sample(np.arange(4, dtype=np.uint64), "any")
    mine, theirs = pair(there, "recurrent_path", task, width=8, embedding=4)
    with there.at_most(1):
        found = place_embeddings(mine)
    assert np.array_equal(found, place_embeddings(theirs))
    with there.at_most(2):
        states = place_states(mine, instances, 1)
    for name, expected in place_states(theirs, instances, 1).items():
        np.testing.assert_allclose(states[name], expected, atol=1e-4)  # NaN where no path leads
    seen = {name: values.reshape(4, -1) for name, values in instances.fields.items()}
    seen["answer"] = task.initial_answer(instances)
    with there.at_most(1):
        answers, _ = BeamPolicy(mine, 2).predict(seen)
    assert np.array_equal(answers, BeamPolicy(theirs, 2).predict(seen)[0])


def test_a_policy_is_asked_once_a_step(there, sudoku):
    task, instances = sudoku
    mine, theirs = pair(there, "factor_graph_network", task, **NARROW)
    seen = {**instances.fields, "answer": task.initial_answer(instances)}
    predict = RefinementPolicy.predict.__wrapped__  # inference mode is not pretended
    with torch.no_grad(), there.at_most(2):
        action, state = predict(RefinementPolicy(mine), seen)
    assert np.array_equal(action, RefinementPolicy(theirs).predict(seen)[0])
    with torch.no_grad(), there.at_most(3):
        predict(RefinementPolicy(mine), seen, state, np.array([True, False, False, True]))


def test_shipped_weights_are_loaded_onto_a_device(there):
    task = load_task("sorting-cpu", "test")
    instances = task.sample(np.arange(4, dtype=np.uint64), "uniform")
    steps = []
    for device in (there.device, "cpu"):
        with torch.no_grad():
            *_, last = refine(load_model("sorting-cpu", device), task, instances, 3)
        steps.append(last)
    there.close(torch.from_numpy(steps[0].confidence), torch.from_numpy(steps[1].confidence))
    assert np.array_equal(steps[0].answer, steps[1].answer)
