from itertools import pairwise

import gymnasium as gym
import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ttc_envs.files import digest
from ttc_envs.spec import Instances
from ttc_envs.tasks.path_sequence.task import SequenceTask

KEYS = np.arange(3, 11, dtype=np.uint64)
SLOTS = 20


@pytest.fixture(scope="module")
def task():
    return SequenceTask(cities="spread=40", slots=SLOTS)


@pytest.fixture(scope="module")
def instances(task):
    return task.sample(KEYS, "any")


def ends(instances):
    return instances.fields["givens"][:, 0].astype(int), instances.fields["target"][:, 0].astype(
        int
    )


def test_labels_agree_with_networkx(task, instances):
    graph = task.map.graph.networkx()
    for row, (source, target) in enumerate(zip(*ends(instances), strict=True)):
        expected = networkx.shortest_path_length(graph, source, target, weight="weight")
        assert instances.labels["optimum"][row] == pytest.approx(expected)
        path = instances.labels["answer"][row].tolist()
        jumps = path.index(target)
        assert path[0] == source
        assert set(path[jumps:]) == {target}
        km = sum(graph.edges[pair]["weight"] for pair in pairwise(path[: jumps + 1]))
        assert km == pytest.approx(expected)


def test_the_default_map_fits_into_its_slots():
    task = SequenceTask()
    assert len(task.map) == 512
    hops = task.map.hops()
    assert hops.max() < 48
    assert (hops == hops.T).mean() > 0.99
    assert task.spec.levels == ("any", "near", "far")


def test_an_instance_depends_on_its_key_and_level_alone(task, instances):
    again = task.sample(KEYS[::-1], "any")[::-1]
    for name, values in instances.fields.items():
        assert np.array_equal(values, again.fields[name])


def test_the_label_and_the_solver_are_right(task, instances):
    for answer in (instances.labels["answer"], task.solve(instances)):
        scores = task.score(instances, answer)
        assert scores["solved"].all()
        assert scores["accuracy"].tolist() == [1.0] * len(KEYS)
        assert scores["quality"] == pytest.approx(1)
        assert (scores["illegal_jumps"] == 0).all()
    assert np.array_equal(task.improve(instances, answer), answer)


def test_a_shortest_path_that_is_not_the_label_is_solved(task, instances):
    right = instances.labels["answer"]
    labels = instances.labels | {"answer": np.zeros_like(right)}
    scores = task.score(Instances(instances.keys, instances.fields, labels), right)
    assert scores["solved"].all()
    assert scores["length_ratio"] == pytest.approx(1)
    assert (scores["accuracy"] < 1).all()


def test_the_metrics_of_bad_paths(task, instances):
    right = instances.labels["answer"]
    jumps = (right != right[:, -1:]).sum(axis=1)
    row = int(jumps.argmax())
    one, path = instances[row : row + 1], right[row].copy()
    assert jumps[row] >= 3
    # There and back at the start: legal, and longer.
    detour = np.concatenate([path[:2], path])[None, :SLOTS]
    scores = {name: values[0] for name, values in task.score(one, detour).items()}
    assert (scores["illegal_jumps"], scores["ends_at_target"]) == (0, True)
    assert 1 < scores["length_ratio"] < np.inf
    assert not scores["solved"]
    ratio = float(scores["length_ratio"])
    assert scores["quality"] == pytest.approx((2 + 1 / ratio) / 3)
    assert scores["bounded"] == (ratio <= 1.1)
    # From the second place on: legal, but not from the source.
    late = np.append(path[1:], path[-1])[None]
    scores = {name: values[0] for name, values in task.score(one, late).items()}
    assert (scores["illegal_jumps"], scores["ends_at_target"]) == (0, True)
    assert np.isinf(scores["length_ratio"])
    # Staying at home is illegal, but at the target.
    waiting = np.concatenate([path[:1], path])[None, :SLOTS]
    scores = {name: values[0] for name, values in task.score(one, waiting).items()}
    assert (scores["illegal_jumps"], scores["ends_at_target"]) == (1, True)
    assert np.isinf(scores["length_ratio"])
    # One jump to the target from afar.
    flying = np.full((1, SLOTS), path[-1])
    flying[0, 0] = path[0]
    scores = {name: values[0] for name, values in task.score(one, flying).items()}
    assert (scores["illegal_jumps"], scores["ends_at_target"]) == (1, True)
    # Stopping one place before the target, where it stays.
    short = path.copy()
    short[jumps[row] :] = path[jumps[row] - 1]
    scores = {name: values[0] for name, values in task.score(one, short[None]).items()}
    assert scores["illegal_jumps"] == SLOTS - jumps[row]
    assert not scores["ends_at_target"]


def test_the_source_is_put_back(task, instances):
    answer = task.apply(instances, instances.labels["answer"], np.zeros((8, SLOTS), int), "full")
    assert np.array_equal(answer[:, 0], instances.fields["givens"][:, 0])
    assert (answer[:, 1:] == 0).all()


