"""Comparisons: every kind of row, and the tables."""

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")

from ttc_agents.comparison.kinds import Job, prepare_expert, prepare_refinement
from ttc_agents.comparison.plan import Comparison, Row, Table
from ttc_agents.comparison.run import distinct, document_of, run_row, table_lines, verdicts
from ttc_agents.training.flops import counted
from ttc_agents.training.recipes import find_recipe
from ttc_agents.training.schedule import Length
from ttc_agents.training.update import Training
from ttc_envs import make_task

AGENT = {
    "algorithm": "ppo_mask",
    "action_mode": "edit",
    "tuned_as": "ttc/SudokuEdit4-v0",
    "hyperparameters": {"n_envs": 8, "n_steps": 8, "batch_size": 64},
}
NETWORK = {
    "algorithm": "ppo",
    "observation": "default",
    "recipe": "sudoku4-demo",
    "hyperparameters": {
        "policy": "ttc_agents.policies.sb3_network.RefinementNetwork",
        "policy_kwargs": {
            "env_id": "ttc/Sudoku4-v0",
            "model": "factor_graph_network",
            "model_options": {"width": 8, "message_width": 8, "hidden_width": 16},
            "steps": 2,
        },
        "n_envs": 8,
        "n_steps": 8,
        "batch_size": 64,
    },
}
RULES = {"batch_size": 4, "samples": 2, "segment_steps": 4, "episode_steps": 8}
ROWS = (
    Row("agent", "sb3", AGENT),
    Row("agent after labels", "sb3", NETWORK),
    Row("labels", "refinement", {"recipe": "sudoku4-demo"}),
    Row(
        "both",
        "refinement",
        {"recipe": "sudoku4-demo", "verifier": 0.5, "verifier_options": RULES},
    ),
    Row("exact", "policy", {"policy": "solve"}, trained=False),
)
TABLE = Table("ttc/Sudoku4-v0", "easy", (1, 8), ROWS, count=30, curve_count=10)
LENGTH = Length(flops=5e8)


@pytest.fixture(scope="module")
def runs():
    return [run_row(TABLE, row, LENGTH, seed=1) for row in ROWS]


def test_every_run_is_a_document_with_shares_and_costs(runs):
    for run in runs:
        assert json.loads(json.dumps(run)) == run
        assert {"1", "8"} == set(run["reached"]) == set(run["holds"])
        assert run["reached"]["8"]["n"] == 30 >= run["distinct"] > 10
        assert run["reached"]["8"]["solved"] >= run["holds"]["8"]["solved"]
    exact = runs[-1]
    assert exact["holds"]["1"]["solved"] == 1
    assert (exact["seconds"], exact["curve"]) == (0, [])


def test_trained_rows_use_their_budget_and_have_a_curve(runs):
    for run in runs[:-1]:
        assert 5e8 <= run["flops"] < 1e9
        assert run["parameters"] > 1000
        flops = [point["flops"] for point in run["curve"]]
        assert len(flops) >= 3
        assert flops == sorted(flops)
        assert flops[-1] == run["flops"]


def test_no_update_is_charged_for_the_first_states():
    """Updates are counted now and then: one that did more would make all of them dearer."""
    changes = {"model_options": {"width": 16, "layers": 1, "share": "none"}}
    changes |= {"restart": 1.0, "segment_steps": 1}
    task = make_task("ttc/Sorting-v0", size=8)
    job = Job(task, "ttc/Sorting-v0", "uniform", Length(updates=3), 0, lambda agent, spent: None)
    spent = prepare_refinement(job, recipe="sorting-transformer", changes=changes).spent
    recipe = find_recipe("sorting-transformer").replaced(**changes, precision="float32")
    training = Training(recipe, task)
    training.update(0.0)
    assert spent.flops == 3 * counted(lambda: training.update(0.5))[1]


def test_an_expert_is_charged_for_its_searches():
    task, own = make_task("ttc/Sudoku4-v0"), 3 * 16 * 4
    job = Job(task, "ttc/Sudoku4-v0", "easy", Length(updates=3), 0, lambda agent, spent: None)
    labels = prepare_refinement(job, recipe="sudoku4-demo", changes={"level": "easy"}).spent
    searched = prepare_expert(job, recipe="sudoku4-demo", levels="easy").spent
    assert labels.env_steps == own < searched.env_steps
    # Forward steps, as an update has them with two backward ones each.
    steps = searched.env_steps - own
    assert searched.flops - labels.flops > 0.8 * steps * labels.flops / (3 * own)


