"""sb3-contrib: masks through gym.make's wrappers and Monitor, and recurrent policies."""

import gymnasium as gym
import pytest

from ttc_envs import registered

contrib = pytest.importorskip("sb3_contrib")
monitor = pytest.importorskip("stable_baselines3.common.monitor")
pytestmark = pytest.mark.slow

STEPS = 8


@pytest.mark.parametrize("env_id", sorted(registered()))
def test_maskable_ppo_takes_allowed_edits_alone(env_id):
    env = monitor.Monitor(gym.make(f"ttc_envs:{env_id}", action_mode="edit"))
    agent = contrib.MaskablePPO(
        "MultiInputPolicy", env, n_steps=STEPS, batch_size=STEPS, n_epochs=1, seed=0, device="cpu"
    )
    agent.learn(2 * STEPS)
    observation, _ = env.reset(seed=1)
    for _ in range(4):
        masks = env.get_wrapper_attr("action_masks")()
        action, _ = agent.predict(observation, action_masks=masks)
        assert masks[action]
        observation, *_ = env.step(action)


@pytest.mark.parametrize("env_id", ["ttc/Sudoku4-v0", "ttc/Sorting-v0"])
def test_recurrent_ppo_trains(env_id):
    env = gym.make(f"ttc_envs:{env_id}", observation="one_hot")
    agent = contrib.RecurrentPPO(
        "MultiInputLstmPolicy", env, n_steps=STEPS, batch_size=STEPS, n_epochs=1, device="cpu"
    )
    assert agent.learn(STEPS).num_timesteps == STEPS
