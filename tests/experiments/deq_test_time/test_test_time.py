"""What equilibria are measured by at test time, on a network of a moment."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ttc_agents.training.hooks import Saver
from ttc_agents.training.recipes import RECIPES
from ttc_agents.training.update import Training
from ttc_envs import make_task

FOLDER = Path(__file__).parents[3] / "experiments" / "deq_test_time"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """An equilibrium of 4x4 after a few updates."""
    out = tmp_path_factory.mktemp("deq") / "small"
    out.mkdir()
    options = {
        **RECIPES["sudoku4-deq"].model_options,
        "inner": {"model": "factor_graph_network", "options": {"width": 8}},
    }
    recipe = RECIPES["sudoku4-deq"].replaced(model_options=options, updates=30)
    training = Training(recipe, make_task(recipe.env_id), say=lambda line: None)
    for _ in range(30):
        training.update(0.0)
    Saver(out, []).save(training)
    return out


@pytest.fixture
def run(monkeypatch, tmp_path, capsys, checkpoint):
    def main(name, *words, **constants):
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for constant, value in {"RESULTS": tmp_path, **constants}.items():
            monkeypatch.setattr(module, constant, value)
        monkeypatch.setattr("sys.argv", [f"{name}.py", str(checkpoint), *words])
        threads = torch.get_num_threads()
        module.main()
        torch.set_num_threads(threads)
        return module, json.loads(capsys.readouterr().out.splitlines()[-1])

    return main


def test_rest_is_measured_by_step(run, checkpoint):
    words = ("--level", "givens=8", "--count", "6", "--few", "4", "--starts", "3")
    rest, document = run("rest", *words, DEPTHS=(2, 64), START_DEPTH=64)
    found = document[str(checkpoint)]
    early, late = found["steps"]["2"], found["steps"]["64"]
    assert early["rest"]["solved"] < late["rest"]["solved"] == 1
    assert early["accepted"]["residual"]["taken"]["solved"] == 0
    assert early["accepted"]["residual"]["wrong"] is None
    assert late["accepted"]["residual"]["taken"]["solved"] == 1
    calls = [found["stops"][tol]["mean_calls"] for tol in ("0.1", "0.01", "0.001")]
    assert 1 <= calls[0] < calls[1] < calls[2] < 64
    assert set(found["wrong_against_right"]) == {"residual", "doubt", "radius"}
    assert max(filter(None, found["radius"].values())) < 1
    starts = found["random_starts"]
    assert starts["same"]["n"] == 3 * starts["solved"]
    assert rest.auc(np.array([0.0, 1.0]), np.array([1.0, 2.0])) == 0.875
    assert rest.auc(np.array([]), np.array([1.0])) is None


def test_a_row_that_stops_keeps_what_it_had(run):
    rest, _ = run("rest", "--count", "2", "--few", "1", DEPTHS=(2,), START_DEPTH=2)
    stop = rest.Stop(0.1, 3)
    residuals = ((0.05, 0.5, 0.5), (0.5, 0.05, 0.5), (0.5, 0.5, 0.5))
    right = ((True, False, False), (False, False, False), (True, True, True))
    for number, (residual, solved) in enumerate(zip(residuals, right, strict=True), start=1):
        step = rest.Step(None, None, residual=np.array(residual))
        stop.see(number, step, np.array(solved))
    assert stop.used.tolist() == [1, 2, 3]
    assert stop.solved.tolist() == [True, False, True]


def test_neighbours_differ_in_one_given_and_begin_warm(run):
    words = ("--level", "minimal", "--count", "6", "--depth", "32")
    neighbour, document = run("neighbour", *words, DEPTHS=(4, 32))
    assert document["pairs"] > 0
    assert document["changed"] > 0
    for start in ("cold", "warm"):
        assert set(document[start]["solved"]) == {"4", "32"}
        assert 1 <= document[start]["mean_steps_until_right"] <= 32
    task = make_task("ttc/Sudoku4-v0")
    first, second = neighbour.pairs(task, 6, "minimal")
    givens = [instances.fields["givens"] for instances in (first, second)]
    assert ((givens[0] != givens[1]).sum(1) == 1).all()
    assert (task.count_solutions(second) == 1).all()
    assert task.score(second, second.labels["answer"])["solved"].all()


def test_searches_begin_warm_and_cold(run):
    words = ("--level", "minimal", "--count", "4", "--steps", "8", "--budget", "64")
    _, document = run("warm", *words)
    cold, warm = (document["rows"][f"{start}, 8 steps a board"] for start in ("cold", "warm"))
    assert cold["n"] == warm["n"] == document["count"] == 4
    assert cold["mean_steps"] >= 8
    # One board is alike, since it has no parent.
    assert (cold["mean_boards"] == 1) <= (warm["mean_steps"] == cold["mean_steps"])


def test_the_implicit_gradient_is_right_at_rest(run):
    words = ("--level", "givens=8", "--count", "3")
    _, document = run("cosine", *words, AGES=(1, 100), LONG=80)
    assert document["at rest"]["rows"] == document["on the way"]["rows"] == 3
    assert document["at rest"]["implicit"][0] > 0.99
    assert document["at rest"]["mixed 8"][0] > 0.99
