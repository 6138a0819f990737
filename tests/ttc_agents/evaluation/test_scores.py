import json

import numpy as np
import pytest

from ttc_agents.evaluation import joined, sweep, sweep_classical, wilson
from ttc_agents.evaluation.records import Recorder
from ttc_agents.evaluation.scores import pace_table, part_table, score_table
from ttc_agents.inference import Step
from ttc_envs import NextHopTask, SortingTask, odd_even_network, rounds_needed

STEPS = (1, 2, 4, 8, 16)


@pytest.fixture(scope="module")
def paths():
    return NextHopTask(places=16, split="test")


@pytest.fixture(scope="module")
def maps(paths):
    return paths.sample(np.arange(20, dtype=np.uint64), "spread16")


def followed(method, task, instances):
    """The records of a classical method."""
    result = sweep_classical(task, {"all": instances}, STEPS, classical=(method,))
    (records,) = result.records[method]["all"]
    return records


@pytest.fixture(scope="module")
def relaxed(paths, maps):
    return followed("bellman_ford", paths, maps)


def test_scores_by_step_are_those_of_the_task(paths, maps, relaxed):
    table = score_table(relaxed)
    answers = list(paths.baselines()["bellman_ford"](maps))
    for step in STEPS:
        scores = paths.score(maps, answers[min(step, len(answers)) - 1])
        within = scores["within_1_percent"]
        low, high = wilson(int(within.sum()), 20)
        expected = {"mean": within.mean(), "n": 20, "low": low, "high": high}
        assert table["within_1_percent"][str(step)] == pytest.approx(expected)
        assert table["quality"][str(step)]["mean"] == pytest.approx(scores["quality"].mean())
        arrived = np.isfinite(scores["length_ratio"])
        entry = table["length_ratio"][str(step)]
        assert entry["n"] == arrived.sum()
        assert (entry["mean"] is None) == (not arrived.any())
    assert table["length_ratio"]["16"]["mean"] == pytest.approx(1)
    assert "solved" not in table


def test_parts_are_counted_by_depth(paths, maps, relaxed):
    table = part_table(relaxed)
    assert table["depth"] == "hops"
    assert table["n"]["all"] == 20 * 15 == sum(n for d, n in table["n"].items() if d != "all")
    optimal = table["metrics"]["optimal"]
    # After t steps of relaxation the paths of more than t hops are not known.
    for depth, shares in optimal.items():
        if depth != "all":
            assert all(
                share == 0 for step, share in zip(STEPS, shares, strict=True) if step < int(depth)
            )
    assert optimal["1"][0] > 0.5
    answers = list(paths.baselines()["bellman_ford"](maps))
    parts = paths.score_parts(maps, answers[1])
    expected = parts.holds["optimal"][parts.depth >= 0].mean()
    assert optimal["all"][1] == pytest.approx(expected, abs=1e-5)


def test_a_task_without_parts_has_no_such_table(task):
    puzzles = task.sample(np.arange(3, dtype=np.uint64), "givens=8")
    assert part_table(followed("solve", task, puzzles)) == {}


def test_rows_that_are_not_finite_hold_nothing(paths, maps):
    recorder = Recorder(paths, maps, (1,))
    finite = np.arange(20) % 2 == 0
    recorder.add(Step(maps.labels["answer"], finite))
    records = recorder.records()
    np.testing.assert_array_equal(records.scores["optimal"][:, 0], finite)
    holds = records.parts["optimal"][:, 0]
    assert not holds[~finite].any()
    assert holds[finite].all()


def test_the_pace_is_that_of_each_list_in_the_rounds_of_odd_even_sort(improving):
    task = SortingTask(12, view="complete")
    lists = task.sample(np.arange(30, dtype=np.uint64), "uniform")
    result = sweep(improving(task), task, {"a": lists}, (32,))
    rounds = rounds_needed(lists.fields["numbers"], odd_even_network(12))
    (improve,) = result.records["improve"]["a"]
    assert set(rounds - improve.first_solved) <= {0, 1}
    document = json.loads(json.dumps(result.to_json(per_instance=True)))
    # The model is the classical method itself, and slower than a bitonic network.
    assert document["pace"]["improve"]["a"]["1"]["solved"] == 1
    assert document["pace"]["bitonic"]["a"]["1"]["solved"] < 1
    assert set(document["pace"]) == {"improve", "bitonic"}
    (own,) = document["records"]["improve"]["a"]
    assert own["first_solved"] == improve.first_solved.tolist()
    assert document["scores"]["p1"]["a"]["inversions"]["32"]["mean"] == 0
    assert document["scores"]["bitonic"]["a"]["position_accuracy"]["32"]["mean"] == 1


def test_the_pace_counts_what_was_solved_in_time_among_what_the_row_solved(relaxed):
    slower = relaxed.__class__(**{**vars(relaxed), "first_solved": relaxed.first_solved * 2})
    table = pace_table(slower, relaxed)
    assert [table[f]["solved"] for f in ("1", "1.5", "2", "4")] == [0, 0, 1, 1]
    never = relaxed.__class__(
        **{**vars(relaxed), "first_solved": np.where(np.arange(20) < 5, -1, 3)}
    )
    assert pace_table(relaxed, never)["1"]["n"] == 15
    assert pace_table(never, relaxed)["4"]["solved"] <= 0.75
    assert (
        pace_table(relaxed, relaxed.__class__(**{**vars(never), "first_solved": -np.ones(20)}))
        == {}
    )


def test_a_method_that_takes_one_look_sets_no_pace(paths, maps, relaxed):
    at_once = followed("greedy", paths, maps)
    assert at_once.first_solved.max() == 1
    assert pace_table(relaxed, at_once) == {}


def test_sweeps_of_other_sizes_are_joined(improving):
    results = []
    for size in (4, 9):
        task = SortingTask(size)
        lists = task.sample(np.arange(5, dtype=np.uint64), "uniform")
        results.append(sweep(improving(task), task, {f"size={size}": lists}, (16,)))
    document = joined(results).to_json()
    assert list(document["rows"]["p1"]) == ["size=4", "size=9"]
    assert list(document["rows"]["bitonic"]) == ["size=4", "size=9"]
    assert list(document["scores"]["p1"]) == ["size=4", "size=9"]
    with pytest.raises(ValueError, match="have the family 'size=4' in the row 'p1'"):
        joined([results[0], results[0]])
