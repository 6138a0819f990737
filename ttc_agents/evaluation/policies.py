"""Any policy in the harness: the same instances, the same step budget, the same metrics.

A policy plays through the vector environment in its own action and observation mode, so an agent of
an RL library that writes one digit at a time and a network that rewrites the whole answer are rows
of one table: solved share against environment steps.

Shapes: n instances of a family, R recorded steps, B instances at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from ttc_agents.evaluation.results import SweepResult
from ttc_agents.evaluation.rollout import rollout
from ttc_agents.policies.loading import Player
from ttc_envs import Instances, RefinementVectorEnv, Task

BATCH_SIZE = 500


def solved_by(
    player: Player,
    task: Task,
    instances: Instances,
    steps: Sequence[int],
    *,
    deterministic: bool = True,
    batch_size: int = BATCH_SIZE,
    report: Callable[[float], None] = lambda done: None,
) -> np.ndarray:
    """Whether the rules held after each of the steps.

    Args:
        player: The policy and its modes.
        task: The task.
        instances: n instances.
        steps: The steps to record, ascending; the last is the budget, which is run in full.
        deterministic: Passed to the policy.
        batch_size: Instances at a time.
        report: Called with the share that is done.

    Returns:
        (n, R) bool.
    """
    parts = []
    for start in range(0, len(instances), batch_size):
        rows = instances[start : start + batch_size]
        envs = RefinementVectorEnv(
            task,
            len(rows),
            action_mode=player.action_mode,
            observation=player.observation,
            terminate_on_solved=False,
            max_episode_steps=steps[-1],
        )
        options = {"instance": rows}
        solved = rollout(
            player.policy, envs, steps[-1], seed=0, options=options, deterministic=deterministic
        )
        parts.append(solved[np.array(steps) - 1].T)
        report(min(1.0, (start + batch_size) / len(instances)))
    return np.concatenate(parts)


def sweep_player(
    player: Player,
    task: Task,
    families: dict[str, Instances],
    steps: Sequence[int],
    *,
    deterministic: bool = True,
    report: Callable[[str, float], None] = lambda label, done: None,
) -> SweepResult:
    """One trajectory of a policy for each instance of each family, as `sweep` has it for a model.

    Args:
        player: The policy and its modes.
        task: The task.
        families: Sets of instances by name.
        steps: The steps to record, ascending.
        deterministic: Passed to the policy.
        report: Called with the family and the share of it that is done.
    """
    solved = {
        family: solved_by(
            player,
            task,
            instances,
            steps,
            deterministic=deterministic,
            report=partial(report, family),
        )
        for family, instances in families.items()
    }
    settings = {"action_mode": player.action_mode, "deterministic": deterministic}
    return SweepResult(tuple(steps), {"p1": solved}, {}, {}, settings)
