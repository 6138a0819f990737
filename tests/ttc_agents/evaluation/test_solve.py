"""What comes of some instances, as documents and in words."""

import json

import numpy as np
import pytest
import torch

import ttc_agents
from ttc_agents.evaluation.solve import solve, table_lines, told, when_settled
from ttc_agents.inference import checkpoint
from ttc_agents.inference.refine import classical_methods
from ttc_agents.models import FactorGraphNetwork
from ttc_envs import NextHopTask, SortingTask, spell_puzzle

INKALA = "8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4.."
"""A puzzle that A. Inkala published in 2012 as the hardest."""


@pytest.fixture(scope="module")
def puzzles(task):
    """Ten blank cells each; the first cell of some is blank."""
    return task.sample(np.arange(6, dtype=np.uint64), "givens=6")


def test_an_outcome_says_what_came_of_each_instance(task, scripted, puzzles):
    found = solve(scripted(), puzzles, 12, task=task)
    for row, outcome in enumerate(found):
        assert outcome == {
            "puzzle": spell_puzzle(puzzles.fields["givens"][row]),
            "answer": spell_puzzle(puzzles.labels["answer"][row]),
            "solved": True,
            "settled": 10,
            "first_solved": 10,
            "finite": True,
            "steps": 12,
            "several_solutions": False,
            "scores": {"quality": 1.0, "accuracy": 1.0},
        }
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_what_is_lost_again_is_not_solved(task, scripted, puzzles):
    for outcome in solve(scripted(collapse=11), puzzles, 12, task=task):
        assert (outcome["first_solved"], outcome["solved"], outcome["settled"]) == (10, False, 12)
        assert outcome["scores"]["quality"] < 1


def test_what_is_not_finite_is_no_result(task, scripted, puzzles):
    lost = puzzles.fields["givens"][:, 0] < 0
    assert 0 < lost.sum() < len(lost)
    found = solve(scripted(broken=5), puzzles, 12, task=task)
    assert [outcome["finite"] for outcome in found] == (~lost).tolist()
    assert [outcome["solved"] for outcome in found] == (~lost).tolist()
    assert {outcome["first_solved"] for outcome in found} == {10, None}


def test_texts_are_solved_like_the_instances_that_they_spell(task, scripted, puzzles):
    texts = [spell_puzzle(givens) for givens in puzzles.fields["givens"]]
    expected = solve(scripted(), puzzles, 12, task=task)
    assert solve(scripted(), texts, 12, task=task) == expected
    assert solve(scripted(), texts[2], 12, task=task) == [expected[2]]
    with pytest.raises(ValueError, match="got 3"):
        solve(scripted(), "123", 12, task=task)


def test_models_run_in_float32_and_are_left_as_they_were(task, scripted, puzzles):
    model, seen = scripted().train(), []
    step = model.step
    model.step = lambda context, z: (
        seen.append((model.training, (z @ torch.ones(1, 1)).dtype)) or step(context, z)
    )
    with torch.autocast("cpu", torch.bfloat16):
        solve(model, puzzles, 2, task=task)
    assert set(seen) == {(False, torch.float32)}
    assert model.training


def test_a_classical_method_solves_too():
    task = SortingTask(6)
    lists = task.sample(np.arange(3, dtype=np.uint64), "reversed")
    for outcome in solve(classical_methods(task)["improve"], lists, 8, task=task):
        assert outcome["solved"]
        assert outcome["settled"] == outcome["first_solved"] > 1


def test_a_score_that_is_infinite_is_none():
    task = NextHopTask(places=10, split="test")
    maps = task.sample(np.arange(2, dtype=np.uint64), "spread7")
    (first, _) = solve(lambda instances: iter(()), maps, 1, task=task)
    assert first["scores"]["length_ratio"] is None
    json.dumps(first, allow_nan=False)


