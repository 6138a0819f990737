"""Tianshou: its collector steps the environments with a policy of its own, which then learns."""

import gymnasium as gym
import pytest

tianshou = pytest.importorskip("tianshou")
pytestmark = pytest.mark.slow


# Both pay something to an untrained policy; with no reward at all, nothing would move.
@pytest.mark.parametrize("env_id", ["ttc/SudokuEdit4-v0", "ttc/Sorting-v0"])
def test_the_collector_and_reinforce(env_id):
    import torch
    from tianshou.algorithm import Reinforce
    from tianshou.algorithm.algorithm_base import policy_within_training_step
    from tianshou.algorithm.modelfree.reinforce import ProbabilisticActorPolicy
    from tianshou.algorithm.optim import AdamOptimizerFactory
    from tianshou.data import Collector, VectorReplayBuffer
    from tianshou.env import DummyVectorEnv
    from torch.distributions import Categorical

    def make():
        env = gym.make(f"ttc_envs:{env_id}", action_mode="edit", observation="one_hot")
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
        action_scaling=False,
        action_bound_method=None,
        observation_space=example.observation_space,
    )
    algorithm = Reinforce(policy=policy, optim=AdamOptimizerFactory(lr=1e-2))
    collector = Collector(algorithm, envs, VectorReplayBuffer(800, 4))
    collector.reset()
    assert collector.collect(n_step=800).n_collected_steps == 800
    before = policy.actor.net.weight.detach().clone()
    with policy_within_training_step(algorithm.policy):
        algorithm.update(buffer=collector.buffer, batch_size=32, repeat=1)
    assert not torch.equal(before, policy.actor.net.weight)
