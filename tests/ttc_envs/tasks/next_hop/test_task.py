import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ttc_envs.tasks.next_hop.task import NextHopTask

KEYS = np.arange(7, 13, dtype=np.uint64)
PLACES = 12


@pytest.fixture(scope="module")
def task():
    return NextHopTask(places=PLACES)


@pytest.fixture(scope="module")
def instances(task):
    return task.sample(KEYS, f"spread{PLACES}")


def test_an_instance_depends_on_its_key_and_level_alone(task, instances):
    again = NextHopTask(places=PLACES).sample(KEYS[::-1], "spread12")[::-1]
    for name, values in instances.fields.items():
        assert np.array_equal(values, again.fields[name])
    for name, values in instances.labels.items():
        assert np.array_equal(values, again.labels[name])
    fewer = task.sample(KEYS, "spread6")
    assert ((fewer.fields["neighbours"] >= 0).any(axis=2).sum(axis=1) == 6).all()


def test_the_label_and_the_solver_are_right_everywhere(task, instances):
    for answer in (instances.labels["answer"], task.solve(instances)):
        scores = task.score(instances, answer)
        for name in ("solved", "ends_at_target", "bounded", "optimal", "within_1_percent"):
            assert scores[name].all()
        assert scores["reachable"].all()
        assert (scores["illegal_jumps"] == 0).all()
        assert scores["quality"] == pytest.approx(1)
        assert scores["accuracy"].tolist() == [1.0] * len(KEYS)
        assert scores["length_ratio"] == pytest.approx(1, abs=1e-6)
        everywhere = task.score_all_sources(instances, answer)
        assert everywhere["length_ratio"] == pytest.approx(1)
        assert everywhere["counted"].sum(axis=1).tolist() == [PLACES - 1] * len(KEYS)


def test_of_two_places_one_has_a_hop():
    task = NextHopTask(places=2)
    pair = task.sample(KEYS, "spread2")
    assert task.score(pair, pair.labels["answer"])["accuracy"].tolist() == [1.0] * len(KEYS)


def test_nothing_decided_is_worth_nothing(task, instances):
    scores = task.score(instances, task.initial_answer(instances))
    assert not scores["solved"].any()
    assert scores["quality"].tolist() == [0.0] * len(KEYS)
    assert scores["accuracy"].tolist() == [0.0] * len(KEYS)
    assert scores["illegal_jumps"].tolist() == [1] * len(KEYS)
    assert np.isinf(scores["length_ratio"]).all()


def test_the_metrics_of_a_detour(square):
    task = NextHopTask(places=4, bound=1.05)
    instance = task.from_fields(square)
    assert instance.labels["optimum"][0] == pytest.approx(1.96)
    detour = np.array([[1, 1, 0, 1]], dtype=np.int8)
    scores = {name: values[0] for name, values in task.score(instance, detour).items()}
    assert scores["length_ratio"] == pytest.approx(2 / 1.96)
    assert (scores["solved"], scores["within_1_percent"], scores["bounded"]) == (False, False, True)
    assert scores["quality"] == pytest.approx((2 + 1.96 / 2) / 3)
    assert scores["accuracy"] == pytest.approx(2 / 3)
    # Once round and no arrival: all jumps are legal.
    looping = np.array([[0, 0, 0, 0]], dtype=np.int8)
    scores = {name: values[0] for name, values in task.score(instance, looping).items()}
    assert (scores["ends_at_target"], scores["illegal_jumps"]) == (False, 0)
    assert scores["quality"] == pytest.approx(1 / 3)


def test_equally_short_ways_all_count(square):
    task = NextHopTask(places=4)
    fields = square
    fields["distances"] = np.where(fields["neighbours"] >= 0, np.float32(1), np.float32(0))
    instance = task.from_fields(fields)
    for first in (0, 1):
        answer = np.array([[first, 1, 0, 1]], dtype=np.int8)
        scores = task.score(instance, answer)
        assert scores["solved"].all()
        assert scores["accuracy"].tolist() == [1.0]


def test_relaxation_sweeps_reach_the_optimum(task, instances):
    answer = task.initial_answer(instances)
    accuracy = []
    for _ in range(PLACES):
        answer = task.improve(instances, answer)
        accuracy.append(task.score(instances, answer)["accuracy"].mean())
    assert accuracy[0] < accuracy[1]
    assert accuracy[-1] == 1
    assert task.score(instances, answer)["solved"].all()
    # One sweep knows the neighbours of the target alone.
    first = task.improve(instances, task.initial_answer(instances))
    near = (instances.fields["neighbours"] == instances.labels["target"][:, None, None]).any(axis=2)
    assert np.array_equal(first >= 0, near)


