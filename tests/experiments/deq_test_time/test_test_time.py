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
    assert found["steps"]["2"]["rest"]["solved"] < found["steps"]["64"]["rest"]["solved"] == 1
    assert 2 < found["steps"]["mean_steps_to_rest"] < 64
    starts = found["random_starts"]
    assert starts["same"]["n"] == 3 * starts["solved"]
    assert rest.auc(np.array([0.0, 1.0]), np.array([1.0, 2.0])) == 0.875
    assert rest.auc(np.array([]), np.array([1.0])) is None


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
