import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode

from ttc_envs import RefinementVectorEnv, SudokuTask

COPIES = {"pickle": lambda env: pickle.loads(pickle.dumps(env)), "deepcopy": copy.deepcopy}


def play(envs, steps, seed=0):
    """Outcomes of random actions from the current state."""
    envs.action_space.seed(seed)
    return [envs.step(envs.action_space.sample()) for _ in range(steps)]


def equal(left, right):
    return all(data_equivalence(a, b, exact=True) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("way", list(COPIES))
@pytest.mark.parametrize("mode", ["full", "edit", "logits"])
def test_a_copy_in_mid_episode_goes_on_alike(mode, way):
    envs = RefinementVectorEnv(SudokuTask, 3, size=4, action_mode=mode, max_episode_steps=4)
    envs.reset(seed=0)
    play(envs, 6)
    twin = COPIES[way](envs)
    assert equal(play(envs, 10), play(twin, 10))


def test_same_step_returns_the_next_episode_and_keeps_the_end_of_the_old():
    envs = RefinementVectorEnv(SudokuTask, 3, size=4)
    before, first = envs.reset(seed=0)
    actions = envs.solution()
    actions[1] = (actions[1] + 1) % 4
    observations, rewards, terminated, truncated, infos = envs.step(actions)
    assert terminated.tolist() == [True, False, True]
    assert not truncated.any()
    assert (rewards[terminated] > 1).all()
    assert observations["step"].reshape(-1).tolist() == [0, 1, 0]
    assert not np.array_equal(before["givens"][0], observations["givens"][0])
    assert np.array_equal(infos["final_obs"][0]["givens"], before["givens"][0])
    assert infos["final_obs"][1] is None
    assert infos["_final_info"].tolist() == [True, False, True]
    assert infos["final_info"]["solved"].tolist() == [True, False, True]
    assert infos["final_info"]["first_solved_step"][[0, 2]].tolist() == [1, 1]
    assert np.array_equal(infos["final_info"]["instance_id"][[0, 2]], first["instance_id"][[0, 2]])
    assert not infos["solved"].any()


def test_next_step_begins_the_next_episode_whatever_the_action():
    envs = RefinementVectorEnv(SudokuTask, 2, size=4, autoreset_mode=AutoresetMode.NEXT_STEP)
    before, _ = envs.reset(seed=0)
    actions = envs.solution()
    actions[1] = 0
    observations, *_ = envs.step(actions)
    assert np.array_equal(observations["givens"], before["givens"])
    observations, rewards, terminated, truncated, _ = envs.step(actions)
    assert observations["step"].reshape(-1).tolist() == [0, 2]
    assert rewards[0] == 0
    assert not terminated.any()
    assert not truncated.any()


def test_a_reset_mask_resets_these_rows_only():
    envs = RefinementVectorEnv(SudokuTask, 3, size=4, autoreset_mode=AutoresetMode.DISABLED)
    envs.reset(seed=0)
    observations, *_ = envs.step(np.zeros((3, 16), dtype=int))
    mask = np.array([False, True, False])
    keys = np.array([7, 8, 9], dtype=np.uint64)
    after, infos = envs.reset(options={"reset_mask": mask, "instance_id": keys, "level": "hard"})
    assert after["step"].reshape(-1).tolist() == [1, 0, 1]
    for name, values in after.items():
        assert np.array_equal(values[~mask], observations[name][~mask])
    assert infos["instance_id"][1] == 8
    assert infos["level"].tolist() == [0, 2, 0]
    assert all((infos[f"_{name}"] == mask).all() for name in infos if not name.startswith("_"))


def test_a_seed_reaches_the_masked_rows_only():
    envs = RefinementVectorEnv(SudokuTask, 2, size=4)
    other = RefinementVectorEnv(SudokuTask, 2, size=4)
    envs.reset(seed=0)
    other.reset(seed=0)
    mask = np.array([False, True])
    _, infos = envs.reset(seed=50, options={"reset_mask": mask})
    _, fresh = RefinementVectorEnv(SudokuTask, 2, size=4).reset(seed=50)
    assert infos["instance_id"][1] == fresh["instance_id"][1]
    assert envs.np_random_seed == (0, 51)
    assert envs.reset()[1]["instance_id"][0] == other.reset()[1]["instance_id"][0]


def test_a_list_of_seeds_leaves_rows_with_none_as_they_are():
    envs, other = (RefinementVectorEnv(SudokuTask, 2, size=4) for _ in range(2))
    envs.reset(seed=3)
    other.reset(seed=3)
    _, infos = envs.reset(seed=[None, 3])
    assert infos["instance_id"][0] == other.reset()[1]["instance_id"][0]
    assert (
        infos["instance_id"][1]
        == RefinementVectorEnv(SudokuTask, size=4).reset(seed=3)[1]["instance_id"][0]
    )


def test_unseeded_environments_differ():
    _, infos = RefinementVectorEnv(SudokuTask, 50).reset()
    assert len(set(infos["instance_id"].tolist())) == 50


def test_instances_drawn_ahead_come_in_the_order_of_the_keys():
    """Episodes of different lengths, so that rows use up what was drawn at different times."""
    envs = RefinementVectorEnv(SudokuTask, 4, size=4, max_episode_steps=50)
    seen = [[key] for key in envs.reset(seed=0)[1]["instance_id"].tolist()]
    rng = np.random.default_rng(0)
    for _ in range(40):
        actions, solve = envs.solution(), rng.random(4) < [0.1, 0.5, 0.9, 1.0]
        actions[~solve] = 0
        *_, infos = envs.step(actions)
        for row in np.flatnonzero(infos.get("_final_obs", [])):
            seen[row].append(int(infos["instance_id"][row]))
    assert [len(keys) for keys in seen] == sorted(len(keys) for keys in seen)
    for row, keys in enumerate(seen):
        words = np.random.default_rng(row).bit_generator
        assert keys == [words.random_raw() for _ in keys]


def test_another_level_uses_the_same_keys():
    envs, other = (RefinementVectorEnv(SudokuTask, 2, size=4) for _ in range(2))
    _, infos = envs.reset(seed=0, options={"level": "hard"})
    assert np.array_equal(infos["instance_id"], other.reset(seed=0)[1]["instance_id"])


@pytest.mark.parametrize("limit", [None, -1])
def test_without_a_limit_nothing_truncates(limit):
    envs = RefinementVectorEnv(
        SudokuTask, 2, size=4, max_episode_steps=limit, terminate_on_solved=False
    )
    envs.reset(seed=0)
    assert not any(truncated.any() for _, _, _, truncated, _ in play(envs, 100))


def test_edits_solve_and_masks_follow():
    envs = RefinementVectorEnv(SudokuTask, 3, action_mode="edit", terminate_on_solved=False)
    envs.reset(seed=0)
    paths = envs.solution()
    for step in range(max(map(len, paths))):
        actions = np.array([path[min(step, len(path) - 1)] for path in paths])
        *_, infos = envs.step(actions)
        assert not infos["action_mask"][np.arange(3), actions].any()
        assert np.array_equal(infos["action_mask"], envs.action_masks())
    assert infos["solved"].all()


def test_rendering_gives_one_frame_each():
    envs = gym.make_vec("ttc/Sudoku4-v0", num_envs=2, render_mode="ansi")
    envs.reset(seed=0)
    frames = envs.render()
    assert len(frames) == 2
    assert frames[0] != frames[1]
    assert RefinementVectorEnv(SudokuTask).render() is None
