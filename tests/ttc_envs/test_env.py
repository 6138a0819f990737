import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence

from ttc_envs import RefinementEnv, SudokuTask

MODES = ["full", "edit", "logits"]
COPIES = {"pickle": lambda env: pickle.loads(pickle.dumps(env)), "deepcopy": copy.deepcopy}


@pytest.mark.parametrize("way", list(COPIES))
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("strict", [False, True])
def test_a_copy_in_mid_episode_goes_on_alike_and_apart(mode, way, strict):
    if strict and mode != "edit":
        return
    env = gym.make("ttc/Sudoku-v0", action_mode=mode, strict=strict, terminate_on_solved=False)
    env.reset(seed=0)
    env.action_space.seed(0)
    if not strict:
        env.step(env.action_space.sample())
    twin = COPIES[way](env)
    alike = []
    for _ in range(3):
        action = env.unwrapped.solution()[0] if mode == "edit" else env.action_space.sample()
        alike.append(env.step(action))
        assert data_equivalence(alike[-1], twin.step(action), exact=True)
    assert data_equivalence(env.reset(), twin.reset(), exact=True)
    moving = env.unwrapped.solution()
    env.step(moving[0] if mode == "edit" else moving)
    assert not twin.unwrapped.episodes.steps.any()
    assert not twin.unwrapped.episodes.state.changed.any()


@pytest.mark.parametrize("reward", ["verifier", "oracle", "sparse"])
@pytest.mark.parametrize("mode", MODES)
def test_the_solution_solves(mode, reward):
    env = RefinementEnv(SudokuTask, action_mode=mode, reward=reward, level="minimal")
    _, info = env.reset(seed=1)
    start = {"verifier": info["quality"], "oracle": info["accuracy"], "sparse": 1.0}[reward]
    assert not info["solved"]
    solution = env.solution()
    total = 0.0
    for step, action in enumerate(solution if mode == "edit" else [solution], start=1):
        _, gained, terminated, _, info = env.step(action)
        total += gained
        assert (
            info["solved"]
            == info["is_success"]
            == terminated
            == (step == len(solution) or mode != "edit")
        )
    assert info["quality"] == info["accuracy"] == 1.0
    assert info["first_solved_step"] == step
    assert total == pytest.approx(1.0 - start + 1.0)


def test_solving_pays_once_and_does_not_end_an_evaluation():
    env = RefinementEnv(SudokuTask, size=4, reward="sparse", terminate_on_solved=False)
    env.reset(seed=0)
    solution, wrong = env.solution(), (env.solution() + 1) % 4
    rewards, solved, first = [], [], []
    for action in (wrong, solution, wrong, solution):
        _, reward, terminated, truncated, info = env.step(action)
        assert not terminated
        assert not truncated
        rewards.append(reward)
        solved.append(info["solved"])
        first.append(int(info["first_solved_step"]))
    assert rewards == [0, 1, 0, 0]
    assert solved == [False, True, False, True]
    assert first == [-1, 2, 2, 2]


def test_givens_are_put_back_and_changes_counted():
    env = RefinementEnv(SudokuTask)
    before, _ = env.reset(seed=0)
    after, *_, info = env.step(np.full(81, 4))
    given = before["givens"] >= 0
    assert (after["answer"][given] == before["givens"][given]).all()
    assert (after["answer"][~given] == 4).all()
    assert info["changed"] == (~given).sum()


def test_a_forbidden_edit_changes_nothing_and_costs_the_step():
    env = RefinementEnv(SudokuTask, action_mode="edit")
    before, info = env.reset(seed=0)
    forbidden = int(np.flatnonzero(info["action_mask"] == 0)[0])
    after, reward, terminated, _, info = env.step(forbidden)
    assert np.array_equal(before["answer"], after["answer"])
    assert (reward, terminated, info["changed"], after["step"]) == (0.0, False, 0, 1)


