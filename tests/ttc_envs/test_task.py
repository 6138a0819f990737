"""The defaults of `Task`, on a task that writes no more than it must."""

from dataclasses import replace
from itertools import permutations, product

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from ttc_envs import (
    Field,
    Group,
    Instances,
    RefinementEnv,
    RefinementVectorEnv,
    Task,
    TaskSpec,
    Wording,
)
from ttc_envs.colours import GREEN, RED
from ttc_envs.groups import GroupCounter
from ttc_envs.render import GIVEN, cells_of

ROWS = list(permutations(range(4)))
SQUARES = np.array(
    [
        s
        for s in product(ROWS, repeat=4)
        if all(len(set(column)) == 4 for column in zip(*s, strict=True))
    ]
).reshape(-1, 16)
HIDDEN = {"easy": 4, "hard": 10}


class LatinSquare(Task):
    """Fill a 4x4 grid so that each row and column holds each of four symbols once."""

    def __init__(self):
        cells = np.arange(16).reshape(4, 4)
        lines = {"row": cells, "column": cells.T}
        members = {
            kind: [[(cell, c) for cell in line] for line in which for c in range(4)]
            for kind, which in lines.items()
        }
        members["cell"] = [[(cell, c) for c in range(4)] for cell in range(16)]
        self.spec = TaskSpec(
            name="latin_square",
            levels=tuple(HIDDEN),
            fields={"givens": Field("node", "given", (16,), "int8", -1, 3)},
            num_nodes=16,
            num_choices=4,
            choices="class",
            num_edits=64,
            groups=tuple(Group(kind, np.array(pairs)) for kind, pairs in members.items()),
            positions=np.argwhere(cells >= 0).astype(np.float32),
        )

    def sample(self, keys, level):
        self.level_index(level)
        streams = [np.random.default_rng(int(key)) for key in keys]
        squares = np.array([stream.choice(SQUARES) for stream in streams], dtype=np.int8)
        order = np.array([stream.permutation(16) for stream in streams])
        givens = np.where(order < HIDDEN[level], np.int8(-1), squares)
        return Instances(np.asarray(keys, dtype=np.uint64), {"givens": givens}, {"answer": squares})

    def solve(self, instances):
        givens = instances.fields["givens"][:, None]
        fits = ((givens == SQUARES) | (givens < 0)).all(axis=2)
        found = np.where(fits.any(axis=1)[:, None], SQUARES[fits.argmax(axis=1)], -1)
        return found.astype(np.int8)


class Unstructured(LatinSquare):
    def __init__(self):
        super().__init__()
        self.spec = self.spec.without_structure()


KEYS = np.arange(20, dtype=np.uint64)


@pytest.fixture
def task():
    return LatinSquare()


@pytest.fixture
def instances(task):
    return task.sample(KEYS, "hard")


def random_answers(seed=0, low=-2, high=6):
    """Some squares with a few cells that are wrong, undecided or no choice at all."""
    rng = np.random.default_rng(seed)
    answer = rng.choice(SQUARES, size=len(KEYS)).astype(np.int8)
    wrong = rng.random(answer.shape) < rng.random((len(answer), 1)) * 0.5
    answer[wrong] = rng.integers(low, high, size=wrong.sum())
    return answer


def test_what_must_be_written_is_asked_for():
    class Half(Task):
        def sample(self, keys, level):
            return None

    with pytest.raises(TypeError, match="solve"):
        Half()


# Scores


def test_quality_counts_the_groups_with_one_member_that_holds(task, instances):
    answer = random_answers()
    quality = [
        np.mean(
            [
                sum(row[node] == choice for node, choice in members) == 1
                for group in task.spec.groups
                for members in group.members
            ]
        )
        for row in answer
    ]
    scores = task.score(instances, answer)
    assert np.allclose(scores["quality"], quality, atol=1e-6)
    assert len(set(quality)) > 5
    assert np.allclose(scores["accuracy"], (answer == instances.labels["answer"]).mean(axis=1))
    assert {name: values.dtype.name for name, values in scores.items()} == {
        "quality": "float32",
        "accuracy": "float32",
        "solved": "bool",
    }


def test_solved_needs_all_groups_and_what_is_given(task, instances):
    right = instances.labels["answer"]
    assert task.score(instances, right)["solved"].all()
    # Another square keeps every rule but what is given.
    scores = task.score(instances, (right + 1) % 4)
    assert (scores["quality"] == 1).all()
    assert not scores["solved"].any()
    undecided = np.full_like(right, -1)
    assert task.score(instances, undecided)["quality"].tolist() == [0] * len(KEYS)


