"""Refinement traces: whole episodes of any policy, failures among them, as data sets hold them.

In mode `full` a policy acts as it is. In mode `edit`, networks and classical methods write down
their answers by single edits: each answer of the source in turn is the aim, and the edits are those
that lead from the answer on the board to it (`Task.edit_path`). An aim that says nothing of a node
leaves it alone, and one that edits cannot reach is passed over.

Shapes: B episodes side by side, L steps of an episode, N nodes, E edits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ttc_agents.inference.policy import RefinementPolicy
from ttc_agents.inference.precision import exactly
from ttc_agents.inference.refine import Source, refine
from ttc_agents.policies.loading import Agent, MethodPolicy, Policy
from ttc_envs import Instances, RefinementVectorEnv, Task

BATCH_SIZE = 100
REFINEMENTS = 64
"""Refinement steps whose answers are written down by edits."""


@dataclass(frozen=True, eq=False)
class Trace:
    """One episode of L steps.

    Args:
        seed: `env.reset(seed=seed)` begins it again.
        observations: {name: (L + 1, n)}.
        actions: (L, N) in mode `full`, (L,) in mode `edit`.
        rewards: (L,) float64.
        terminations: (L,) bool, whether the rules hold and end the episode.
        truncations: (L,) bool, whether the budget or the policy ends it.
        infos: {name: (L + 1, ...)}.
    """

    seed: int
    observations: dict[str, np.ndarray]
    actions: np.ndarray
    rewards: np.ndarray
    terminations: np.ndarray
    truncations: np.ndarray
    infos: dict[str, np.ndarray]

    @property
    def solved(self) -> bool:
        """Whether the rules hold at the end."""
        return bool(self.infos["solved"][-1])


class Actor(Protocol):
    """Whatever plays B episodes from their beginning to their end."""

    def begin(self, envs: RefinementVectorEnv) -> None:
        """All episodes begin."""

    def act(
        self, envs: RefinementVectorEnv, observation: dict[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The actions (B, ...), and (B,) bool: who had nothing more to do before this action."""


class Player:
    """A policy that acts in its own mode.

    Args:
        policy: Has SB3's `predict`.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._masked = getattr(policy, "reads_masks", False)

    def begin(self, envs: RefinementVectorEnv) -> None:
        """Forget what was before."""
        self._state, self._starts = None, np.ones(envs.num_envs, dtype=bool)

    def act(
        self, envs: RefinementVectorEnv, observation: dict[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the policy does; it never has nothing to do."""
        masks = {"action_masks": envs.action_masks()} if self._masked else {}
        action, self._state = self._policy.predict(
            observation, self._state, self._starts, True, **masks
        )
        self._starts = np.zeros(envs.num_envs, dtype=bool)
        return action, np.zeros(envs.num_envs, dtype=bool)