def test_edits_append_and_step_back(task, instances):
    back = len(task.map)
    answer = task.initial_answer(instances)
    mask = task.edit_mask(instances, answer)
    assert (mask[:, back] == 0).all()
    source, _ = ends(instances)
    for row in range(len(KEYS)):
        here = task.map.graph.neighbours[slice(*task.map.graph.starts[source[row] :][:2])]
        assert np.flatnonzero(mask[row]).tolist() == here.tolist()
    first = mask.argmax(axis=1)
    after = task.apply(instances, answer, first, "edit")
    assert np.array_equal(after[:, 1], first)
    assert task.edit_mask(instances, after)[:, back].all()
    home = task.apply(instances, after, np.full(8, back), "edit")
    assert np.array_equal(home, answer)


def test_arrival_fills_the_slots_and_one_step_back_empties_them(task, instances):
    right = instances.labels["answer"]
    assert not task.edit_mask(instances, right)[:, :-1].any()
    jumps = (right != right[:, -1:]).sum(axis=1)
    before = task.apply(instances, right, np.full(8, len(task.map)), "edit")
    assert np.array_equal((before >= 0).sum(axis=1), jumps)
    again = task.apply(instances, before, right[:, -1].astype(np.int64), "edit")
    assert np.array_equal(again, right)


def test_edit_paths_lead_to_the_label_from_anywhere(task, instances):
    rng = np.random.default_rng(1)
    answer = task.initial_answer(instances)
    for _ in range(6):
        mask = task.edit_mask(instances, answer)
        edits = (rng.random(mask.shape) * mask).argmax(axis=1)
        answer = task.apply(instances, answer, edits, "edit")
    for row, path in enumerate(task.edit_path(instances, answer)):
        one, current = instances[row : row + 1], answer[row : row + 1]
        for edit in path:
            assert task.edit_mask(one, current)[0, edit]
            current = task.apply(one, current, np.array([edit]), "edit")
        assert np.array_equal(current, one.labels["answer"])
        assert not len(task.edit_path(one, current)[0])


@given(
    answer=hnp.arrays(np.int8, (8, SLOTS), elements=st.integers(-1, 39)),
    edits=hnp.arrays(np.int64, (8,), elements=st.integers(0, 40)),
)
@settings(max_examples=40, deadline=None)
def test_no_answer_breaks_the_scorer(task, instances, answer, edits):
    scores = task.score(instances, answer)
    assert ((scores["quality"] >= 0) & (scores["quality"] <= 1)).all()
    assert ((scores["accuracy"] >= 0) & (scores["accuracy"] <= 1)).all()
    assert ((scores["illegal_jumps"] >= 0) & (scores["illegal_jumps"] < SLOTS)).all()
    assert (scores["length_ratio"] >= np.float32(1 - 1e-6)).all()
    answer[:, 0] = instances.fields["givens"][:, 0]
    mask = task.edit_mask(instances, answer)
    after = task.apply(instances, answer, edits, "edit")
    forbidden = mask[np.arange(8), edits] == 0
    assert np.array_equal(after[forbidden], answer[forbidden])
    assert (after[:, 0] == answer[:, 0]).all()