def test_groups_of_different_sizes_count_alike(instances):
    task = LatinSquare()
    small = Group("corner", np.array([[(0, 0), (0, 1)], [(0, 2), (0, 3)]]))
    task.spec = TaskSpec(**{**vars(Unstructured().spec), "groups": (small, task.spec.groups[0])})
    scores = task.score(instances, instances.labels["answer"])
    # The corner holds one choice, so one of its two groups is broken.
    assert np.allclose(scores["quality"], 17 / 18)


def test_only_choices_hold_a_group_and_only_one_may(task):
    either = (Group("either", np.array([[(0, 0), (1, 0)]])),)
    counter = GroupCounter(replace(task.spec, num_nodes=2, num_choices=2, groups=either))
    answer = np.array([[0, 1], [1, 0], [0, -1], [0, 2], [0, 0], [1, 1], [-1, 1], [-1, -1]])
    assert counter.satisfied(answer).tolist() == [1, 1, 1, 1, 0, 0, 0, 0]


def test_without_groups_quality_is_accuracy(instances):
    task, answer = Unstructured(), random_answers()
    scores = task.score(instances, answer)
    assert np.array_equal(scores["quality"], scores["accuracy"])
    assert not scores["solved"].any()
    assert task.score(instances, instances.labels["answer"])["solved"].all()


# Instances and answers


def test_levels_are_those_of_the_spec(task):
    assert [task.level_index(level) for level in ("easy", "hard")] == [0, 1]
    with pytest.raises(ValueError, match="latin_square must be one of easy, hard, got 'odd'"):
        task.level_index("odd")


def test_fields_of_the_callers_are_solved(task, instances):
    own = task.from_fields(instances.fields)
    assert not own.keys.any()
    assert task.score(own, own.labels["answer"])["solved"].all()
    broken = {"givens": instances.fields["givens"].copy()}
    broken["givens"][3, :2] = 0
    with pytest.raises(ValueError, match=r"instances \[3\] have no solution"):
        task.from_fields(broken)
    with pytest.raises(ValueError, match="has the fields"):
        task.from_fields({})


def test_answers_begin_with_what_is_given_and_keep_it(task, instances):
    givens = instances.fields["givens"]
    first = task.initial_answer(instances)
    assert np.array_equal(first, givens)
    first[:] = 0
    assert (givens < 0).any()
    after = task.apply(instances, givens, random_answers(low=0, high=4), "full")
    assert np.array_equal(after[givens >= 0], givens[givens >= 0])
    assert after.dtype == task.spec.answer_dtype
    with pytest.raises(ValueError, match="mode must be"):
        task.apply(instances, givens, after, "half")


def test_without_a_field_of_givens_nothing_is_decided():
    task = LatinSquare()
    fields = {"clue": Field("node", "symbol", (16,), "int8", 0, 3)}
    task.spec = TaskSpec(**{**vars(Unstructured().spec), "fields": fields})
    bare = Instances(KEYS, {"clue": np.zeros((20, 16), np.int8)}, {})
    assert task.spec.given_field is None
    assert (task.initial_answer(bare) == -1).all()
    assert task.edit_mask(bare, task.initial_answer(bare)).all()


