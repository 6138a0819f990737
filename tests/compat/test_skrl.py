"""skrl wraps single and vector environments, and its PPO trains on them."""

import gymnasium as gym
import pytest

skrl = pytest.importorskip("skrl")
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("env_id", ["ttc/SudokuEdit4-v0", "ttc/Sudoku4-v0"])
def test_random_steps_of_a_vector_env(env_id):
    import torch
    from skrl.envs.wrappers.torch import wrap_env

    env = wrap_env(gym.make_vec(f"ttc_envs:{env_id}", num_envs=4), verbose=False)
    env.reset()
    for _ in range(3):
        action = torch.as_tensor(env.unwrapped.action_space.sample()).view(4, -1)
        _, reward, *_ = env.step(action)
        assert reward.shape == (4, 1)


def test_ppo_trains():
    import torch
    from skrl.agents.torch.ppo import PPO
    from skrl.envs.wrappers.torch import wrap_env
    from skrl.memories.torch import RandomMemory
    from skrl.models.torch import CategoricalMixin, DeterministicMixin, Model
    from skrl.trainers.torch import SequentialTrainer

    env = wrap_env(
        gym.make_vec("ttc_envs:ttc/SudokuEdit4-v0", num_envs=4, observation="one_hot"),
        verbose=False,
    )

    class Actor(CategoricalMixin, Model):
        def __init__(self):
            Model.__init__(
                self, observation_space=env.observation_space, action_space=env.action_space
            )
            CategoricalMixin.__init__(self)
            self.net = torch.nn.Linear(self.num_observations, self.num_actions)

        def compute(self, inputs, role=""):
            return self.net(inputs["observations"].float()), {}

    class Critic(DeterministicMixin, Model):
        def __init__(self):
            Model.__init__(
                self, observation_space=env.observation_space, action_space=env.action_space
            )
            DeterministicMixin.__init__(self)
            self.net = torch.nn.Linear(self.num_observations, 1)

        def compute(self, inputs, role=""):
            return self.net(inputs["observations"].float()), {}

    agent = PPO(
        models={"policy": Actor(), "value": Critic()},
        memory=RandomMemory(memory_size=8, num_envs=4),
        observation_space=env.observation_space,
        action_space=env.action_space,
        cfg={"rollouts": 8, "experiment": {"write_interval": 0, "checkpoint_interval": 0}},
    )
    before = agent.policy.net.weight.detach().clone()
    cfg = {"timesteps": 16, "disable_progressbar": True, "headless": True}
    cfg |= {"close_environment_at_exit": False}
    SequentialTrainer(cfg=cfg, env=env, agents=agent).train()
    assert not torch.equal(before, agent.policy.net.weight)
