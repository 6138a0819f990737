"""What happened to each instance, step by step."""

import numpy as np
import pytest

from ttc_agents.evaluation.records import Recorder, Records, concatenate
from ttc_agents.inference import full_float32, refine


@pytest.fixture(scope="module")
def puzzles(task):
    return task.sample(np.arange(12, dtype=np.uint64), "givens=4..9")


def recorded(model, task, instances, steps=(2, 8, 12)):
    recorder = Recorder(task, instances, steps)
    with full_float32(model):
        for step in refine(model, task, instances, steps[-1]):
            recorder.add(step)
    return recorder.records()


def plain(values):
    """Records as numbers in lists, which can be compared."""
    if isinstance(values, np.ndarray):
        return values.tolist()
    if isinstance(values, dict):
        return {name: plain(own) for name, own in values.items()}
    return plain(vars(values)) if isinstance(values, Records) else values


def test_steps_are_recorded_as_they_pass_by(task, scripted, puzzles):
    model = scripted(collapse=10, broken=9)
    expected = recorded(model, task, puzzles)
    recorder = Recorder(task, puzzles, (2, 8, 12))
    with full_float32(model):
        passed = list(recorder.through(refine(model, task, puzzles, 12)))
    assert len(passed) == 12
    assert plain(recorder.records()) == plain(expected)
    np.testing.assert_array_equal(passed[-1].answer, expected.answer)


def test_batches_are_put_together_as_if_they_were_one(task, scripted, puzzles):
    model = scripted(collapse=10, broken=9)
    whole = recorded(model, task, puzzles)
    parts = [recorded(model, task, rows) for rows in (puzzles[:5], puzzles[5:6], puzzles[6:])]
    assert plain(concatenate(parts)) == plain(whole)
    assert plain(concatenate(parts[::-1])) != plain(whole)
    assert len(concatenate(parts)) == 12


def test_an_instance_is_a_row_of_columns(task, scripted, puzzles):
    records = recorded(scripted(broken=11), task, puzzles)
    columns = records.to_json()
    assert set(columns) == {"first_solved", "settled", "solved_at_end", "residual", "nonfinite"}
    assert columns["first_solved"] == records.first_solved.tolist()
    lost = puzzles.fields["givens"][:, 0] < 0
    # Its state counts steps.
    assert columns["residual"] == [None if gone else float(f"{1 / 12:.3g}") for gone in lost]
    assert columns["nonfinite"] == np.where(lost, 11, -1).tolist()