def test_the_mask_allows_edits_that_change_a_free_node(task, instances):
    answer = task.apply(instances, instances.labels["answer"], random_answers(low=0), "full")
    mask = task.edit_mask(instances, answer)
    for edit in range(task.spec.num_edits):
        after = task.apply(instances, answer, np.full(len(KEYS), edit), "edit")
        changes = after != answer
        assert np.array_equal(changes.sum(axis=1), mask[:, edit])
        assert not changes[instances.fields["givens"] >= 0].any()
        assert (after[:, edit // 4][mask[:, edit] == 1] == edit % 4).all()
    assert 0 < mask.mean() < 1


def test_the_edit_path_leads_to_the_label(task, instances):
    first = task.initial_answer(instances)
    paths = task.edit_path(instances, first)
    state = task.edit_state(instances, strict=False)
    state.set_rows(slice(None), first)
    for step in range(HIDDEN["hard"]):
        scores = state.apply(np.array([path[step] for path in paths]))
        assert (state.changed == 1).all()
        assert np.array_equal(state.mask, task.edit_mask(instances, state.answer))
    assert scores["solved"].all()
    assert np.array_equal(state.answer, instances.labels["answer"])


def test_there_are_no_strict_rules(task, instances):
    with pytest.raises(ValueError, match="latin_square has no strict edit rules"):
        task.edit_state(instances, strict=True)


def test_what_a_task_does_not_say(task, instances):
    answer = task.initial_answer(instances)
    improved = task.improve(instances, answer)
    assert np.array_equal(improved, answer)
    assert improved is not answer
    assert task.baselines() == task.sources == {}
    assert task.score_parts(instances, answer) is task.places() is None
    assert task.splits == ()
    assert task.wording == Wording()
    assert task.several_solutions(instances).tolist() == [False] * len(KEYS)
    assert task.spell(np.array([0, -1, 12])) == "0 . 12"
    with pytest.raises(ValueError, match="latin_square has no text form"):
        task.parse("1234")
    with pytest.raises(ValueError, match="latin_square reads no files"):
        task.load("squares.txt")


# Pictures


def test_text_shows_each_choice_in_its_place(task, instances):
    text = task.render(instances[:1], instances.labels["answer"][:1], "ansi")
    lines = text.split("\n")
    assert len(lines) == 4
    rows = [line.split("\x1b[0m")[:-1] for line in lines]
    shown = [[cell.rpartition("m ")[2].strip() for cell in row] for row in rows]
    assert shown == instances.labels["answer"][0].reshape(4, 4).astype(str).tolist()


def test_pixels_are_tinted_by_confidence_and_givens_are_grey(task, instances):
    given = instances.fields["givens"][0] >= 0
    answer = instances.labels["answer"][:1]
    pictures = {
        sure: task.render(instances[:1], answer, "rgb_array", np.full(16, float(sure)))
        for sure in (0, 1)
    }
    for sure, colour in ((0, RED), (1, GREEN)):
        # The upper left corners of the cells, inside of their lines.
        corners = pictures[sure][10 : 10 + 160 : 40, 10 : 10 + 160 : 40].reshape(16, 3)
        assert (corners[given] == GIVEN).all()
        assert (corners[~given] == colour).all()
    blank = task.render(instances[:1], task.initial_answer(instances[:1]), "rgb_array")
    assert blank.shape == pictures[0].shape == (176, 176, 3)
    assert not np.array_equal(blank, task.render(instances[:1], answer, "rgb_array"))


def test_a_picture_refuses_what_it_does_not_know(task, instances):
    one, answer = instances[:1], instances.labels["answer"][:1]
    with pytest.raises(ValueError, match="mode must be"):
        task.render(one, answer, "human")
    with pytest.raises(ValueError, match="confidence must have shape"):
        task.render(one, answer, "ansi", np.ones(3))


def test_nodes_without_a_plane_stand_in_a_row():
    assert cells_of(None, 3).tolist() == [[0, 0], [0, 1], [0, 2]]
    assert cells_of(np.array([[5.0], [0.5], [2.0]]), 3).tolist() == [[0, 2], [0, 0], [0, 1]]
    places = np.array([[0.0, 9.0], [3.0, 9.0], [0.0, -1.0]])
    assert cells_of(places, 3).tolist() == [[0, 1], [1, 1], [0, 0]]


# Environments


@pytest.mark.parametrize("observation", ["default", "one_hot"])
@pytest.mark.parametrize("mode", ["full", "edit", "logits"])
def test_checkers_find_no_fault(mode, observation):
    env = RefinementEnv(LatinSquare(), action_mode=mode, observation=observation, level="hard")
    check_env(env, skip_render_check=True)
    pytest.importorskip("stable_baselines3.common.env_checker").check_env(env)


@pytest.mark.parametrize("mode", ["full", "edit", "logits"])
def test_the_batch_agrees_with_single_environments(mode):
    def single():
        env = RefinementEnv(LatinSquare(), action_mode=mode)
        return gym.wrappers.TimeLimit(env, 6)

    ours = RefinementVectorEnv(LatinSquare(), 3, action_mode=mode, max_episode_steps=6)
    theirs = SyncVectorEnv([single] * 3, autoreset_mode=AutoresetMode.SAME_STEP)
    assert data_equivalence(ours.reset(seed=4)[0], theirs.reset(seed=4)[0], exact=True)
    ours.action_space.seed(0)
    ends = np.zeros(2, dtype=int)
    for _ in range(30):
        actions = ours.action_space.sample()
        if mode != "edit":
            actions[0] = ours.solution()[0]
        else:
            paths = ours.solution()
            actions = np.array([path[0] for path in paths[:2]] + [actions[2]])
        result, expected = ours.step(actions)[:4], theirs.step(actions)[:4]
        assert data_equivalence(result, expected, exact=True)
        ends += [result[2].sum(), result[3].sum()]
    assert (ends > 0).all()


def test_an_environment_draws_it():
    env = RefinementEnv(LatinSquare(), render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().shape == (176, 176, 3)
