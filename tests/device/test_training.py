"""Every recipe trains on a device: saved, resumed, and with at most two waits an update.

What is small stands in the place of what is large; the way is that of the recipe.
"""

import threading

import pytest
import torch

from ttc_agents.training import engine
from ttc_agents.training.hooks import Saver
from ttc_agents.training.recipes import RECIPES
from ttc_agents.training.update import Training
from ttc_envs import make_task

NARROW = {"width": 8, "message_width": 8, "hidden_width": 8}
OPTIONS = {
    "factor_graph_network": NARROW,
    "choice_network": NARROW,
    "relational_network": {"width": 8, "embedding": 4},
    "recurrent_path": {"width": 8, "embedding": 4},
    "causal_transformer": {"width": 8, "heads": 2, "layers": 1, "embedding": 4},
    "transformer": {"width": 8, "heads": 2, "embedding": 4},
}
TASKS = {
    "ttc/Sudoku-v0": ("ttc/Sudoku4-v0", {}, "givens=8"),
    "ttc/Sudoku4-v0": ("ttc/Sudoku4-v0", {}, "givens=8"),
    "ttc/ShortestPath-v0": ("ttc/ShortestPath-v0", {"places": 16, "degree": 8}, "spread16"),
    "ttc/ShortestPathUSA-v0": (
        "ttc/ShortestPathUSA-v0",
        {"cities": "spread=32", "slots": 24},
        "any",
    ),
}
DRAWING = ("adjacency_learner", "equilibrium")
"""Models that draw on their device, which no other device does alike."""


def small(recipe):
    """A recipe of the same kind that takes a moment."""
    options = {**recipe.model_options, **OPTIONS.get(recipe.model, {})}
    if "inner" in options:
        inner = options["inner"]
        narrow = {**inner["options"], **OPTIONS[inner["model"]]}
        options["inner"] = {**inner, "options": narrow}
    if recipe.model == "adjacency_learner":
        options["neighbours"] = 7
    changes = {"batch_size": 8, "segment_steps": min(2, recipe.segment_steps)}
    if recipe.env_id in TASKS:
        env_id, task, level = TASKS[recipe.env_id]
        changes |= {"env_id": env_id, "task": task, "level": level}
    elif recipe.env_id == "ttc/Sorting-v0":
        changes |= {"task": {**recipe.task, "size": 6}}
    if recipe.target == "search":
        changes |= {"level": "givens=14,givens=13"}
    changes |= {"precision": "float32", "compile": "off", "first": None, "updates": 5}
    return recipe.replaced(model_options=options, **changes)


def begun(recipe, device):
    task = make_task(recipe.env_id, **recipe.task)
    return Training(recipe, task, device, say=lambda line: None)


def allowed(recipe):
    """Waits of an update.

    One is for the look at what came of the update. A model that draws graphs looks for the nodes
    that are free. A reader's answer is moved on by the task at every step. An implicit gradient
    asks its solvers now and then.
    """
    if recipe.model == "equilibrium" and recipe.model_options.get("gradient") != "phantom":
        return 6
    reads = recipe.model == "relational_network" and "view" in recipe.task
    draws = recipe.model == "adjacency_learner"
    return 1 + draws + (recipe.segment_steps if reads else 0)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains_and_resumes(there, name, tmp_path):
    recipe = small(RECIPES[name])
    training = begun(recipe, there.device)
    losses = [float(training.update(0.0)["loss"]) for _ in range(2)]
    if recipe.target != "search":  # a search is no update
        with there.at_most(allowed(recipe)):
            training.update(0.0)
    alike = there.exact or recipe.model not in DRAWING
    if alike and not recipe.random_start:  # of which a dense layout has others
        other = begun(recipe, "cpu")
        for loss in losses:
            there.close(torch.tensor(loss), other.update(0.0)["loss"])
    Saver(tmp_path, []).save(training)
    done = training.updates
    training.update(0.0)
    resumed = begun(recipe, there.device)
    Saver(tmp_path, []).load(resumed)  # with the random numbers, of which there is one stream
    assert resumed.updates == done == (3 if recipe.target != "search" else 2)
    if there.exact:
        resumed.update(0.0)
        pairs = zip(training.learning.parameters, resumed.learning.parameters, strict=True)
        assert all(torch.equal(one.cpu(), two.cpu()) for one, two in pairs)


@pytest.mark.parametrize("faster", ["dense", "ragged"])
def test_a_training_of_given_seconds_times_the_layouts(there, faster, monkeypatch):
    recipe = small(RECIPES["sudoku4-demo"]).replaced(seconds=60.0)
    real, tried = engine.timed_steps, []

    def timed(chosen, inputs, num_steps):
        real(chosen, inputs, num_steps)
        tried.append(chosen.layout)
        return num_steps * (0.5 if chosen.layout == faster else 1.0)

    monkeypatch.setattr(engine, "timed_steps", timed)
    lines = []
    task = make_task(recipe.env_id, **recipe.task)
    training = Training(recipe, task, there.device, say=lines.append)
    other = begun(recipe, "cpu")
    there.close(training.update(0.0)["loss"], other.update(0.0)["loss"], tolerance=1e-5)
    training.update(0.0)  # Muon has made rounding large by now
    assert training.engine.layout == faster
    assert {"dense", "ragged"} <= set(tried), lines
    assert f"float32, eager, {faster}, the fastest here" in lines[0]
    assert training.averaged_model().layouts == ()


def test_instances_are_sampled_ahead_in_a_thread_and_are_the_same(there, tmp_path):
    recipe = small(RECIPES["sudoku4-demo"])
    training, other = begun(recipe, there.device), begun(recipe, "cpu")
    threads, sample = [], training.task.sample

    def watched(keys, level):
        threads.append(threading.current_thread() is threading.main_thread())
        return sample(keys, level)

    training.task.sample = watched
    for update in range(6):
        for each in (training, other):
            if update == 4:
                each.carried.discard()  # so all rows are sampled now, with those of the thread
            each.update(0.0)
        assert torch.equal(training.carried.batch["givens"].cpu(), other.carried.batch["givens"])
        assert training.carried.drawn == other.carried.drawn
    assert threads.count(True) == 2  # the first ones, and the broken ones
    assert threads.count(False) >= 4
    # A checkpoint knows nothing of what was sampled ahead: a CPU goes on with the same instances.
    Saver(tmp_path, []).save(training)
    resumed = begun(recipe, "cpu")
    Saver(tmp_path, []).load(resumed)
    for _ in range(2):
        for each in (resumed, other):
            each.update(0.0)
        assert torch.equal(resumed.carried.batch["givens"], other.carried.batch["givens"])
