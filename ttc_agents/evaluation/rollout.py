"""A policy at work: on instances directly (`play`), or through a Gymnasium vector env (`rollout`).

These give the same answers; the first is what sweeps use for classical policies, the second is how
anybody's policy meets anybody's environment. `follow` is for classical methods that need not be
policies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from gymnasium.vector import VectorEnv

from ttc_agents.evaluation.records import Recorder, Records
from ttc_envs import Instances, Task


class Policy(Protocol):
    """Whatever answers by SB3's `predict`; with `reads_masks = True` it takes `action_masks`."""

    def predict(
        self,
        observation: dict[str, Any],
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, Any]:
        """Actions and the next state."""


def play(policy: Policy, task: Task, instances: Instances, steps: Sequence[int]) -> Records:
    """What a policy does to each puzzle, without an environment between them.

    Args:
        policy: The policy.
        task: The task.
        instances: n puzzles.
        steps: The steps to record, ascending; the last is the budget.
    """
    recorder = Recorder(task, instances, steps)
    starts, state = np.ones(len(instances), dtype=bool), None
    for step in range(steps[-1]):
        count = np.full((len(instances), 1), step, dtype=np.int32)
        fields = task.spec.shown(instances.fields, recorder.answer)
        observation = {**fields, "answer": recorder.answer, "step": count}
        action, state = policy.predict(observation, state, starts if step == 0 else ~starts)
        recorder.add(action, getattr(state, "finite", None))
    return recorder.records()


def follow(
    answers: Iterator[np.ndarray], task: Task, instances: Instances, steps: Sequence[int]
) -> Records:
    """What a classical method does to each puzzle; its answers count as they are.

    Args:
        answers: What it has after each step, (n, N) each; the last one stands when it ends.
        task: The task.
        instances: n puzzles.
        steps: The steps to record, ascending; the last is the budget.
    """
    recorder = Recorder(task, instances, steps)
    for _ in range(steps[-1]):
        recorder.note(next(answers, recorder.answer))
    return recorder.records()


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
    observation, _ = env.reset(seed=seed, options=options)
    starts, state = np.ones(env.num_envs, dtype=bool), None
    solved = np.zeros((num_steps, env.num_envs), dtype=bool)
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
        solved[step] &= getattr(state, "finite", True)
    return solved
