"""Any policy through the environment: the same instances, the same step budget, the same metrics.

A policy plays through the vector environment in its own action and observation mode, so an agent of
an RL library that writes one digit at a time and a network that rewrites the whole answer are rows
of one table: solved share against environment steps.

Shapes: n instances of a family, R recorded steps, B environments at a time, T steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from gymnasium.vector import VectorEnv

from ttc_agents.evaluation.results import SweepResult
from ttc_agents.inference.batches import Report
from ttc_agents.policies.loading import Agent, Policy
from ttc_envs import Instances, RefinementVectorEnv, Task

BATCH_SIZE = 500


def rollout(
    policy: Policy,
    env: VectorEnv,
    num_steps: int,
    *,
    seed: int | None = None,
    options: dict[str, Any] | None = None,
    deterministic: bool = True,
) -> np.ndarray:
    """Whether the rules hold after each step of one episode in each environment.

    Args:
        policy: The policy. Where it `reads_masks`, the env has to have `action_masks`.
        env: A vector env, made with `terminate_on_solved=False` and at least `num_steps` as
            `max_episode_steps`.
        num_steps: T.
        seed: Seed of the env.
        options: Reset options, for instance `{"instance": instances}`.
        deterministic: Passed to the policy.

    Returns:
        (T, B) bool. Rows whose policy state says that they are not finite are unsolved.

    Raises:
        ValueError: An episode ended before `num_steps`.
    """
    solved, finite = _rolled(policy, env, num_steps, seed, options, deterministic)
    return solved & finite


def _rolled(
    policy: Policy,
    env: VectorEnv,
    num_steps: int,
    seed: int | None,
    options: dict[str, Any] | None,
    deterministic: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """(T, B) bool each: whether the rules hold, and whether the policy says that all is finite."""
    observation, _ = env.reset(seed=seed, options=options)
    starts, state = np.ones(env.num_envs, dtype=bool), None
    solved, finite = np.ones((2, num_steps, env.num_envs), dtype=bool)
    masked = getattr(policy, "reads_masks", False)
    unwrapped: Any = env.unwrapped  # a vector env as such has no masks
    for step in range(num_steps):
        masks = {"action_masks": unwrapped.action_masks()} if masked else {}
        action, state = policy.predict(observation, state, starts, deterministic, **masks)
        observation, _, terminated, truncated, info = env.step(action)
        starts = terminated | truncated
        if starts.any() and step + 1 < num_steps:
            raise ValueError(
                f"{int(starts.sum())} episodes ended at step {step + 1} of {num_steps}: make the "
                f"env with terminate_on_solved=False and max_episode_steps={num_steps}"
            )
        # The last step may have ended every episode, and the env have begun the next ones.
        solved[step] = info.get("final_info", info)["solved"]
        finite[step] = getattr(state, "finite", True)
    return solved, finite


class Solved(NamedTuple):
    """What an agent did to n instances.

    Args:
        holds: (n, R) bool, whether the rules held after each recorded step.
        reached: (n, R) bool, whether they had held after that step or one before it. The
            environment ends an episode there unless told otherwise, and an edit that the mask
            allows changes something, so a policy that edits by masks cannot keep a solution; but to
            stop there is to look at the verifier.
        finite: (n,) bool, whether logits and state were finite at each step, as the policy says.
            Where they were not, an instance is unsolved.
    """

    holds: np.ndarray
    reached: np.ndarray
    finite: np.ndarray


def play(
    agent: Agent,
    task: Task,
    instances: Instances,
    steps: Sequence[int],
    *,
    deterministic: bool = True,
    report: Callable[[float], None] = lambda done: None,
) -> Solved:
    """One trajectory of each instance.

    Args:
        agent: The policy and its modes.
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
            action_mode=agent.action_mode,
            observation=agent.observation,
            terminate_on_solved=False,
            max_episode_steps=steps[-1],
        )
        options = {"instance": rows}
        parts.append(_rolled(agent.policy, envs, steps[-1], 0, options, deterministic))
        report(min(1.0, (start + BATCH_SIZE) / len(instances)))
    solved, finite = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    holds, recorded = solved & finite, np.array(steps) - 1
    reached = np.logical_or.accumulate(holds)[recorded].T
    return Solved(holds[recorded].T, reached, np.asarray(finite.all(axis=0)))


def sweep_agent(
    name: str,
    agent: Agent,
    task: Task,
    families: dict[str, Instances],
    steps: Sequence[int],
    *,
    deterministic: bool = True,
    report: Report = lambda label, done: None,
) -> SweepResult:
    """One trajectory of an agent for each instance of each family, as `sweep` has it for a model.

    In mode `edit` an instance counts from the first step on after which the rules held, see
    `Solved.reached`.

    Args:
        name: What the row is called.
        agent: The policy and its modes.
        task: The task.
        families: Sets of instances by name.
        steps: The steps to record, ascending.
        deterministic: Passed to the policy.
        report: Called with the family and the share of it that is done.
    """
    solved, finite = {}, {}
    for family, instances in families.items():
        told = partial(report, family)
        found = play(agent, task, instances, steps, deterministic=deterministic, report=told)
        solved[family] = found.reached if agent.action_mode == "edit" else found.holds
        finite[family] = found.finite
    modes = {"action_mode": agent.action_mode, "deterministic": deterministic}
    return SweepResult(tuple(steps), {name: solved}, {}, {name: modes}, finite={name: finite})