class Editor:
    """Writes down the answers of a network or of a classical method by edits.

    Args:
        source: What gives answers.
        task: The task.
    """

    def __init__(self, source: Source, task: Task) -> None:
        self._source, self._task = source, task

    def begin(self, envs: RefinementVectorEnv) -> None:
        """Ask the source for all answers."""
        self._instances, _ = envs.episodes.begun()
        with exactly(self._source):
            steps = refine(self._source, self._task, self._instances, REFINEMENTS)
            self._aims = [step.answer.copy() for step in steps]
        self._next = [0] * envs.num_envs
        self._edits: list[list[int]] = [[] for _ in range(envs.num_envs)]

    def act(
        self, envs: RefinementVectorEnv, observation: dict[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The next edits; who has none makes one that the mask forbids, which changes nothing."""
        idle = (~envs.action_masks()).argmax(axis=1)
        for row, waiting in enumerate(self._edits):
            if not waiting:
                self._edits[row] = self._way(row, observation["answer"][row])
        over = np.array([not edits for edits in self._edits])
        actions = [edits.pop(0) if edits else idle[row] for row, edits in enumerate(self._edits)]
        return np.array(actions, dtype=np.int64), over

    def _way(self, row: int, answer: np.ndarray) -> list[int]:
        """The edits to the next answer of the source that is not on the board."""
        own = self._instances[row : row + 1]
        while self._next[row] < len(self._aims):
            aim = self._aims[self._next[row]][row]
            self._next[row] += 1
            aim = np.where(aim < 0, answer, aim)[None]
            aimed = Instances(own.keys, own.fields, {**own.labels, "answer": aim})
            with suppress(ValueError):  # no permutation, say
                (path,) = self._task.edit_path(aimed, answer[None])
                if len(path):
                    return [int(edit) for edit in path]
        return []


def actor_of(name: str, agent: Agent, task: Task, action_mode: str) -> Actor:
    """What plays an agent in a mode.

    Raises:
        ValueError: It cannot.
    """
    policy = agent.policy
    if agent.action_mode == action_mode:
        return Player(policy)
    if action_mode == "edit" and isinstance(policy, RefinementPolicy | MethodPolicy):
        source = policy.model if isinstance(policy, RefinementPolicy) else policy.method
        return Editor(source, task)
    raise ValueError(f"{name} plays in mode {agent.action_mode!r}, got {action_mode!r}")


def record(
    actor: Actor,
    task: Task,
    count: int,
    num_steps: int,
    *,
    seed: int = 0,
    whole_budget: bool = False,
    report: Callable[[float], None] = lambda done: None,
    **options: Any,
) -> Iterator[list[Trace]]:
    """Yield the traces of seeds `seed`, ..., `seed + count - 1`, some at a time.

    Args:
        actor: Plays them.
        task: The task.
        count: Episodes.
        num_steps: The step budget of an episode.
        seed: Of the first episode.
        whole_budget: Go on after the rules hold.
        report: Called with the share that is done.
        options: `level`, `action_mode` and `observation` of the environment.
    """
    for first in range(0, count, BATCH_SIZE):
        size = min(BATCH_SIZE, count - first)
        # No episode ends by itself: where it does for `gymnasium.make`, it is cut.
        envs = RefinementVectorEnv(
            task, size, terminate_on_solved=False, max_episode_steps=num_steps + 1, **options
        )
        yield _traces(actor, envs, num_steps, seed + first, whole_budget)
        report((first + size) / count)


def _traces(
    actor: Actor, envs: RefinementVectorEnv, num_steps: int, seed: int, whole_budget: bool
) -> list[Trace]:
    """One trace from each environment."""
    observation, info = envs.reset(seed=seed)
    actor.begin(envs)
    seen: list[tuple[Any, ...]] = []
    observations, infos = [observation], [without_masks(info)]
    lengths, running = np.full(envs.num_envs, num_steps), np.ones(envs.num_envs, dtype=bool)
    for step in range(num_steps):
        actions, over = actor.act(envs, observation)
        if step:  # an episode has one step at least
            lengths[running & over] = step
            running &= ~over
        if not running.any():
            break
        actions = np.asarray(actions, dtype=envs.single_action_space.dtype)
        observation, rewards, _, _, info = envs.step(actions)
        seen.append((actions, rewards))
        observations.append(observation)
        infos.append(without_masks(info))
        if not whole_budget:
            lengths[running & info["solved"]] = step + 1
            running &= ~info["solved"]
    played = [np.stack(values) for values in zip(*seen, strict=True)]
    told = (stacked(observations), *played, stacked(infos))
    return [
        _cut(told, row, seed + row, length, length == num_steps, whole_budget)
        for row, length in enumerate(lengths.tolist())
    ]


def _cut(
    told: tuple[Any, ...], row: int, seed: int, length: int, spent: bool, whole_budget: bool
) -> Trace:
    """The first steps of one row: of observations, actions, rewards and infos of all rows.

    `spent` says whether they are the whole budget.
    """
    observations, actions, rewards, infos = told
    last = np.arange(1, length + 1) == length
    ended = last & infos["solved"][1 : length + 1, row] & (not whole_budget)
    return Trace(
        seed,
        {name: values[: length + 1, row] for name, values in observations.items()},
        actions[:length, row],
        rewards[:length, row],
        ended,
        last & (~ended | spent),
        {name: values[: length + 1, row] for name, values in infos.items()},
    )


def without_masks(info: dict[str, Any]) -> dict[str, np.ndarray]:
    """The infos of a vector environment without Gymnasium's masks."""
    return {name: values for name, values in info.items() if not name.startswith("_")}


def stacked(steps: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """{name: (steps, B, ...)} of {name: (B, ...)} at each step."""
    return {name: np.stack([step[name] for step in steps]) for name in steps[0]}
