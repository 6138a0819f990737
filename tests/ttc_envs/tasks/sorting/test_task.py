import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from ttc_envs import SortingTask, make_task

KEYS = np.arange(6, dtype=np.uint64)
ARGUMENTS = [
    {"size": 5},
    {"size": 9, "min_size": 2},
    {"size": 7, "view": "adjacent"},
    {"size": 70, "min_size": 60},
    {"size": 6, "min_size": 3, "view": "adjacent"},
]


def assert_same_scores(ours, theirs):
    assert set(ours) == set(theirs)
    for name, values in theirs.items():
        assert np.array_equal(ours[name], values), name
        assert ours[name].dtype == values.dtype


def test_the_spec_describes_both_views():
    spec = SortingTask(size=5).spec
    assert (spec.num_nodes, spec.num_choices, spec.num_edits, spec.choices) == (5, 5, 10, "node")
    assert [set(row) | {i} for i, row in enumerate(spec.neighbours.tolist())] == [set(range(5))] * 5
    assert spec.fields["numbers"].per == "node"
    adjacent = SortingTask(size=5, view="adjacent").spec
    assert adjacent.num_edits == 4
    assert adjacent.neighbours.tolist() == [[-1, 1], [0, 2], [1, 3], [2, 4], [3, -1]]
    assert adjacent.fields["numbers"].per == "answer"
    assert spec.positions.tolist() == [[0], [1], [2], [3], [4]]
    for each in (spec, adjacent):
        again = type(each).from_json(each.to_json())
        assert again.fields == each.fields


@pytest.mark.parametrize("size", [2, 129, 1024])
def test_sizes(size):
    task = SortingTask(size=size)
    instances = task.sample(KEYS[:2], "uniform")
    assert task.score(instances, task.solve(instances))["solved"].all()
    assert task.initial_answer(instances).dtype == (np.int8 if size <= 128 else np.int32)