@given(answer=hnp.arrays(hnp.integer_dtypes() | hnp.unsigned_integer_dtypes(), (8, SLOTS)))
@settings(max_examples=60, deadline=None)
def test_any_integers_are_scored(task, instances, answer):
    scores = task.score(instances, answer)
    assert ((scores["quality"] >= 0) & (scores["quality"] <= 1)).all()
    outside = (answer < 0) | (answer >= 40)
    as_read = np.where(outside, 0, answer).astype(np.int8)
    as_read[outside] = -1
    expected = task.score(instances, as_read)
    assert all(np.array_equal(scores[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    "bad", [np.zeros((8, SLOTS)), np.zeros((8, 3), int), np.zeros((7, SLOTS), int)]
)
def test_answers_of_another_kind_are_refused(task, instances, bad):
    with pytest.raises(ValueError, match=r"answers must be integers of shape \(8, 20\), got"):
        task.score(instances, bad)


def test_the_scorer_agrees_with_the_definition(task, instances):
    rng = np.random.default_rng(2)
    roads = {(a, b) for a, b, _ in task.map.graph.networkx().to_directed().edges.data()}
    answer = rng.integers(-1, 40, (8, SLOTS)).astype(np.int8)
    answer[4:] = np.where(rng.random((4, SLOTS)) < 0.8, instances.labels["answer"][4:], answer[4:])
    scores = task.score(instances, answer)
    for row, path in enumerate(answer.tolist()):
        target = int(instances.fields["target"][row, 0])
        jumps = pairwise(path)
        illegal = sum(jump not in roads and jump != (target, target) for jump in jumps)
        assert scores["illegal_jumps"][row] == illegal
        assert scores["ends_at_target"][row] == (path[-1] == target)


HEAD = "city,state,lat,lng\n"


def test_a_table_with_places_at_the_same_spot(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(HEAD + "A,CO,40,-100\nB,CO,40,-100\nC,CO,40.1,-100\nD,CO,40,-100\n")
    task = SequenceTask(cities=str(path), slots=4, split="train")
    sample = task.sample(KEYS, "any")
    assert len(task.map) == 4
    assert (sample.labels["optimum"] >= 0.001).all()
    assert task.score(sample, task.solve(sample))["solved"].all()


BAD_TABLES = [
    ("", "expected columns"),
    (HEAD, "expected at least one place, got none"),
    (HEAD + "A,CO,40,-100\n", "a path needs two connected places"),
    (HEAD + "A,CO,40,-100\nB,CO,10,-50\n", "a path needs two connected places"),
]


@pytest.mark.parametrize(("text", "message"), BAD_TABLES)
def test_a_table_without_paths_is_an_error(tmp_path, text, message):
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        gym.make("ttc/ShortestPathUSA-v0", cities=str(path), radius_km=70.0)


def test_pairs_of_the_callers(task, instances):
    again = task.from_fields({k: v.astype(int) for k, v in instances.fields.items()})
    assert np.array_equal(again.labels["answer"], instances.labels["answer"])
    givens, target = instances.fields["givens"][:1], instances.fields["target"][:1]
    mixed = target.copy()
    mixed[0, 3] = (target[0, 0] + 1) % 40
    for fields, message in (
        ({"givens": np.full_like(givens, -1), "target": target}, "givens must hold the source"),
        ({"givens": np.zeros_like(givens), "target": target}, "givens must hold the source"),
        ({"givens": givens, "target": mixed}, "target must hold the same place"),
        ({"givens": givens, "target": target + 40}, "target must lie in 0..39"),
    ):
        with pytest.raises(ValueError, match=message):
            task.from_fields(fields)


def test_a_way_that_does_not_fit_is_refused():
    task = SequenceTask(cities="spread=40", slots=3)
    hops = task.map.hops()
    source, target = (int(i) for i in np.argwhere(hops == 4)[0])
    fields = {"givens": np.array([[source, -1, -1]]), "target": np.full((1, 3), target)}
    with pytest.raises(ValueError, match="no way of at most 2 jumps"):
        task.from_fields(fields)
    assert (hops[ends(task.sample(KEYS, "any"))] <= 2).all()


ARGUMENTS = [
    ({"slots": 1}, "slots must be an integer in 2..10000, got 1"),
    ({"slots": "48"}, "slots must be an integer"),
    ({"split": "dev"}, "split must be one of"),
    ({"bound": 0.5}, "bound must be a number of at least 1"),
    ({"cities": "spread=1"}, "a path needs two connected places"),
    ({"cities": "spread=0"}, "spread= takes a number"),
    ({"cities": "spread=40", "radius_km": -1.0}, "radius_km must be a positive number"),
]


@pytest.mark.parametrize(("arguments", "message"), ARGUMENTS)
def test_a_bad_argument_is_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        SequenceTask(**arguments)


def test_choices_are_places_on_the_map():
    task = SequenceTask("spread=16", slots=8)
    latitude, longitude = task.places().T
    assert task.places().shape == (task.spec.num_choices, 2)
    assert ((latitude > 24) & (latitude < 50)).all()
    assert ((longitude > -125) & (longitude < -66)).all()


def test_an_edited_file_of_places_is_another_map(tmp_path):
    file = tmp_path / "places.csv"
    rows = ["city,state,lat,lng", "Ash,TX,30,-97", "Birch,TX,30.1,-97.1", "Cedar,TX,30.2,-97"]
    file.write_text("\n".join(rows))
    first = SequenceTask(cities=str(file))
    assert SequenceTask(cities=str(file)).map is first.map
    file.write_text("\n".join([*rows[:-1], "Cedar,TX,31.2,-97"]))
    second = gym.make("ttc/ShortestPathUSA-v0", cities=str(file)).unwrapped.task
    assert second.places()[2].tolist() == [31.2, -97.0]
    assert first.places()[2].tolist() == [30.2, -97.0]
    assert first.sources["cities"] != second.sources["cities"] == digest(file)
    assert SequenceTask(cities="spread=40").sources == {}


def test_an_answer_has_one_part_its_path(task, instances):
    right = instances.labels["answer"]
    parts = task.score_parts(instances, right)
    source, target = ends(instances)
    graph = task.map.graph.networkx()
    hops = [
        len(networkx.shortest_path(graph, a, b, weight="weight")) - 1
        for a, b in zip(source, target, strict=True)
    ]
    assert (parts.depth_name, parts.depth.ravel().tolist()) == ("hops", hops)
    assert all(holds.all() for holds in parts.holds.values())
    wrong = task.score_parts(instances, task.initial_answer(instances))
    assert not any(holds.any() for holds in wrong.holds.values())


def test_a_mode_that_there_is_not_is_an_error(task, instances):
    with pytest.raises(ValueError, match="mode must be 'full' or 'edit', got 'half'"):
        task.apply(instances, instances.labels["answer"], instances.labels["answer"], "half")


def test_pairs_that_never_fit_into_the_slots_are_an_error():
    task = SequenceTask(cities="random=1100", radius_km=300, slots=2)
    with pytest.raises(ValueError, match="no pair that fits into 2 slots in 64 tries"):
        task.sample(np.arange(400, dtype=np.uint64), "any")
