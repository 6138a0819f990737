"""Tianshou: its collector steps the environments with a policy of its own, which then learns."""

import gymnasium as gym
import pytest

tianshou = pytest.importorskip("tianshou")
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("env_id", ["ttc/SudokuEdit4-v0", "ttc/SudokuEdit-v0"])
def test_the_collector_and_reinforce(env_id):
    import torch
    from tianshou.algorithm import Reinforce
    from tianshou.algorithm.modelfree.reinforce import ProbabilisticActorPolicy
    from tianshou.algorithm.optim import AdamOptimizerFactory
    from tianshou.data import Collector, VectorReplayBuffer
    from tianshou.env import DummyVectorEnv
    from torch.distributions import Categorical

    def make():
        env = gym.make(f"ttc_envs:{env_id}", observation="one_hot", max_episode_steps=8)
        return gym.wrappers.FlattenObservation(env)

    envs = DummyVectorEnv([make] * 4)
    example = make()
    size, actions = example.observation_space.shape[0], example.action_space.n

    class Actor(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = torch.nn.Linear(size, actions)

        def forward(self, obs, state=None, info=None):
            return self.net(torch.as_tensor(obs, dtype=torch.float32)), state

    policy = ProbabilisticActorPolicy(
        actor=Actor(),
        dist_fn=lambda logits: Categorical(logits=logits),
        action_space=example.action_space,
        observation_space=example.observation_space,
    )
    algorithm = Reinforce(policy=policy, optim=AdamOptimizerFactory(lr=1e-2))
    collector = Collector(algorithm, envs, VectorReplayBuffer(200, 4))
    collector.reset()
    assert collector.collect(n_step=64).n_collected_steps == 64
    before = policy.actor.net.weight.detach().clone()
    with torch_train_mode(algorithm):
        algorithm.update(buffer=collector.buffer, batch_size=32, repeat=1)
    assert not torch.equal(before, policy.actor.net.weight)


def torch_train_mode(algorithm):
    from tianshou.algorithm.algorithm_base import policy_within_training_step

    return policy_within_training_step(algorithm.policy)