BAD_ARGUMENTS = [
    ({"size": 1}, r"size must be an integer in 2..1024, got 1"),
    ({"size": 1025}, "size must be"),
    ({"size": 8.0}, "size must be"),
    ({"size": True}, "size must be"),
    ({"size": 8, "min_size": 9}, r"min_size must be an integer in 2..8, got 9"),
    ({"min_size": 1}, "min_size must be"),
    ({"min_gap": 0.5}, "min_gap must be below"),
    ({"min_gap": -1}, "min_gap must be a number"),
    ({"view": "sideways"}, "view must be one of"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_ARGUMENTS)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SortingTask(**arguments)


def test_an_unknown_level_is_refused():
    with pytest.raises(ValueError, match="level of sorting must be one of uniform, nearly"):
        SortingTask().level_index("hard")
    assert SortingTask().level_index("reversed") == 3


BAD_FIELDS = [
    ({"numbers": [[0.1, np.nan, 0.2]]}, "numbers must lie in"),
    ({"numbers": [[0.1, np.inf, 0.2]]}, "numbers must lie in"),
    ({"numbers": [[0.1, 1.5, 0.2]]}, "numbers must lie in"),
    ({"numbers": [[0.1, 0.2]]}, "numbers must have shape"),
    ({"numbers": 0.5}, "numbers must have shape"),
    ({"numbers": [["a", "b", "c"]]}, "numbers must be float32"),
    ({"numbers": [[0.1, 0.2, 0.3]], "mask": [[1, 0, 1]]}, "mask must be ones"),
    ({"numbers": [[0.1, 0.2, 0.3]], "mask": [[0, 0, 0]]}, "mask must be ones"),
    ({"numbers": [[0.1, 0.2, 0.3]], "lengths": [3]}, "fields"),
    ({}, "fields"),
]


@pytest.mark.parametrize(("fields", "message"), BAD_FIELDS)
def test_bad_fields_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        SortingTask(size=3).from_fields(fields)


def test_lists_of_ones_own():
    env = gym.make("ttc/Sorting-v0", size=4)
    options = {"instance": {"numbers": [0.5, 0.25, 0.5, 0.9], "mask": [1, 1, 1, 0]}}
    observation, info = env.reset(options=options)
    assert observation["numbers"].tolist() == [0.5, 0.25, 0.5, 1.0]
    assert (info["inversions"], info["level"]) == (1, -1)
    # Padding is put back, and item 2 may stand before item 0, which has the same key.
    _, reward, terminated, _, info = env.step(np.array([1, 2, 0, 0]))
    assert (reward, terminated, info["valid_permutation"]) == (1.5, True, True)


def test_a_list_of_one_key_is_sorted():
    task = SortingTask(size=2)
    one = task.from_fields({"numbers": [[0.5, 0.0]], "mask": [[1, 0]]})
    scores = task.score(one, np.array([[0, 1]], dtype=np.int8))
    assert (scores["solved"][0], scores["quality"][0], scores["accuracy"][0]) == (True, 1, 1)
    assert task.edit_mask(one, task.initial_answer(one)).tolist() == [[0]]


@pytest.mark.parametrize("view", ["complete", "adjacent"])
def test_classical_steps_sort(view):
    task = SortingTask(size=12, min_size=3, view=view)
    for level in task.spec.levels:
        instances = task.sample(KEYS, level)
        answer = task.initial_answer(instances)
        before = task.score(instances, answer)["inversions"]
        for _ in range(12):
            improved = task.improve(instances, answer)
            # A round is an action of the adjacent view, too.
            answer = task.apply(instances, answer, improved, "full")
            assert np.array_equal(answer, improved)
            after = task.score(instances, answer)["inversions"]
            assert ((after < before) | (before == 0)).all()
            before = after
        assert task.score(instances, answer)["solved"].all()
        solved = task.score(instances, task.solve(instances))
        assert solved["solved"].all()
        assert (solved["accuracy"] == 1).all()


def test_improving_what_is_no_permutation_begins_with_the_list():
    task = SortingTask(size=4)
    instances = task.from_fields({"numbers": [[0.4, 0.3, 0.2, 0.1]]})
    for answer in ([[0, 0, 1, 2]], [[-1, 1, 2, 3]]):
        improved = task.improve(instances, np.array(answer, dtype=np.int8))
        assert improved.tolist() == [[1, 0, 3, 2]]


@pytest.mark.parametrize("arguments", ARGUMENTS)
@pytest.mark.parametrize("batch", [1, 5])
def test_the_edit_kernel_agrees_with_the_task(arguments, batch):
    task, rng = SortingTask(**arguments), np.random.default_rng(0)
    live = task.sample(KEYS[:batch], "few_distinct")
    state = task.edit_state(live, strict=False)
    scores = state.set_rows(slice(None), task.initial_answer(live))
    assert_same_scores(scores, task.score(live, state.answer))
    for step in range(30):
        assert np.array_equal(state.mask, task.edit_mask(live, state.answer))
        edits = rng.integers(task.spec.num_edits, size=batch)
        expected = task.apply(live, state.answer, edits, "edit")
        changed = (expected != state.answer).sum(axis=1)
        forbidden = state.mask[np.arange(batch), edits] == 0
        assert not changed[forbidden].any()
        scores = state.apply(edits)
        assert np.array_equal(state.answer, expected)
        assert_same_scores(scores, task.score(live, expected))
        assert np.array_equal(state.changed, changed)
        if step % 10 == 9:
            rows = np.arange(0, batch, 2)
            live.assign(rows, task.sample(KEYS[rows] + np.uint64(step), "uniform"))
            start = start_of(task, live[rows], rng, step)
            assert_same_scores(state.set_rows(rows, start), task.score(live[rows], start))
            assert not state.changed[rows].any()


def start_of(task, instances, rng, step):
    """The list as it stands; later an answer that is no permutation, which edits keep."""
    if step < 15:
        return task.initial_answer(instances)
    shape = (len(instances), task.size)
    answer = rng.integers(-1, task.size, shape).astype(task.spec.answer_dtype)
    return np.where(instances.fields["mask"] == 0, np.arange(task.size), answer).astype(
        answer.dtype
    )


def test_swaps_are_numbered_by_pairs():
    task = SortingTask(size=4)
    instances = task.sample(KEYS[:6], "uniform")
    after = task.apply(instances, task.initial_answer(instances), np.arange(6), "edit")
    moved = [tuple(np.flatnonzero(row != np.arange(4)).tolist()) for row in after]
    assert moved == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_edit_paths_lead_to_the_solution(arguments):
    task = SortingTask(**arguments)
    instances = task.sample(KEYS, "uniform")
    start = task.improve(instances, task.initial_answer(instances))
    for row, path in enumerate(task.edit_path(instances, start)):
        one, answer = instances[row : row + 1], start[row : row + 1]
        for edit in path:
            answer = task.apply(one, answer, np.array([edit]), "edit")
        assert np.array_equal(answer, one.labels["answer"])
        if task.adjacent:
            assert len(path) == task.score(one, start[row : row + 1])["inversions"][0]
    with pytest.raises(ValueError, match="expected a permutation"):
        task.edit_path(instances, np.zeros_like(start))


def test_more_than_a_million_entries_are_refused_with_their_number():
    with pytest.raises(ValueError, match="1002001 entries"):
        gym.make("ttc/Sorting-v0", size=1001, action_mode="logits")
    assert gym.make("ttc/Sorting-v0", size=1024, action_mode="edit").action_space.n == 523_776


def test_there_are_no_strict_rules():
    with pytest.raises(ValueError, match="no strict edit rules"):
        gym.make("ttc/Sorting-v0", action_mode="edit", strict=True).reset()


def test_the_complete_view_shows_the_list():
    env = gym.make("ttc/Sorting-v0", size=5)
    first, _ = env.reset(seed=0)
    after = env.step(np.array([4, 3, 2, 1, 0]))[0]
    assert np.array_equal(first["numbers"], after["numbers"])
    assert after["answer"].tolist() == [4, 3, 2, 1, 0]


@pytest.mark.parametrize("mode", ["full", "edit", "logits"])
def test_the_adjacent_view_shows_keys_in_the_order_of_the_answer(mode):
    env = gym.make("ttc/Sorting-v0", size=6, view="adjacent", level="reversed", action_mode=mode)
    observation, _ = env.reset(seed=0)
    keys = observation["numbers"].copy()
    inversions = [15]
    for _ in range(8):
        solution = env.unwrapped.solution()
        if mode == "edit" and not len(solution):
            break
        observation, *_, terminated, _, info = env.step(solution[0] if mode == "edit" else solution)
        assert np.array_equal(observation["numbers"], keys[observation["answer"]])
        assert info["valid_permutation"]
        inversions.append(int(info["inversions"]))
        if terminated:
            break
    if mode == "edit":
        assert inversions == [15, 14, 13, 12, 11, 10, 9, 8, 7]
    else:
        # Six positions, a reversed list: no policy can be done in fewer steps than five.
        assert inversions == [15, 12, 10, 7, 5, 2, 0]


def test_the_conformance_tests_see_the_task():
    assert make_task("ttc/Sorting-v0", size=8).size == 8
    assert make_task("ttc/Sorting-v0").spec.num_nodes == 16


@pytest.mark.parametrize("mode", ["full", "edit", "logits"])
def test_gymnasium_finds_no_fault_in_the_adjacent_view(mode):
    env = gym.make("ttc/Sorting-v0", action_mode=mode, view="adjacent", size=9, min_size=4)
    check_env(env.unwrapped, skip_render_check=True)
