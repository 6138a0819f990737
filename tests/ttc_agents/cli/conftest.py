"""What the tests of all commands share."""

import dataclasses
import importlib
import json

import numpy as np
import pytest

from ttc_agents.cli import main
from ttc_agents.inference import checkpoint
from ttc_agents.models import FactorGraphNetwork, RelationalNetwork
from ttc_agents.training.recipes import RECIPES
from ttc_envs import make_task, spell_puzzle

OPTIONS = {"width": 8, "message_width": 8, "hidden_width": 8}


@pytest.fixture(scope="session")
def directory(task, tmp_path_factory):
    """A checkpoint for 4x4 that has learned nothing."""
    path = tmp_path_factory.mktemp("checkpoint")
    weights = FactorGraphNetwork(task.spec, **OPTIONS).state_dict()
    config = {
        "model": "factor_graph_network",
        "model_options": OPTIONS,
        "env_id": "ttc/Sudoku4-v0",
        "task": {},
    }
    checkpoint.save_model(path, weights, task.spec, config)
    return str(path)


@pytest.fixture(scope="session")
def map_directory(tmp_path_factory):
    """A checkpoint for maps of 12 places that has learned nothing."""
    path = tmp_path_factory.mktemp("maps")
    options = {"width": 8, "embedding": 4, "message_layers": 1, "node_layers": 1, "potentials": 2}
    spec = make_task("ttc/ShortestPath-v0", places=12).spec
    config = {
        "model": "relational_network",
        "model_options": options,
        "env_id": "ttc/ShortestPath-v0",
        "task": {"places": 12},
    }
    weights = RelationalNetwork(spec, **options).state_dict()
    checkpoint.save_model(path, weights, spec, config)
    return str(path)


@pytest.fixture
def solver(directory, scripted, monkeypatch):
    """The same checkpoint, but its model fills one right digit at each step."""
    # What takes the loader by name has to have the real one before it is replaced.
    importlib.import_module("ttc_agents.evaluation.solve")
    monkeypatch.setattr(checkpoint, "load_model", lambda *_: scripted())
    return directory


@pytest.fixture(scope="session")
def puzzles(task):
    """Six puzzles with eight blank cells each."""
    return [spell_puzzle(g) for g in task.sample(np.arange(6), "givens=8").fields["givens"]]


@pytest.fixture
def complaint(capsys):
    """Runs the arguments and gives the one line that a user's error leaves."""

    def run(*arguments):
        assert main(arguments) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        (line,) = captured.err.splitlines()
        assert line.startswith("ttc: ")
        return line

    return run


@pytest.fixture
def document(capsys):
    """Reads the JSON document of the last line."""
    return lambda: json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.fixture
def tiny(monkeypatch):
    """A recipe of a moment, by its name."""
    recipe = dataclasses.replace(
        RECIPES["city-lstm-cpu-20min"],
        name="tiny",
        task={"cities": "spread=32", "slots": 24},
        model_options={"width": 16, "embedding": 8},
        seconds=None,
        updates=4,
        batch_size=4,
    )
    monkeypatch.setitem(RECIPES, "tiny", recipe)
    return "tiny"
