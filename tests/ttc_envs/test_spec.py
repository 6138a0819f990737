import dataclasses
import json

import numpy as np
import pytest

from ttc_envs import Field, Group, Instances, TaskSpec, make_task
from ttc_envs.spec import count_per_row

SPEC = TaskSpec(
    name="toy",
    levels=("low", "high"),
    fields={
        "tokens": Field("node", "given", (3,), "int8", -1, 1),
        "table": Field("neighbour", "real", (3, 2), "float32", 0, 5),
    },
    num_nodes=3,
    num_choices=2,
    choices="class",
    num_edits=6,
    neighbours=np.array([[1, 2], [0, 2], [0, 1]], dtype=np.int32),
    groups=(Group("pair", np.zeros((1, 2, 2), dtype=np.int32)),),
    positions=np.zeros((3, 1), dtype=np.float32),
)
GOOD = {"tokens": np.array([[-1, 0, 1]]), "table": np.ones((1, 3, 2))}


def test_a_spec_survives_json():
    document = json.loads(json.dumps(SPEC.to_json()))
    again = TaskSpec.from_json(document)
    assert again.to_json() == SPEC.to_json()
    assert again.fields == SPEC.fields
    assert again.groups[0].members.dtype == np.int32
    assert again.neighbours.dtype == np.int32


def test_another_document_is_refused():
    document = SPEC.to_json()
    short = {name: value for name, value in document.items() if name != "levels"}
    for other in (short, document | {"extra": 1}):
        with pytest.raises(ValueError, match="a task spec has the keys"):
            TaskSpec.from_json(other)


def test_without_structure_hides_the_graph_only():
    bare = SPEC.without_structure()
    assert (bare.neighbours, bare.groups, bare.positions) == (None, (), None)
    assert bare.fields == SPEC.fields
    assert SPEC.neighbours is not None


@pytest.mark.parametrize(("choices", "dtype"), [(2, "int8"), (128, "int8"), (129, "int32")])
def test_answers_are_as_narrow_as_their_choices_allow(choices, dtype):
    document = SPEC.to_json() | {"num_choices": choices}
    assert TaskSpec.from_json(document).answer_dtype == dtype


def test_checked_fields_are_copies_in_the_right_dtype():
    checked = SPEC.check_fields(GOOD)
    assert checked["tokens"].dtype == np.int8
    assert checked["table"].dtype == np.float32
    checked["tokens"][:] = 0
    assert GOOD["tokens"][0, 0] == -1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"other": 1}, "has the fields"),
        ({"tokens": np.zeros((1, 4), int)}, "tokens must have shape"),
        ({"tokens": np.zeros((1, 3))}, "tokens must be int8"),
        ({"tokens": np.full((1, 3), 2)}, "tokens must lie in"),
        ({"tokens": np.zeros((2, 3), int)}, "one batch size"),
        ({"table": np.full((1, 3, 2), np.nan)}, "table must lie in"),
    ],
)
def test_bad_fields_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        SPEC.check_fields(GOOD | change)


def test_a_number_per_instance_lies_in_its_range_with_both_ends():
    fields = {"size": Field("instance", "real", (), "float32", -0.5, 5)}
    spec = dataclasses.replace(SPEC, fields=fields)
    assert spec.check_fields({"size": [-0.5, 5]})["size"].tolist() == [-0.5, 5]
    for values, message in (
        ([-1.0], "must lie in"),
        ([6], "must lie in"),
        (1.0, "must have shape"),
    ):
        with pytest.raises(ValueError, match=f"size {message}"):
            spec.check_fields({"size": values})


def test_fields_per_answer_are_shown_in_its_order():
    fields = {
        "key": Field("answer", "real", (3,), "float32", -1, 9),
        "point": Field("answer", "real", (3, 2), "float32", 0, 9),
        "node": Field("node", "real", (3,), "float32", 0, 9),
    }
    spec = dataclasses.replace(SPEC, fields=fields)
    values = {
        "key": np.array([[5, 6, 7]], dtype=np.float32),
        "point": np.array([[[0, 1], [2, 3], [4, 5]]], dtype=np.float32),
        "node": np.array([[1, 2, 3]], dtype=np.float32),
    }
    shown = spec.shown(values, np.array([[2, 0, -1]], dtype=np.int8))
    assert shown["key"].tolist() == [[7, 5, -1]]
    assert shown["point"].tolist() == [[[4, 5], [0, 1], [0, 0]]]
    assert shown["node"].tolist() == [[1, 2, 3]]
    order = np.array([[2, 0, 1]], dtype=np.int8)
    again = spec.unshown(spec.shown(values, order), order)
    assert all(np.array_equal(again[name], values[name]) for name in values)


def test_instances_are_selected_and_assigned_by_rows():
    keys = np.arange(4, dtype=np.uint64)
    batch = Instances(keys, {"x": np.arange(4.0)}, {"answer": np.arange(8).reshape(4, 2)})
    some = batch[np.array([3, 1])]
    assert len(some) == 2
    assert some.labels["answer"].tolist() == [[6, 7], [2, 3]]
    batch.assign(np.array([0, 2]), some)
    assert batch.keys.tolist() == [3, 1, 1, 3]
    assert batch.fields["x"].tolist() == [3, 1, 1, 3]
    assert batch.labels["answer"][0].tolist() == [6, 7]


@pytest.mark.parametrize("size", [1, 7, 8, 9, 48, 64, 248, 256, 512])
def test_flags_are_counted(size):
    flags = np.random.default_rng(size).random((9, size)) < 0.7
    flags[0], flags[1] = True, False
    for each in (flags, flags.view(np.int8), np.asfortranarray(flags), flags[::2]):
        assert count_per_row(each).tolist() == each.sum(axis=1).tolist()
        assert count_per_row(each).dtype == np.int32


def test_fields_are_found_by_their_kind():
    hops, board = (make_task(f"ttc/{name}-v0").spec for name in ("ShortestPath", "Sudoku4"))
    assert (hops.graph_field, hops.given_field) == ("neighbours", None)
    assert (board.graph_field, board.given_field) == (None, "givens")
    # What was looked up is no part of the spec.
    assert set(board.to_json()) == {field.name for field in dataclasses.fields(board)}
