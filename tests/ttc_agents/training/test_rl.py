"""SB3's algorithms from the file of hyperparameters, within a budget."""

import pytest

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")
pytest.importorskip("yaml")

import torch

from ttc_agents.policies.sb3 import ALGORITHMS
from ttc_agents.training.budget import Budget
from ttc_agents.training.rl import (
    forward_flops,
    make_agent,
    read_hyperparameters,
    train_agent,
)
from ttc_envs import ENVIRONMENTS, make_task

TASK = make_task("ttc/Sudoku4-v0")
SMALL = {"n_envs": 4, "policy_kwargs": {"net_arch": [8]}}


def agent(algorithm, mode="edit", **changed):
    numbers = {**read_hyperparameters(algorithm, "ttc/SudokuEdit4-v0"), **SMALL, **changed}
    options = {"action_mode": mode, "observation": "one_hot", "max_episode_steps": 16}
    return make_agent(algorithm, TASK, numbers, options, seed=0)


@pytest.mark.parametrize("env_id", sorted(ENVIRONMENTS))
@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_every_id_has_hyperparameters(algorithm, env_id):
    numbers = read_hyperparameters(algorithm, env_id)
    assert {"policy", "n_envs", "n_timesteps"} <= set(numbers)


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
def test_each_algorithm_trains_until_its_budget_is_used_up(algorithm, changed):
    made = agent(algorithm, **changed)
    per_step = forward_flops(made)
    assert per_step > 0
    reports = []
    spent = train_agent(made, Budget(flops=per_step * 1500), reports.append)
    assert spent.flops >= per_step * 1500
    assert spent.env_steps == made.num_timesteps
    # Every step is looked at when it is taken, and again in training.
    assert 50 < spent.env_steps < 1500
    flops = [report.flops for report in reports]
    assert 3 <= len(flops) <= 7
    assert flops == sorted(flops)
    assert "_update_current_progress_remaining" not in vars(made)


def test_schedules_follow_the_budget():
    made = agent("dqn", learning_starts=16, batch_size=16, exploration_fraction=1.0)
    train_agent(made, Budget(flops=forward_flops(made) * 4000))
    assert made.exploration_rate < 0.2
    falling = agent("ppo_mask", n_steps=8, batch_size=32, learning_rate="lin_0.004")
    train_agent(falling, Budget(flops=forward_flops(falling) * 4000))
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
