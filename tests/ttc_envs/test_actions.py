import dataclasses

import numpy as np
import pytest

from ttc_envs import SudokuTask
from ttc_envs.actions import MAX_ENTRIES, action_mode, confidence


def huge(num_nodes, num_choices, num_edits):
    task = SudokuTask(size=4)
    task.spec = dataclasses.replace(
        task.spec, num_nodes=num_nodes, num_choices=num_choices, num_edits=num_edits
    )
    return task


@pytest.mark.parametrize(
    ("mode", "sizes"),
    [
        ("full", (MAX_ENTRIES + 1, 1, 1)),
        ("logits", (1001, 1000, 1)),
        ("edit", (1, 1, MAX_ENTRIES + 1)),
    ],
)
def test_more_than_a_million_entries_are_refused_with_the_number(mode, sizes):
    entries = {"full": sizes[0], "logits": sizes[0] * sizes[1], "edit": sizes[2]}[mode]
    with pytest.raises(ValueError, match=f"{entries} entries, at most 1000000"):
        action_mode(mode, huge(*sizes))


def test_a_million_entries_are_allowed():
    assert action_mode("edit", huge(1, 1, MAX_ENTRIES)).space.n == MAX_ENTRIES


@pytest.mark.parametrize("mode", ["full", "edit", "logits"])
@pytest.mark.parametrize("dtype", ["int8", "int32", "uint64"])
def test_any_integer_dtype_means_the_same(mode, dtype):
    task = SudokuTask(size=4)
    instances = task.sample(np.arange(2, dtype=np.uint64), "easy")
    actions = action_mode(mode, task)
    shape = (2, *actions.space.shape)
    raw = np.random.default_rng(0).integers(0, 4, shape)
    results = []
    for kind in ("int64", dtype):
        state = actions.state(instances, False)
        state.set_rows(slice(None), task.initial_answer(instances))
        state.apply(actions.parse(raw.astype(kind), 2))
        results.append(state.answer)
    assert np.array_equal(*results)
    assert results[0].dtype == task.spec.answer_dtype


def test_the_largest_edit_fits():
    actions = action_mode("edit", SudokuTask(size=9))
    assert actions.parse(np.array([728], dtype=np.int16), 1).dtype == np.int64
    assert actions.parse_one(np.int32(728)).tolist() == [728]


@pytest.mark.parametrize("action", [729, -1, 0.0, None, "1", np.array([1, 2]), np.nan])
def test_a_single_edit_outside_the_space_is_an_error(action):
    with pytest.raises(ValueError, match=r"integers in 0\.\.728, got"):
        action_mode("edit", SudokuTask(size=9)).parse_one(action)


def test_logits_take_the_argmax_and_solutions_are_their_own_argmax():
    task = SudokuTask(size=4)
    instances = task.sample(np.arange(3, dtype=np.uint64), "hard")
    actions = action_mode("logits", task)
    logits = actions.solution(instances, task.initial_answer(instances))
    assert logits.dtype == np.float32
    assert set(np.unique(logits)) == {-1.0, 1.0}
    assert logits.shape == (3, *actions.space.shape)
    state = actions.state(instances, False)
    state.set_rows(slice(None), task.initial_answer(instances))
    assert state.apply(actions.parse(logits, 3))["solved"].all()


def test_confidence_is_the_softmax_of_the_taken_choice():
    logits = np.random.default_rng(0).normal(size=(2, 3 * 4)).astype(np.float32)
    nodes = np.exp(logits.astype(np.float64)).reshape(2, 3, 4)
    expected = (nodes / nodes.sum(axis=2, keepdims=True)).max(axis=2)
    assert np.allclose(confidence(logits, 4), expected)
    assert np.isfinite(confidence(logits * 1e30, 4)).all()
