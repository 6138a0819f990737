"""SB3's algorithms from the file of hyperparameters, for a given length."""

import time

import pytest

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")
pytest.importorskip("yaml")

import torch

from ttc_agents.policies.sb3 import ALGORITHMS
from ttc_agents.policies.sb3_training import (
    forward_flops,
    make_agent,
    read_hyperparameters,
    train_agent,
)
from ttc_agents.training.loop import Hook
from ttc_agents.training.schedule import Length
from ttc_envs import make_task, registered

TASK = make_task("ttc/Sudoku4-v0")
SMALL = {"n_envs": 4, "policy_kwargs": {"net_arch": [8]}}


def agent(algorithm, mode="edit", **changed):
    numbers = {**read_hyperparameters(algorithm, "ttc/SudokuEdit4-v0"), **SMALL, **changed}
    options = {"action_mode": mode, "observation": "one_hot", "max_episode_steps": 16}
    return make_agent(algorithm, TASK, numbers, options, seed=0)


@pytest.mark.parametrize("env_id", sorted(registered()))
@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_every_id_has_hyperparameters(algorithm, env_id):
    numbers = read_hyperparameters(algorithm, env_id)
    assert {"policy", "n_envs", "n_timesteps"} <= set(numbers)


class Noting(Hook):
    """Notes the shares and the operations after each step."""

    def __init__(self):
        self.shares, self.flops = [], []

    def after_update(self, training, metrics, done):
        self.shares.append(done)
        self.flops.append(training.spent.flops)
        return {}


class Clock:
    """A clock that goes on by a second whenever it is asked."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


@pytest.mark.parametrize(
    ("algorithm", "changed"),
    [
        ("ppo", {"n_steps": 8, "batch_size": 32}),
        ("ppo_mask", {"n_steps": 8, "batch_size": 32}),
        ("a2c", {}),
        ("dqn", {"learning_starts": 16, "batch_size": 16}),
        ("ppo_lstm", {"n_steps": 8, "batch_size": 32}),
    ],
)
def test_each_algorithm_trains_until_its_length_is_used_up(algorithm, changed):
    made = agent(algorithm, **changed)
    per_step = forward_flops(made)
    assert per_step > 0
    noting = Noting()
    spent = train_agent(made, Length(flops=per_step * 1500), [noting])
    assert spent.flops >= per_step * 1500
    assert spent.env_steps == made.num_timesteps
    # Every step is looked at when it is taken, and again in training.
    assert 50 < spent.env_steps < 1500
    assert len(noting.flops) == spent.env_steps / 4
    assert noting.flops == sorted(noting.flops)
    assert noting.shares == sorted(noting.shares)
    assert noting.shares[-2] < 1 == noting.shares[-1]
    assert "_update_current_progress_remaining" not in vars(made)


def test_hooks_see_what_the_training_has_cost_and_may_take_their_time(monkeypatch):
    made, clock = agent("a2c"), Clock()
    monkeypatch.setattr(time, "process_time", clock)

    class Slow(Hook):
        counted = False

        def after_update(self, training, metrics, done):
            clock.now += 100.0
            return {}

    spent = train_agent(made, Length(seconds=5.5), [Slow()])
    # The clock goes on by a second whenever it is asked.
    assert 5.5 <= spent.seconds < 100
    assert spent.env_steps < 4 * 6


def test_schedules_follow_the_length():
    made = agent("dqn", learning_starts=16, batch_size=16, exploration_fraction=1.0)
    train_agent(made, Length(flops=forward_flops(made) * 4000))
    assert made.exploration_rate < 0.2
    falling = agent("ppo_mask", n_steps=8, batch_size=32, learning_rate="lin_0.004")
    train_agent(falling, Length(flops=forward_flops(falling) * 4000))
    (group,) = falling.policy.optimizer.param_groups
    assert 0 < group["lr"] < 0.002


def test_forward_flops_are_those_of_the_matrices():
    # Two networks 128 -> 8, then 64 logits and a value, two operations per multiply-add.
    made = agent("ppo_mask", n_steps=8, batch_size=32)
    assert forward_flops(made) == 2 * (2 * 128 * 8 + 8 * 64 + 8)


def test_a_seed_fixes_everything():
    weights = []
    for _ in range(2):
        made = agent("ppo_mask", n_steps=8, batch_size=32)
        made.learn(64)
        weights.append(torch.cat([p.detach().flatten() for p in made.policy.parameters()]))
    assert torch.equal(*weights)


def test_other_wrappers_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"env_wrapper can be .*FilterObservation"):
        agent("ppo", env_wrapper="somebody.else.Wrapper")
    path = tmp_path / "own.yml"
    path.write_text("ttc/Sorting-v0: {policy: MultiInputPolicy}\n")
    assert read_hyperparameters("ppo", "ttc/Sorting-v0", path) == {"policy": "MultiInputPolicy"}
    with pytest.raises(ValueError, match="no hyperparameters of dqn"):
        read_hyperparameters("dqn", "ttc/Sorting-v0", path)
