"""Descent on a learned energy solves what its recipes are for."""

import numpy as np
import pytest

from ttc_agents.inference.checkpoint import load_model, load_task
from ttc_agents.inference.refine import refine
from ttc_agents.training.train import train

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("recipe", "updates", "floor"), [("sudoku4-energy", 100, 0.95), ("sudoku6-energy", 700, 0.9)]
)
def test_it_solves_minimal_puzzles_and_its_energy_falls(recipe, updates, floor, seed, tmp_path):
    out = tmp_path / recipe
    train(recipe, out, updates=updates, seed=seed, device="cpu", show=False)
    model, task = load_model(out), load_task(out, "validation")
    instances = task.sample(np.arange(100, dtype=np.uint64), "minimal")
    steps = list(refine(model, task, instances, 32))
    assert task.score(instances, steps[-1].answer)["solved"].mean() >= floor
    energy = np.stack([step.judge() for step in steps])
    # Around a minimum at which rectifiers bend, steps go back and forth by less than 1e-4.
    assert (np.diff(energy, axis=0) < 1e-4).mean() > 0.95
