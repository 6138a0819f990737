"""Any policy in the harness: the same instances, the same step budget, the same metrics.

A policy plays through the vector environment in its own action and observation mode, so an agent of
an RL library that writes one digit at a time and a network that rewrites the whole answer are rows
of one table: solved share against environment steps.

Shapes: n instances of a family, R recorded steps, B instances at a time.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ttc_agents.evaluation.results import SweepResult
from ttc_agents.evaluation.rollout import rollout
from ttc_agents.policies.loading import Player
from ttc_envs import Instances, RefinementVectorEnv, Task, make_task

BATCH_SIZE = 500


def has_splits(task: Task) -> bool:
    """Whether a task can be told which split to draw from."""
    return "split" in inspect.signature(type(task)).parameters


def split_task(env_id: str, options: dict[str, Any], split: str) -> Task:
    """The task of an id that draws from a split; one without splits draws what its keys say."""
    task = make_task(env_id, **options)
    return make_task(env_id, **{**options, "split": split}) if has_splits(task) else task


class Played(NamedTuple):
    """What a policy did to n instances, (n, R) bool each.

    Args:
        holds: Whether the rules held after each recorded step.
        reached: Whether they had held after that step or one before it. The environment ends an
            episode there unless told otherwise, and an edit that the mask allows changes something,
            so a policy that edits by masks cannot keep a solution; but to stop there is to look at
            the verifier.
    """

    holds: np.ndarray
    reached: np.ndarray


def play_out(
    player: Player,
    task: Task,
    instances: Instances,
    steps: Sequence[int],
    *,
    deterministic: bool = True,
    report: Callable[[float], None] = lambda done: None,
) -> Played:
    """One trajectory of each instance.

    Args:
        player: The policy and its modes.
        task: The task.
        instances: n instances.
        steps: The steps to record, ascending; the last is the budget, which is run in full.
        deterministic: Passed to the policy.
        report: Called with the share that is done.
    """
    parts = []
    for start in range(0, len(instances), BATCH_SIZE):
        rows = instances[start : start + BATCH_SIZE]
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
        parts.append(solved)
        report(min(1.0, (start + BATCH_SIZE) / len(instances)))
    holds = np.concatenate(parts, axis=1)
    recorded = np.array(steps) - 1
    return Played(holds[recorded].T, np.logical_or.accumulate(holds)[recorded].T)


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

    In mode `edit` an instance counts from the first step on after which the rules held, see
    `Played.reached`.

    Args:
        player: The policy and its modes.
        task: The task.
        families: Sets of instances by name.
        steps: The steps to record, ascending.
        deterministic: Passed to the policy.
        report: Called with the family and the share of it that is done.
    """
    solved = {}
    for family, instances in families.items():
        played = play_out(
            player,
            task,
            instances,
            steps,
            deterministic=deterministic,
            report=partial(report, family),
        )
        solved[family] = played.reached if player.action_mode == "edit" else played.holds
    settings = {"action_mode": player.action_mode, "deterministic": deterministic}
    return SweepResult(tuple(steps), {"p1": solved}, {}, {}, settings)
