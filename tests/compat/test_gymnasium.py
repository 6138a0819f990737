"""The installed version of Gymnasium: makers, checkers, wrappers and both kinds of vector envs."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from ttc_envs import registered

IDS = sorted(registered())
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("mode", ["full", "edit", "logits"])
@pytest.mark.parametrize("env_id", IDS)
def test_checker(env_id, mode):
    check_env(gym.make(f"ttc_envs:{env_id}", action_mode=mode).unwrapped, skip_render_check=True)


@pytest.mark.parametrize("env_id", IDS)
def test_wrappers(env_id):
    env = gym.make(f"ttc_envs:{env_id}", max_episode_steps=3, terminate_on_solved=False)
    env = gym.wrappers.RecordEpisodeStatistics(gym.wrappers.FlattenObservation(env))
    observation, _ = env.reset(seed=0)
    assert observation.ndim == 1
    env.action_space.seed(0)
    for _ in range(3):
        *_, truncated, info = env.step(env.action_space.sample())
    assert truncated
    assert info["episode"]["l"] == 3


@pytest.mark.parametrize("mode", ["sync", "vector_entry_point"])
@pytest.mark.parametrize("env_id", IDS)
def test_vector_envs_agree(env_id, mode):
    envs = gym.make_vec(f"ttc_envs:{env_id}", num_envs=3, vectorization_mode=mode)
    observation, infos = envs.reset(seed=5)
    single, info = gym.make(f"ttc_envs:{env_id}").reset(seed=6)
    assert infos["instance_id"][1] == info["instance_id"]
    assert all(np.array_equal(observation[name][1], single[name]) for name in single)
    envs.action_space.seed(0)
    _, rewards, *_ = envs.step(envs.action_space.sample())
    assert rewards.shape == (3,)
    envs.close()