@given(
    answer=hnp.arrays(np.int8, (6, PLACES), elements=st.integers(-1, 7)),
    edits=hnp.arrays(np.int64, (6,), elements=st.integers(0, PLACES * 8 - 1)),
)
@settings(max_examples=40, deadline=None)
def test_no_answer_breaks_the_scorer(task, instances, answer, edits):
    scores = task.score(instances, answer)
    assert ((scores["quality"] >= 0) & (scores["quality"] <= 1)).all()
    assert ((scores["accuracy"] >= 0) & (scores["accuracy"] <= 1)).all()
    assert (scores["length_ratio"] >= np.float32(1 - 1e-6)).all()
    assert (scores["solved"] == scores["optimal"]).all()
    assert not (scores["optimal"] & ~scores["within_1_percent"]).any()
    assert not (scores["within_1_percent"] & ~scores["bounded"]).any()
    everywhere = task.score_all_sources(instances, answer)["length_ratio"]
    here = everywhere[np.arange(6), instances.labels["source"]]
    assert np.allclose(here, scores["length_ratio"], rtol=1e-5)
    mask = task.edit_mask(instances, answer)
    after = task.apply(instances, answer, edits, "edit")
    changed = (after != answer).sum(axis=1)
    assert np.array_equal(changed, mask[np.arange(6), edits])


@given(answer=hnp.arrays(hnp.integer_dtypes() | hnp.unsigned_integer_dtypes(), (6, PLACES)))
@settings(max_examples=60, deadline=None)
def test_any_integers_are_scored(task, instances, answer):
    scores = task.score(instances, answer) | task.score_all_sources(instances, answer)
    outside = (answer < 0) | (answer >= 8)
    as_read = np.where(outside, 0, answer).astype(np.int8)
    as_read[outside] = -1
    expected = task.score(instances, as_read) | task.score_all_sources(instances, as_read)
    assert all(np.array_equal(scores[name], expected[name]) for name in expected)


@pytest.mark.parametrize("bad", [np.zeros((6, PLACES)), np.zeros((6, 3), int), np.zeros(6, int)])
def test_answers_of_another_kind_are_refused(task, instances, bad):
    for score in (task.score, task.score_all_sources):
        with pytest.raises(ValueError, match=r"answers must be integers of shape \(6, 12\), got"):
            score(instances, bad)


def test_edit_paths_lead_to_a_shortest_path(task, instances):
    answer = task.initial_answer(instances)
    for row, path in enumerate(task.edit_path(instances, answer)):
        one, current = instances[row : row + 1], answer[row : row + 1]
        for edit in path:
            assert task.edit_mask(one, current)[0, edit]
            current = task.apply(one, current, np.array([edit]), "edit")
        assert task.score(one, current)["accuracy"].tolist() == [1.0]


def test_a_pair_without_a_way_is_scored_if_its_labels_say_so(square):
    task = NextHopTask(places=4)
    instance = task.from_fields(square)
    instance.fields["neighbours"][:] = -1
    instance.labels["optimum"][:] = np.inf
    scores = task.score(instance, np.zeros((1, 4), dtype=np.int8))
    assert not scores["reachable"].any()
    assert not scores["solved"].any()
    assert scores["quality"].tolist() == [0.0]


def test_a_source_that_is_the_target_is_solved(square):
    task = NextHopTask(places=4)
    fields = square
    instance = task.from_fields(fields | {"source": fields["target"]})
    scores = task.score(instance, task.initial_answer(instance))
    assert scores["solved"].all()
    assert scores["quality"].tolist() == [1.0]


ARGUMENTS = [
    ({"places": 1}, "places must be an integer in 2..2048, got 1"),
    ({"places": "64"}, "places must be an integer"),
    ({"degree": 4}, "degree must be an integer in 8..64"),
    ({"split": "dev"}, "split must be one of"),
    ({"coordinates": 1}, "coordinates must be True or False"),
    ({"bound": 0.5}, "bound must be a number of at least 1"),
    ({"bound": np.nan}, "bound must be a number of at least 1"),
]


@pytest.mark.parametrize(("arguments", "message"), ARGUMENTS)
def test_a_bad_argument_is_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        NextHopTask(**arguments)


@pytest.mark.parametrize(
    "level", ["spread13", "spread1", "spread", "dense", "easy", "", "spread-3"]
)
def test_a_bad_level_is_an_error(task, level):
    with pytest.raises(ValueError, match=r"level must be spreadK or denseK with K in 2\.\.12"):
        task.level_index(level)


def test_levels(task):
    assert task.spec.levels == ("spread12", "spread6")
    assert NextHopTask(places=12, degree=16).spec.levels == ("spread12", "spread6", "dense12")
    assert [task.level_index(name) for name in ("spread12", "spread6", "spread7")] == [0, 1, -1]
    with pytest.raises(ValueError, match="needs degree=16"):
        task.level_index("dense12")


def test_there_are_no_strict_rules(task, instances):
    with pytest.raises(ValueError, match="no strict edit rules"):
        task.edit_state(instances, strict=True)
    with pytest.raises(ValueError, match="mode must be"):
        task.apply(instances, instances.labels["answer"], np.zeros(6, int), "swap")
