"""Comparisons: every kind of row, the tables, the picture."""

import json

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")

from ttc_agents.evaluation.comparison import distinct, run_cell, table_lines
from ttc_agents.evaluation.comparison_figures import comparison_picture
from ttc_agents.training.budget import Budget
from ttc_agents.training.presets import Arena, Row
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
ARENA = Arena("ttc/Sudoku4-v0", "easy", (1, 8), ROWS, count=30, curve_count=10)
BUDGET = Budget(flops=5e8)


@pytest.fixture(scope="module")
def cells():
    return [run_cell(ARENA, row, BUDGET, seed=1) for row in ROWS]


def test_every_cell_is_a_document_with_shares_and_costs(cells):
    for cell in cells:
        assert json.loads(json.dumps(cell)) == cell
        assert {"1", "8"} == set(cell["reached"]) == set(cell["holds"])
        assert cell["reached"]["8"]["n"] == 30 >= cell["distinct"] > 10
        assert cell["reached"]["8"]["solved"] >= cell["holds"]["8"]["solved"]
    exact = cells[-1]
    assert exact["holds"]["1"]["solved"] == 1
    assert (exact["seconds"], exact["curve"]) == (0, [])


def test_trained_rows_use_their_budget_and_have_a_curve(cells):
    for cell in cells[:-1]:
        assert 5e8 <= cell["flops"] < 1e9
        assert cell["parameters"] > 1000
        flops = [point["flops"] for point in cell["curve"]]
        assert len(flops) >= 3
        assert flops == sorted(flops)
        assert flops[-1] == cell["flops"]


def test_agents_are_also_played_with_drawn_actions(cells):
    assert [("drawn" in cell) for cell in cells] == [True, True, False, False, False]


def test_the_instances_are_the_same_for_all():
    row = Row("random", "policy", {"policy": "classical"}, trained=False)
    first, second = (run_cell(ARENA, row, BUDGET, seed) for seed in (0, 5))
    assert first["holds"] == second["holds"]


def test_instances_that_are_drawn_twice_count_once():
    instances = make_task("ttc/Sorting-v0", size=5).sample(np.arange(6, dtype=np.uint64), "uniform")
    assert distinct(instances) == 6
    assert distinct(instances[np.array([0, 1, 0, 2])]) == 3


def test_the_table_has_a_line_per_row(cells):
    head, rule, *lines = table_lines("sudoku4", cells)
    assert head.startswith("| sudoku4 | acts by | 1 | 8 |")
    assert rule.count("|") == head.count("|")
    assert [line.split(" | ")[0][2:] for line in lines] == [row.name for row in ROWS]
    assert lines[-1].startswith("| exact | full | 100.0 | 100.0 | 100.0 | 100.0 |")


def test_the_picture_is_drawn(cells):
    assert comparison_picture("sudoku4", cells).startswith(b"\x89PNG")


def test_a_recipe_of_another_model_does_not_warm_start_an_agent():
    options = {**NETWORK, "recipe": "sudoku4-rrn"}
    with pytest.raises(ValueError, match="sudoku4-rrn trains a relational_network, the agent has"):
        run_cell(ARENA, Row("agent", "sb3", options), BUDGET, seed=1)


def test_an_absent_device_is_refused_before_training():
    options = {"recipe": "sudoku4-demo", "device": "cuda:99"}
    with pytest.raises(ValueError, match="device 'cuda:99' cannot be used"):
        run_cell(ARENA, Row("labels", "refinement", options), BUDGET, seed=1)