def test_a_checkpoint_knows_its_task(task, puzzles, tmp_path):
    options = {"width": 8, "message_width": 8, "hidden_width": 8}
    config = {"model": "factor_graph_network", "model_options": options}
    config |= {"env_id": "ttc/Sudoku4-v0", "task": {}}
    model = FactorGraphNetwork(task.spec, **options)
    checkpoint.save_model(tmp_path, model.state_dict(), task.spec, config)
    text = spell_puzzle(puzzles.fields["givens"][0])
    (outcome,) = ttc_agents.solve(str(tmp_path), text, 3)
    assert outcome == solve(model, puzzles[:1], 3, task=task)[0]
    assert ttc_agents.solve(str(tmp_path), puzzles[:1], 3, task=task) == [outcome]
    with pytest.raises(ValueError, match="task is missing"):
        solve(model, text, 3)


def test_a_checkpoint_may_work_on_a_task_of_another_size():
    task = SortingTask(24)
    lists = task.sample(np.arange(2, dtype=np.uint64), "uniform")
    assert all(outcome["solved"] for outcome in solve("sorting-cpu", lists, 1, task=task))


OUTCOME = {
    "puzzle": "1.3.",
    "answer": "1234",
    "solved": True,
    "settled": 3,
    "first_solved": 2,
    "finite": True,
    "steps": 8,
    "several_solutions": False,
}


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        ({}, ["all rules hold (for the first time after step 2)"]),
        ({"solved": False}, ["the rules held after step 2, but not at the end"]),
        (
            {"solved": False, "first_solved": None},
            ["the rules do not hold: not solved (more --steps may help)"],
        ),
        (
            {"solved": False, "finite": False},
            ["the model's state is not finite any more: this answer is no result"],
        ),
        (
            {"several_solutions": True},
            [
                "all rules hold (for the first time after step 2)",
                "this puzzle has several solutions; models are trained on puzzles with one",
            ],
        ),
    ],
)
def test_an_outcome_in_words(change, lines):
    first = ["1234", "the answer settled after 3 of 8 steps"]
    assert told({**OUTCOME, **change}) == [*first, *lines]


def test_an_answer_may_not_have_settled():
    assert when_settled(8, 8) == "the answer still changed at the last step, 8"
    assert when_settled(7, 8) == "the answer settled after 7 of 8 steps"


def test_a_table_has_a_line_for_each_and_the_total():
    lost = {**OUTCOME, "puzzle": "1234", "solved": False, "settled": 8}
    head, first, second, total = table_lines([OUTCOME, lost])
    assert first.split() == ["1", "2", "3", "after", "2", "1234"]
    assert second.split() == ["2", "4", "8", "no", "1234"]
    assert total == "1 of 2 solved in 8 steps"
    assert head.index("answer") == first.index("1234") == second.index("1234")


def test_a_table_says_what_is_no_result_and_where_another_answer_would_count_too():
    lost = {**OUTCOME, "solved": False, "finite": False}
    _, first, _, total, last = table_lines([lost, {**OUTCOME, "several_solutions": True}])
    assert first.split() == ["1", "2", "3", "not", "finite", "1234"]
    assert total == "1 of 2 solved in 8 steps"
    assert last.strip() == "2 has several solutions, of which any counts"


@pytest.mark.parametrize("think", ["branch", "auto"])
def test_thinking_by_branches_solves_a_hard_puzzle(think):
    (found,) = solve("sudoku-cpu", INKALA, 1000, think=think)
    assert found["solved"]
    assert 32 < found["first_solved"] == found["settled"] < 1000


def test_restarts_share_the_budget(task, scripted, puzzles):
    found = solve(scripted(), puzzles, 96, think="restarts", task=task)
    assert [outcome["solved"] for outcome in found] == [True] * 6
    assert all(outcome["first_solved"] % 8 == 0 for outcome in found)


def test_ways_to_think_are_known_and_fit_the_source(task, puzzles):
    with pytest.raises(
        ValueError, match="no way to think 'harder', expected one of steps, restart"
    ):
        solve("sudoku-cpu", INKALA, 100, think="harder")
    with pytest.raises(ValueError, match="one board of 32 steps, got 20"):
        solve("sudoku-cpu", INKALA, 20, think="branch")
    method = classical_methods(task)["improve"]
    with pytest.raises(ValueError, match="a classical method knows think='steps' alone"):
        solve(method, puzzles, 8, think="branch", task=task)
