"""A PPO in one file, as CleanRL writes them: FlattenObservation, SyncVectorEnv, plain PyTorch."""

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")

ENVS, STEPS, GAMMA, LAMBDA, CLIP = 4, 16, 0.9, 0.9, 0.2


def make_env():
    env = gym.make("ttc_envs:ttc/SudokuEdit4-v0", observation="one_hot")
    env = gym.wrappers.FlattenObservation(env)
    return gym.wrappers.RecordEpisodeStatistics(env)


class Agent(torch.nn.Module):
    def __init__(self, size, actions):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(size, 64), torch.nn.Tanh())
        self.actor, self.critic = torch.nn.Linear(64, actions), torch.nn.Linear(64, 1)

    def forward(self, observation):
        hidden = self.body(observation)
        policy = torch.distributions.Categorical(logits=self.actor(hidden))
        return policy, self.critic(hidden)[..., 0]


def collect(envs, agent, observation):
    kept = []
    for _ in range(STEPS):
        seen = torch.as_tensor(observation, dtype=torch.float32)
        with torch.no_grad():
            policy, value = agent(seen)
        action = policy.sample()
        observation, reward, terminated, truncated, _ = envs.step(action.numpy())
        done = torch.as_tensor(terminated | truncated)
        reward = torch.as_tensor(reward, dtype=torch.float32)
        kept.append((seen, action, policy.log_prob(action), value, reward, done))
    return observation, [torch.stack(column) for column in zip(*kept, strict=True)]


def advantages(value, reward, done, last):
    gains, gain = torch.zeros_like(value), torch.zeros(ENVS)
    for t in reversed(range(STEPS)):
        after = last if t + 1 == STEPS else value[t + 1]
        going = (~done[t]).float()
        gain = reward[t] + GAMMA * after * going - value[t] + GAMMA * LAMBDA * going * gain
        gains[t] = gain
    return gains


def test_it_trains():
    torch.manual_seed(0)
    envs = gym.vector.SyncVectorEnv([make_env] * ENVS)
    observation, _ = envs.reset(seed=0)
    agent = Agent(observation.shape[1], envs.single_action_space.n)
    optimizer = torch.optim.Adam(agent.parameters(), lr=1e-3)
    before = [p.detach().clone() for p in agent.parameters()]
    for _ in range(3):
        observation, (seen, action, old, value, reward, done) = collect(envs, agent, observation)
        with torch.no_grad():
            last = agent(torch.as_tensor(observation, dtype=torch.float32))[1]
        gain = advantages(value, reward, done, last)
        policy, now = agent(seen)
        ratio = (policy.log_prob(action) - old).exp()
        surrogate = torch.min(ratio * gain, ratio.clamp(1 - CLIP, 1 + CLIP) * gain).mean()
        loss = ((now - gain - value) ** 2).mean() - surrogate
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert np.isfinite(loss.item())
    assert all(not torch.equal(a, b) for a, b in zip(before, agent.parameters(), strict=True))
    envs.close()
