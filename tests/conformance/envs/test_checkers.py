"""Gymnasium's and Stable-Baselines3's own checkers, over every id and action mode."""

import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence

import ttc_envs

IDS = sorted(ttc_envs.registered())
MODES = ["full", "edit", "logits"]


@pytest.mark.parametrize("observation", ["default", "one_hot"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env_id", IDS)
def test_gymnasium_finds_no_fault(env_id, mode, observation):
    env = gym.make(env_id, action_mode=mode, observation=observation)
    check_env(env.unwrapped, skip_render_check=True)


@pytest.mark.parametrize("env_id", IDS)
def test_gymnasium_finds_no_fault_in_rendering(env_id):
    check_env(gym.make(env_id, render_mode="ansi").unwrapped)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env_id", IDS)
def test_stable_baselines_finds_no_fault(env_id, mode):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(gym.make(env_id, action_mode=mode))


@pytest.mark.parametrize("env_id", IDS)
def test_masks_reach_maskable_ppo(env_id):
    utils = pytest.importorskip("sb3_contrib.common.maskable.utils")
    env = gym.make(env_id, action_mode="edit")
    _, info = env.reset(seed=0)
    assert utils.is_masking_supported(env)
    masks = utils.get_action_masks(env)
    assert masks.dtype == bool
    assert np.array_equal(masks, info["action_mask"])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env_id", IDS)
def test_the_registered_limit_truncates(env_id, mode):
    limit = gym.spec(env_id).max_episode_steps
    env = gym.make(env_id, action_mode=mode, terminate_on_solved=False)
    env.reset(seed=1)
    env.action_space.seed(1)
    for step in range(1, limit + 1):
        observation, _, terminated, truncated, _ = env.step(env.action_space.sample())
        assert observation["step"] == step
        assert (terminated, truncated) == (False, step == limit)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env_id", IDS)
def test_the_spec_makes_the_same_environment_again(env_id, mode):
    level = ttc_envs.make_task(env_id).spec.levels[-1]
    env = gym.make(env_id, action_mode=mode, level=level)
    again = gym.make(pickle.loads(pickle.dumps(env.spec)))
    assert data_equivalence(env.reset(seed=3), again.reset(seed=3), exact=True)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env_id", IDS)
def test_make_vec_takes_the_same_arguments(env_id, mode):
    level = ttc_envs.make_task(env_id).spec.levels[1]
    envs = gym.make_vec(env_id, num_envs=3, action_mode=mode, level=level, reward="oracle")
    assert isinstance(envs, ttc_envs.RefinementVectorEnv)
    observations, infos = envs.reset(seed=0)
    assert observations in envs.observation_space
    assert (infos["level"] == 1).all()
    assert envs.metadata["autoreset_mode"] is gym.vector.AutoresetMode.SAME_STEP
