import json

import numpy as np
import pytest
import torch

from ttc_agents.evaluation.stability import quantile, stability, trained_depth
from ttc_agents.inference.checkpoint import load_model
from ttc_agents.inference.descent import DESCENTS, Descent
from ttc_agents.models import Energy, Equilibrium, FactorGraphNetwork
from ttc_envs import make_task


@pytest.fixture(scope="module")
def puzzles(task):
    """Ten blank cells each."""
    return task.sample(np.arange(70, dtype=np.uint64), "givens=6")


def test_a_scripted_collapse_is_seen_step_by_step(task, scripted, puzzles):
    report = stability(scripted(collapse=20), task, puzzles, 5, factors=(1, 2, 4, 8))
    assert report.steps == (5, 10, 20, 40)
    assert report.solved.sum(axis=0).tolist() == [0, 70, 70, 0]
    # Its state counts steps.
    np.testing.assert_allclose(report.residual[0], [1 / 5, 1 / 10, 1 / 20, 1 / 40], rtol=1e-6)
    np.testing.assert_allclose(report.rms[0], [5, 10, 20, 40])
    np.testing.assert_allclose(report.radius, np.ones((8, 4)), rtol=1e-5)
    # One cell of 16 a step, until all are right.
    np.testing.assert_allclose(report.changed[0], [1 / 16, 1 / 16, 0, 0])
    assert (report.used == 40).all()
    document = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert document["steps"]["20"]["solved"]["solved"] == 1
    assert document["steps"]["20"]["times_trained"] == 4
    assert document["mean_steps"] == 40


def test_answers_are_compared_with_those_of_random_first_states(task, scripted, puzzles):
    # These begin at 0..4: at step 20 all but those at 0 have collapsed.
    report = stability(scripted(collapse=20), task, puzzles, 5, factors=(1, 2, 4, 8))
    steps = report.to_json()["steps"]
    assert steps["5"]["same_answer"] is steps["40"]["same_answer"] is None
    assert steps["10"]["same_answer"]["solved"] == 1
    assert steps["20"]["same_answer"]["n"] == 70
    assert 0.05 < steps["20"]["same_answer"]["solved"] < 0.5


def test_steps_used_are_those_until_the_residual_is_small(task, scripted, puzzles):
    report = stability(scripted(), task, puzzles, 5, factors=(1, 2), tol=1 / 6.5)
    assert (report.used == 7).all()
    entry = report.to_json()["steps"]["10"]
    assert entry["converged"]["solved"] == 1


def test_a_model_that_reads_the_answer_is_followed_through_its_own():
    model, lists = load_model("sorting-adjacent-cpu"), make_task("ttc/Sorting-v0", view="adjacent")
    rows = lists.sample(np.arange(10, dtype=np.uint64), "uniform")
    report = stability(model, lists, rows, 8, factors=(1, 4), radius_rows=0)
    # A list of 16 keys takes up to 16 rounds of exchanges.
    assert report.solved.mean(axis=0)[0] < 0.5
    assert report.solved[:, 1].all()
    assert (report.changed[:, 0] > 0).any()
    assert not report.changed[:, 1].any()


def test_rows_that_are_not_finite_are_unsolved_and_counted(task, scripted, puzzles):
    lost = int((puzzles.fields["givens"][:, 0] < 0).sum())
    report = stability(scripted(broken=8), task, puzzles, 5, factors=(1, 2))
    document = report.to_json()
    assert [entry["nonfinite"] for entry in document["steps"].values()] == [0, lost]
    assert document["steps"]["10"]["solved"]["solved"] == pytest.approx(1 - lost / 70)


def test_any_model_gets_a_report(task, puzzles):
    torch.manual_seed(0)
    options = {"width": 8, "message_width": 8, "hidden_width": 8}
    inner = FactorGraphNetwork(task.spec, **options)
    for model in (inner, Equilibrium(task.spec, inner), Equilibrium(task.spec, inner, "anderson")):
        report = stability(model.eval(), task, puzzles[:4], 2, factors=(1, 4), radius_rows=2)
        assert report.radius.shape == (2, 2)
        assert (report.radius > 0).all()


def test_the_radius_of_a_step_that_has_no_derivative_is_unknown(task, puzzles):
    inner = FactorGraphNetwork(task.spec, width=8, message_width=8, hidden_width=8)
    energy = Energy(task.spec, inner, rounds=1).eval()
    for model, known in ((energy, True), (Descent(energy, DESCENTS["annealed"]), False)):
        report = stability(model, task, puzzles[:2], 2, factors=(1, 2), radius_rows=2)
        assert np.isfinite(report.radius).all() == known
        (first, *_) = report.to_json()["steps"].values()
        assert (first["radius"]["median"] is not None) == known


def test_the_depth_of_training(task, scripted):
    inner = FactorGraphNetwork(task.spec)
    assert trained_depth(inner, {"recipe": {"segment_steps": 4}}) == 4
    assert trained_depth(inner, {}) == 8
    assert trained_depth(Equilibrium(task.spec, inner, max_steps=30), {}) == 30


def test_bad_arguments_are_errors(task, scripted, puzzles):
    with pytest.raises(ValueError, match="0 instances"):
        stability(scripted(), task, puzzles[:0], 5)
    with pytest.raises(ValueError, match="at least 1"):
        stability(scripted(), task, puzzles, 0)


def test_quantiles_ignore_what_is_not_finite():
    assert quantile(np.array([1.0, np.inf, np.nan]), 0.5) == 1
    assert quantile(np.array([np.nan]), 0.5) is None
