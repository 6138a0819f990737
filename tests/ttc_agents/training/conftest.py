"""Trainings of a moment, one of each kind, and modules of a user's own."""

import dataclasses
import sys

import pytest
import torch

from ttc_agents.training.distributed import ALONE
from ttc_agents.training.recipe import Recipe
from ttc_agents.training.recipes import RECIPES
from ttc_agents.training.update import Training
from ttc_envs import make_task

SMALL = {"width": 8, "message_width": 8, "hidden_width": 8}
TINY = Recipe(
    name="tiny",
    description="a few updates on 4x4",
    env_id="ttc/Sudoku4-v0",
    model="factor_graph_network",
    level="minimal",
    model_options=SMALL,
    updates=6,
    batch_size=4,
    segment_steps=2,
    warmup=2,
    precision="float32",
    compile="off",
)
KINDS = {
    "plain": TINY,
    "muon": dataclasses.replace(
        TINY, optimizer="muon", level="easy,minimal", restart=0.5, random_start=0.5
    ),
    "expert": dataclasses.replace(
        TINY, target="search", level="givens=12,givens=9", batch_size=16, restart=1.0
    ),
    "reader": dataclasses.replace(
        TINY,
        env_id="ttc/Sorting-v0",
        model="relational_network",
        level="uniform,reversed",
        task={"size": 4, "view": "adjacent"},
        model_options={"width": 8, "message_layers": 1, "node_layers": 1},
        target="improve",
    ),
    "forced": dataclasses.replace(
        RECIPES["city-lstm-cpu-20min"],
        task={"cities": "spread=32", "slots": 24},
        model_options={"width": 16, "embedding": 8},
        seconds=None,
        updates=6,
        batch_size=4,
        restart=0.5,
    ),
    "graphs": dataclasses.replace(
        RECIPES["graph-4x4"], updates=6, batch_size=4, segment_steps=2, restart=0.5
    ),
    "energy": dataclasses.replace(
        TINY,
        model="energy",
        model_options={"inner": {"model": "factor_graph_network", "options": SMALL}, "rounds": 1},
        backward_every=1,
    ),
    "equilibrium": dataclasses.replace(
        TINY,
        model="equilibrium",
        level="givens=10",
        model_options={
            "inner": {"model": "factor_graph_network", "options": SMALL},
            "max_steps": 6,
            "tol": 1e-2,
        },
        updates=8,
        segment_steps=1,
        restart=0.5,
        warmup=1,
        alarm_every=2,
    ),
}


class Until:
    """A stop request that comes at an update."""

    def __init__(self, training, update):
        self.training, self.update = training, update

    @property
    def requested(self):
        return self.training.updates >= self.update


@pytest.fixture(autouse=True)
def one_thread():
    """Sums of several threads are not alike to the last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def kinds():
    """Recipes of a moment by kind."""
    return KINDS


@pytest.fixture(scope="session")
def tiny():
    """The plainest of them."""
    return TINY


@pytest.fixture(scope="session")
def begun():
    """Makes the training of a recipe, with other entries where wanted."""

    def make(recipe, world=ALONE, **changes):
        recipe = dataclasses.replace(recipe, **changes)
        task = make_task(recipe.env_id, **recipe.task)
        return Training(recipe, task, say=lambda line: None, world=world)

    return make


@pytest.fixture(scope="session")
def until():
    """Makes stop requests that come at an update of a training."""
    return Until


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module of a user's own, which can be imported; gives its name."""
    written = []

    def write(name, code):
        (tmp_path / f"{name}.py").write_text(code)
        written.append(name)
        return name

    monkeypatch.syspath_prepend(tmp_path)
    yield write
    for name in written:
        sys.modules.pop(name, None)
