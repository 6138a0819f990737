import json
import math

import numpy as np
import pytest

from ttc_agents.evaluation import calibrate
from ttc_agents.evaluation.calibration import calibration_text
from ttc_envs import Instances, NextHopTask, SortingTask

# The scripted model is right with this confidence and wrong with that one.
SURE = math.exp(4.0) / (math.exp(4.0) + 3)
DOUBTFUL = math.exp(0.2) / (math.exp(0.2) + 3)


@pytest.fixture(scope="module")
def puzzles(task):
    """Ten blank cells each."""
    return task.sample(np.arange(12, dtype=np.uint64), "givens=6")


def test_error_by_step_is_the_gap_between_confidence_and_success(task, scripted, puzzles):
    result = calibrate(scripted(), task, puzzles, (1, 5, 10, 12), batch_size=5)
    right = np.array([0.1, 0.5, 1, 1])
    expected = right * (1 - SURE) + (1 - right) * DOUBTFUL
    np.testing.assert_allclose(result.error(), expected, rtol=1e-5)
    assert result.to_json()["nodes"] == 120


def test_changes_fall_on_doubtful_cells_and_sure_ones_stay(task, scripted, puzzles):
    document = calibrate(scripted(), task, puzzles, (1, 5, 10, 12)).to_json()
    # Every change turns a wrong, doubtful cell into a right one; in steps 2..12 the share of
    # doubtful cells beforehand is 9, 8, ... 1, 0, 0 tenths.
    assert document["changes_of_doubtful"] == 1
    assert document["doubtful"] == pytest.approx(4.5 / 11)
    assert document["steps"]["5"]["doubtful"] == pytest.approx((0.9 + 0.8 + 0.7 + 0.6) / 4)
    assert document["steps"]["1"]["doubtful"] is None
    assert document["steps"]["12"]["changes_of_doubtful"] is None
    assert [entry["flips_of_sure"] for entry in document["steps"].values()] == [0, 0, 0, None]
    json.dumps(document, allow_nan=False)


def test_sure_cells_that_are_lost_later_are_counted(task, scripted, puzzles):
    result = calibrate(scripted(collapse=7), task, puzzles, (1, 5, 7, 8))
    np.testing.assert_array_equal(result.sure[:, 0], 12 * np.array([1, 5, 7, 0]))
    np.testing.assert_array_equal(result.sure[:, 1], 12 * np.array([1, 5, 7, 0]))
    # Between steps 7 and 8 seven sure cells of ten change, and no doubtful one: they stay wrong.
    assert result.changes[3].tolist() == [84, 0]


def test_bands_add_up_to_all_free_cells(task, scripted, puzzles):
    result = calibrate(scripted(), task, puzzles, (1, 3))
    assert result.bands.tolist() == [[12, 0, 108, 0], [36, 0, 84, 0]]
    assert (result.count.sum(axis=1) == 120).all()


def test_rows_that_are_not_finite_are_left_out(task, scripted, puzzles):
    lost = puzzles.fields["givens"][:, 0] < 0
    result = calibrate(scripted(broken=2), task, puzzles, (1, 2))
    assert result.count.sum(axis=1).tolist() == [120, 10 * (~lost).sum()]


def test_where_nothing_is_finite_there_is_no_error(task, scripted, puzzles):
    lost = puzzles[np.flatnonzero(puzzles.fields["givens"][:, 0] < 0)]
    document = calibrate(scripted(broken=2), task, lost, (1, 2)).to_json()
    errors = [entry["expected_calibration_error"] for entry in document["steps"].values()]
    assert errors[0] > 0
    assert errors[1] is None
    json.dumps(document, allow_nan=False)
    assert "step    2: calibration error none" in calibration_text("all", document)


def test_any_right_choice_is_right_and_nodes_without_one_do_not_count(improving):
    task = NextHopTask(places=10, split="test")
    maps = task.sample(np.arange(6, dtype=np.uint64), "spread7")
    calibration = calibrate(improving(task), task, maps, (16,))
    # All places but the target, not the three nodes of padding.
    assert calibration.count.sum() == calibration.right.sum() == 6 * 6
    tied = dict(maps.labels)
    tied["right"] = np.broadcast_to(maps.fields["neighbours"] >= 0, maps.labels["right"].shape)
    anything = Instances(maps.keys, maps.fields, tied)
    calibration = calibrate(improving(task), task, anything, (1, 16))
    assert (calibration.count == calibration.right).all()


def test_what_stands_behind_a_list_does_not_count(improving):
    task = SortingTask(8, min_size=3)
    lists = task.sample(np.arange(6, dtype=np.uint64), "uniform")
    calibration = calibrate(improving(task), task, lists, (16,))
    assert calibration.count.sum() == calibration.right.sum() == lists.fields["mask"].sum()
