"""The vector environment against Gymnasium's SyncVectorEnv of single ones, step by step."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import ttc_envs

NUM_ENVS = 3
CASES = [
    ("ttc/Sudoku4-v0", {"action_mode": "full"}),
    ("ttc/Sudoku4-v0", {"action_mode": "logits", "reward": "oracle"}),
    ("ttc/SudokuEdit4-v0", {"action_mode": "edit"}),
    ("ttc/SudokuEdit4-v0", {"action_mode": "edit", "strict": True}),
    ("ttc/SudokuEdit4-v0", {"action_mode": "edit", "terminate_on_solved": False}),
    ("ttc/SudokuEdit-v0", {"action_mode": "edit", "level": "hard", "observation": "one_hot"}),
    ("ttc/Sudoku-v0", {"action_mode": "full", "reward": "sparse", "size": 6, "split": "test"}),
    ("ttc/Sorting-v0", {"size": 6, "min_size": 3}),
    ("ttc/Sorting-v0", {"size": 4, "view": "adjacent", "level": "reversed"}),
    ("ttc/Sorting-v0", {"size": 4, "view": "adjacent", "action_mode": "logits"}),
    ("ttc/Sorting-v0", {"size": 12, "action_mode": "edit", "observation": "one_hot"}),
    ("ttc/Sorting-v0", {"size": 6, "action_mode": "edit", "view": "adjacent"}),
    ("ttc/ShortestPath-v0", {"places": 6}),
    ("ttc/ShortestPath-v0", {"places": 16, "level": "spread12", "action_mode": "edit"}),
    ("ttc/ShortestPath-v0", {"places": 6, "coordinates": True, "action_mode": "logits"}),
    ("ttc/ShortestPathUSA-v0", {"cities": "spread=16", "slots": 8, "reward": "oracle"}),
    ("ttc/ShortestPathUSA-v0", {"cities": "spread=64", "slots": 16, "action_mode": "edit"}),
    ("ttc/ShortestPathUSA-v0", {"cities": "spread=16", "slots": 8, "observation": "one_hot"}),
]


def pair(env_id, kwargs, autoreset_mode, limit=10):
    """The vector environment, and the same as single ones in Gymnasium's loop."""
    ours = gym.make_vec(
        env_id,
        num_envs=NUM_ENVS,
        autoreset_mode=autoreset_mode,
        max_episode_steps=limit,
        **kwargs,
    )
    singles = [lambda: gym.make(env_id, max_episode_steps=limit, **kwargs)] * NUM_ENVS
    return ours, SyncVectorEnv(singles, autoreset_mode=autoreset_mode)


def assert_equal(ours, theirs):
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    assert np.array_equal(ours, theirs)


def assert_equal_dicts(ours, theirs):
    assert set(ours) == set(theirs)
    for name, values in theirs.items():
        assert_equal(ours[name], values)


def assert_equal_infos(ours, theirs):
    """Equal masks, and equal values where the masks are set."""
    assert set(ours) == set(theirs)
    for name, values in theirs.items():
        if name == "final_info":
            assert_equal_infos(ours[name], values)
        elif name == "final_obs":
            for row in np.flatnonzero(theirs["_final_obs"]):
                assert_equal_dicts(ours[name][row], values[row])
        elif name.startswith("_"):
            assert_equal(ours[name], values)
        else:
            here = theirs[f"_{name}"]
            assert_equal(ours[name][here], values[here])


def actions_of(envs, rng):
    """Random actions, mixed with ones that solve or come closer."""
    space, solution = envs.single_action_space, envs.solution()
    actions = []
    for row in range(envs.num_envs):
        sample = rng.random(space.shape) * 2 - 1
        if isinstance(space, gym.spaces.Discrete):
            sample = rng.integers(space.n)
        elif isinstance(space, gym.spaces.MultiDiscrete):
            sample = rng.integers(space.nvec)
        solving = solution[row]
        if isinstance(space, gym.spaces.Discrete):
            solving = solving[0] if len(solving) else sample
        # Edits need eight right ones in a row to solve, whole answers one.
        edits = isinstance(space, gym.spaces.Discrete)
        actions.append(solving if rng.random() < (0.95 if edits else 0.3) else sample)
    return np.array(actions)


@pytest.mark.parametrize("mode", list(AutoresetMode), ids=lambda mode: mode.name)
@pytest.mark.parametrize(("env_id", "kwargs"), CASES)
def test_vector_and_single_environments_agree(env_id, kwargs, mode):
    # Whole answers are right soon, so that few episodes would last to a later limit.
    limit = 10 if kwargs.get("action_mode") == "edit" else 5
    ours, theirs = pair(env_id, kwargs, mode, limit)
    rng = np.random.default_rng(0)
    observations, infos = ours.reset(seed=5)
    expected_observations, expected_infos = theirs.reset(seed=5)
    assert_equal_dicts(observations, expected_observations)
    assert_equal_infos(infos, expected_infos)
    terminations = truncations = 0
    for _ in range(60):
        actions = actions_of(ours, rng)
        *result, infos = ours.step(actions)
        *expected, expected_infos = theirs.step(actions)
        assert_equal_dicts(result[0], expected[0])
        for values, expected_values in zip(result[1:], expected[1:], strict=True):
            assert_equal(values, expected_values)
        assert_equal_infos(infos, expected_infos)
        terminations += result[2].sum()
        truncations += result[3].sum()
        done = result[2] | result[3]
        if mode is AutoresetMode.DISABLED and done.any():
            outcome = ours.reset(options={"reset_mask": done})
            expected = theirs.reset(options={"reset_mask": done.copy()})
            assert_equal_dicts(outcome[0], expected[0])
            assert_equal_infos(outcome[1], expected[1])
    # Both ways of ending were seen, where the case allows them.
    assert terminations > 0 or not kwargs.get("terminate_on_solved", True) or "Edit-v0" in env_id
    assert truncations > 0 or kwargs.get("strict")


def test_environment_i_is_the_single_one_with_seed_plus_i():
    envs = gym.make_vec("ttc/Sudoku-v0", num_envs=4, max_episode_steps=2)
    seen = [envs.reset(seed=10)[1]["instance_id"]]
    for _ in range(12):
        infos = envs.step(envs.action_space.sample())[-1]
        seen.append(infos["instance_id"])
    keys = np.array(seen[::2])
    for i in range(4):
        env = gym.make("ttc/Sudoku-v0")
        singles = [env.reset(seed=10 + i)[1]["instance_id"]]
        singles += [env.reset()[1]["instance_id"] for _ in range(6)]
        assert singles == keys[:, i].tolist()
        assert len(set(singles)) == 7


@pytest.mark.parametrize("env_id", sorted(ttc_envs.registered()))
def test_a_key_replays_its_instance(env_id):
    env, envs = gym.make(env_id), gym.make_vec(env_id, num_envs=2)
    first, info = env.reset(seed=4)
    again, _ = gym.make(env_id).reset(options={"instance_id": info["instance_id"]})
    both, _ = envs.reset(options={"instance_id": int(info["instance_id"])})
    for name in env.unwrapped.task.spec.fields:
        assert np.array_equal(first[name], again[name])
        assert (both[name] == first[name]).all()
