import numpy as np
import pytest

import ttc_agents as ta
from ttc_agents.evaluation.families import draw
from ttc_agents.figures.replay import (
    BACKSLASH,
    FIRST,
    LEVELS,
    Run,
    coded_confidence,
    group_codes,
    replay,
    replay_set,
    symbols,
)
from ttc_agents.inference.boards import search
from ttc_envs import NextHopTask, SequenceTask, SortingTask, SudokuTask

HARD = "8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4.."


def answers_of(columns, nodes):
    """The answers (T, N) that columns of changes stand for."""
    answer, seen = np.full(nodes, -1), []
    for changes in columns["changes"]:
        pairs = np.reshape(changes, (-1, 2))
        answer[pairs[:, 0]] = pairs[:, 1]
        seen.append(answer.copy())
    return np.array(seen)


def test_a_replay_has_the_answers_of_refine(task, scripted):
    model, one = scripted(), draw(task, "easy", 1, 0)
    columns = replay(Run("scripted", model, "steps", 6), task, one)["frames"]
    expected = [task.initial_answer(one)[0], *(s.answer[0] for s in ta.refine(model, task, one, 6))]
    assert columns["step"] == [0, 1, 2, 3, 4, 5, 6]
    np.testing.assert_array_equal(answers_of(columns, 16), expected)
    scores = [task.score(one, answer[None]) for answer in expected]
    assert columns["solved"] == [int(score["solved"][0]) for score in scores]
    assert columns["quality"] == [pytest.approx(s["quality"][0], abs=1e-4) for s in scores]
    assert columns["residual"][0] is None
    assert all(residual > 0 for residual in columns["residual"][1:])


def test_confidence_survives_as_characters_that_json_leaves_alone():
    shares = np.linspace(0, 1, LEVELS + 1)
    text = coded_confidence(shares)
    assert len(set(text)) == LEVELS + 1
    assert text.isprintable()
    assert not set(text) & {'"', "\\"}
    codes = np.array([ord(character) for character in text])
    np.testing.assert_allclose((codes - FIRST - (codes > BACKSLASH)) / LEVELS, shares)
    assert coded_confidence(None) == ""


def test_the_tree_of_a_search_is_kept_board_by_board():
    task, model = ta.load_task("sudoku-cpu", "test"), ta.load("sudoku-cpu")
    one = task.parse(HARD)
    found = replay(Run("sudoku-cpu", model, "branch", 320), task, one)
    (tree,) = search(model, task, one, 320)
    assert len(tree.boards) > 3
    assert [node["pin"] for node in found["tree"]] == [board.pin for board in tree.boards]
    assert [node["fate"] for node in found["tree"]] == [board.fate for board in tree.boards]
    assert found["tree"][0]["parent"] is None
    assert len(found["frames"]["step"]) == len(tree.boards) + 1
    shown = answers_of(found["frames"], 81)[1:]
    alive = [i for i, board in enumerate(tree.boards) if board.steps]
    np.testing.assert_array_equal(shown[alive], [tree.boards[i].answer for i in alive])


def test_a_learned_graph_is_part_of_a_replay():
    task, model = (f("sudoku-learned-graph-cpu") for f in (ta.load_task, ta.load))
    found = replay(Run("graph", model, "steps", 1), task, draw(task, "easy", 1, 0))
    assert np.shape(found["graph"]) == (81, 20)


@pytest.mark.parametrize(
    ("task", "kind", "entries"),
    [
        (SudokuTask(4), "grid", {"cells"}),
        (NextHopTask(16), "map", {"points", "roads", "onward", "best"}),
        (SequenceTask("spread=64", slots=16), "map", {"points", "roads", "onward", "best"}),
        (SortingTask(8, min_size=5), "bars", {"values"}),
    ],
    ids=["grid", "hops", "sequence", "bars"],
)
def test_every_task_says_how_a_page_draws_it(task, kind, entries):
    family = draw(task, task.spec.levels[0], 2, 0)

    def solve(instances):
        yield task.solve(instances)

    document = replay_set("title", task, family, [Run("solve", solve, "steps", 2)])
    for shown in document["instances"]:
        assert shown["view"]["kind"] == kind
        assert entries <= set(shown["view"])
        assert shown["runs"][0]["frames"]["solved"][-1] == 1


def test_symbols_are_those_of_the_task():
    assert symbols(SudokuTask(4)) == list("1234")
    assert symbols(SudokuTask(16))[9:12] == list("ABC")
    assert symbols(SortingTask(12))[10:] == ["10", "11"]


def test_groups_are_codes_of_node_and_choice():
    task = SudokuTask(4)
    groups = {group["kind"]: group["members"] for group in group_codes(task)}
    assert groups["row"][0] == [0, 4, 8, 12]
    assert sorted(groups) == ["box", "cell", "column", "row"]