def test_agents_are_also_played_with_drawn_actions(runs):
    assert [("drawn" in run) for run in runs] == [True, True, False, False, False]


def test_the_instances_are_the_same_for_all():
    row = Row("random", "policy", {"policy": "classical"}, trained=False)
    first, second = (run_row(TABLE, row, LENGTH, seed) for seed in (0, 5))
    assert first["holds"] == second["holds"]


def test_instances_that_are_drawn_twice_count_once():
    instances = make_task("ttc/Sorting-v0", size=5).sample(np.arange(6, dtype=np.uint64), "uniform")
    assert distinct(instances) == 6
    assert distinct(instances[np.array([0, 1, 0, 2])]) == 3


def test_the_table_has_a_line_per_row(runs):
    head, rule, *lines = table_lines("sudoku4", runs)
    assert head.startswith("| sudoku4 | acts by | 1 | 8 |")
    assert rule.count("|") == head.count("|")
    assert [line.split(" | ")[0][2:] for line in lines] == [row.name for row in ROWS]
    assert lines[-1].startswith("| exact | full | 100.0 | 100.0 | 100.0 | 100.0 |")


def test_what_was_not_finite_stands_below_the_table(runs):
    assert [run["nonfinite"] for run in runs] == [0] * len(runs)
    lost = {**runs[2], "nonfinite": 7}
    *_, last = table_lines("sudoku4", [*runs[:2], lost])
    assert last == "\nlabels, seed 1: 7 of 30 instances were not finite: they are unsolved."


def test_steps_after_which_answers_stay_are_not_run():
    row = Row("steps", "policy", {"policy": "classical"}, trained=False, last=1)
    run = run_row(TABLE, row, LENGTH, seed=0)
    full = run_row(TABLE, replace(row, last=None), LENGTH, seed=0)
    for metric in ("reached", "holds"):
        assert run[metric]["8"] == run[metric]["1"] == full[metric]["1"]
        assert full[metric]["8"]["solved"] > full[metric]["1"]["solved"]


def test_the_document_of_a_table_has_means_over_seeds(runs):
    first = runs[2]
    other = {**first["reached"], "8": {**first["reached"]["8"], "solved": 1.0}}
    both = [first, {**first, "seed": 2, "reached": other}]
    comparison = Comparison("mine", "what it is", {"sudoku4": TABLE}, LENGTH)
    document = document_of(comparison, "sudoku4", both)
    assert json.loads(json.dumps(document)) == document
    solved = first["reached"]["8"]["solved"]
    assert document["rows"]["labels"]["easy"]["8"] == {
        "solved": pytest.approx((solved + 1) / 2),
        "n": 30,
        "seeds": [solved, 1.0],
    }
    assert document["runs"] == both
    assert document["verdicts"] == []
    settings = document["settings"]
    assert (settings["comparison"], settings["table"]) == ("mine", "sudoku4")
    assert (settings["seconds"], settings["flops"]) == (None, 5e8)


def test_verdicts_are_those_of_pairs_with_two_seeds_each(runs):
    model = runs[2]
    rival = {**model, "row": "both"}
    table = replace(TABLE, pairs=(("labels", "both"), ("labels", "absent")))
    assert verdicts(table, [model, rival, {**model, "seed": 2}]) == []
    (found,) = verdicts(table, [model, rival, {**model, "seed": 2}, {**rival, "seed": 2}])
    assert (found["recurrent"], found["other"], found["crosses"]) == ("labels", "both", None)


def test_a_recipe_of_another_model_does_not_warm_start_an_agent():
    options = {**NETWORK, "recipe": "sudoku4-rrn"}
    with pytest.raises(ValueError, match="sudoku4-rrn trains a relational_network, the agent has"):
        run_row(TABLE, Row("agent", "sb3", options), LENGTH, seed=1)


def test_an_absent_device_is_refused_before_training():
    options = {"recipe": "sudoku4-demo", "device": "cuda:99"}
    with pytest.raises(ValueError, match="device 'cuda:99' cannot be used"):
        run_row(TABLE, Row("labels", "refinement", options), LENGTH, seed=1)