def test_strict_ends_the_episode_at_a_forbidden_edit():
    env = RefinementEnv(SudokuTask, action_mode="edit", strict=True)
    env.reset(seed=0)
    edit = env.solution()[0]
    assert env.step(edit)[2] is False
    assert env.step(edit)[2] is True


def test_info_has_the_same_keys_and_dtypes_at_every_call():
    env = RefinementEnv(SudokuTask, action_mode="edit")
    _, first = env.reset(seed=0)
    *_, second = env.step(env.solution()[0])
    expected = {
        "solved": bool,
        "is_success": bool,
        "quality": np.float32,
        "accuracy": np.float32,
        "changed": np.int32,
        "first_solved_step": np.int32,
        "level": np.int32,
        "instance_id": np.uint64,
        "action_mask": np.ndarray,
    }
    assert {name: type(value) for name, value in first.items()} == expected
    assert {name: type(value) for name, value in second.items()} == expected
    assert first["action_mask"].dtype == np.int8
    assert first["action_mask"].shape == (729,)


def test_labels_are_not_shown():
    env = RefinementEnv(SudokuTask)
    observation, info = env.reset(seed=0)
    assert set(observation) == {"givens", "answer", "step"}
    assert "answer" not in info


def test_options_hold_for_one_episode():
    env = RefinementEnv(SudokuTask, level="medium")
    levels = [env.reset(seed=0, options=o)[1]["level"] for o in ({}, {"level": "hard"}, {})]
    assert levels == [1, 2, 1]
    assert env.reset(options={"level": "givens=40"})[1]["level"] == -1


def test_an_instance_of_ones_own():
    task = SudokuTask(size=4)
    instances = task.sample(np.array([5], dtype=np.uint64), "hard")
    env = RefinementEnv(task)
    for instance in (instances, instances.fields, {"givens": instances.fields["givens"][0]}):
        observation, info = env.reset(options={"instance": instance})
        assert np.array_equal(observation["givens"], instances.fields["givens"][0])
        assert np.array_equal(env.solution(), instances.labels["answer"][0])
        assert info["level"] == -1
    assert env.reset(options={"instance": instances})[1]["instance_id"] == 5


def test_task_options_beside_a_task_are_an_error():
    with pytest.raises(TypeError, match="size"):
        RefinementEnv(SudokuTask(), size=4)


def test_one_hot_observations():
    plain = RefinementEnv(SudokuTask, size=4)
    env = RefinementEnv(SudokuTask, size=4, observation="one_hot")
    seen, _ = plain.reset(seed=0)
    observation, _ = env.reset(seed=0)
    rows = observation["givens"].reshape(16, 4)
    assert observation["givens"].dtype == np.int8
    assert np.array_equal(rows.sum(axis=1), seen["givens"] >= 0)
    filled = seen["givens"] >= 0
    assert np.array_equal(rows.argmax(axis=1)[filled], seen["givens"][filled])


def test_action_masks_belong_to_edits():
    env = RefinementEnv(SudokuTask)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="edit"):
        env.action_masks()


def test_rendering():
    env = gym.make("ttc/Sudoku4-v0", render_mode="rgb_array", action_mode="logits")
    env.reset(seed=0)
    first = env.render()
    solution = env.unwrapped.solution()
    env.step(solution * 10)
    sure = env.render()
    assert first.dtype == np.uint8
    assert first.shape == sure.shape
    env.reset(seed=0)
    env.step(solution * 0.1)
    # The same answer with less confidence has another colour.
    assert not np.array_equal(env.render(), sure)
    assert RefinementEnv(SudokuTask).render() is None


def test_human_rendering_is_gymnasiums_own(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with pytest.warns(UserWarning, match="HumanRendering"):
        env = gym.make("ttc/Sudoku4-v0", render_mode="human")
    assert isinstance(env, gym.wrappers.HumanRendering)
    env.reset(seed=0)
    env.close()
