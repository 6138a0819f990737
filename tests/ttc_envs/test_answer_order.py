"""Fields that observations show in the order of the current answer."""

import numpy as np

from ttc_envs import Field, TaskSpec
from ttc_envs.observations import Observer


def spec_of(**fields):
    return TaskSpec("toy", ("only",), fields, 3, 3, "node", 3)


SPEC = spec_of(
    keys=Field("answer", "real", (3,), "float32", -2.0, 9.0),
    pairs=Field("answer", "symbol", (3, 2), "int8", 0, 9),
    fixed=Field("node", "real", (3,), "float32", 0.0, 9.0),
)
FIELDS = {
    "keys": np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32),
    "pairs": np.arange(12, dtype=np.int8).reshape(2, 3, 2) % 10,
    "fixed": np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32),
}
ANSWER = np.array([[2, 0, 1], [0, 2, 1]], dtype=np.int8)


def test_entries_follow_the_answer_and_come_back():
    shown = SPEC.shown(FIELDS, ANSWER)
    assert shown["keys"].tolist() == [[3, 1, 2], [4, 6, 5]]
    assert shown["pairs"][0].tolist() == [[4, 5], [0, 1], [2, 3]]
    assert shown["fixed"] is FIELDS["fixed"]
    back = SPEC.unshown(shown, ANSWER)
    for name, values in FIELDS.items():
        assert np.array_equal(back[name], values)
        assert back[name].dtype == shown[name].dtype == values.dtype


def test_an_undecided_node_shows_the_lowest_value():
    shown = SPEC.shown(FIELDS, np.array([[-1, 0, 0], [1, 1, -1]]))
    assert shown["keys"].tolist() == [[-2, 1, 1], [5, 5, -2]]
    assert shown["pairs"][1].tolist() == [[8, 9], [8, 9], [0, 0]]


def test_observations_show_them():
    seen = Observer(SPEC, "default").observe(FIELDS, ANSWER, np.array([4, 5], dtype=np.int32))
    assert seen["keys"].tolist() == [[3, 1, 2], [4, 6, 5]]
    assert seen["pairs"].shape == (2, 6)
    one = Observer(SPEC, "default").observe(
        FIELDS, ANSWER, np.array([4, 5], dtype=np.int32), np.array([1])
    )
    assert one["keys"].tolist() == [[4, 6, 5]]
    assert one["fixed"].tolist() == [[4, 5, 6]]


def test_tasks_without_them_pay_nothing():
    plain = spec_of(fixed=SPEC.fields["fixed"])
    fields = {"fixed": FIELDS["fixed"]}
    assert plain.shown(fields, ANSWER)["fixed"] is fields["fixed"]
