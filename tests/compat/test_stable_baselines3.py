"""Stable-Baselines3 trains on every id at its default size, in every action mode, with no glue."""

import gymnasium as gym
import numpy as np
import pytest

from ttc_envs import registered

sb3 = pytest.importorskip("stable_baselines3")
pytestmark = pytest.mark.slow

STEPS = 8


@pytest.mark.parametrize("mode", ["full", "edit", "logits"])
@pytest.mark.parametrize("env_id", sorted(registered()))
def test_ppo_trains(env_id, mode):
    env = gym.make(f"ttc_envs:{env_id}", action_mode=mode)
    agent = sb3.PPO(
        "MultiInputPolicy", env, n_steps=STEPS, batch_size=STEPS, n_epochs=1, seed=0, device="cpu"
    )
    agent.learn(STEPS)
    observation, _ = env.reset(seed=1)
    action, _ = agent.predict(observation)
    assert env.action_space.contains(action if np.ndim(action) else int(action))


@pytest.mark.parametrize("env_id", sorted(registered()))
def test_a2c_trains(env_id):
    env = gym.make(f"ttc_envs:{env_id}")
    agent = sb3.A2C("MultiInputPolicy", env, n_steps=STEPS, seed=0, device="cpu")
    assert agent.learn(2 * STEPS).num_timesteps == 2 * STEPS


@pytest.mark.parametrize("env_id", sorted(registered()))
def test_dqn_trains_on_edits(env_id):
    env = gym.make(f"ttc_envs:{env_id}", action_mode="edit")
    agent = sb3.DQN(
        "MultiInputPolicy", env, learning_starts=4, batch_size=4, buffer_size=64, device="cpu"
    )
    assert agent.learn(3 * STEPS)._n_updates > 0
