"""Classical methods as policies, so that they can play in an environment like anybody else.

Each takes the task, so none knows which task it is. Sweeps run the same methods without an
environment (`ttc_agents.inference.refine`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ttc_agents.inference.observation import Seen, read_observation, starting_rows
from ttc_agents.inference.refine import classical_methods
from ttc_envs import Instances, Task


@dataclass(frozen=True, eq=False)
class MethodState:
    """Where the episodes of B environments are.

    Args:
        answer: (B, N), with undecided nodes.
        group: (B,) the group that each row belongs to: episodes that began together.
        running: {group: (its rows when it began, the answers to come)}. A method is an iterator,
            so a state can be gone on from once.
    """

    answer: np.ndarray
    group: np.ndarray
    running: dict[int, tuple[np.ndarray, Iterator[np.ndarray]]]


class MethodPolicy:
    """A classical method behind `predict`, for envs with `action_mode="full"`.

    Args:
        task: The task.
        method: Key of `classical_methods`: `random`, `improve`, `solve`, or one that the task
            names, if it reads no labels.
        seed: Seed of random answers.

    Raises:
        ValueError: The task names no such method.
    """

    def __init__(self, task: Task, method: str, seed: int = 0) -> None:
        methods = classical_methods(task, seed)
        if method not in methods:
            known = ", ".join(methods)
            raise ValueError(f"{task.spec.name} has the methods {known}, got {method!r}")
        self._task, self._method = task, methods[method]

    def predict(
        self,
        observation: dict[str, Any],
        state: MethodState | None = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, MethodState]:
        """The next answers (B, N); undecided nodes take choice 0, as actions have to say."""
        seen = read_observation(observation, self._task.spec)
        starts = starting_rows(episode_start, state, len(seen))
        if state is None:
            state = MethodState(seen.answer, np.zeros(len(seen), dtype=np.int64), {})
        answer, group = state.answer.copy(), state.group.copy()
        running = dict(state.running)
        if starts.any():
            rows, new = np.flatnonzero(starts), max(running, default=0) + 1
            answer[rows], group[rows] = seen.answer[rows], new
            running[new] = rows, self._method(shown_instances(seen, self._task)[rows])
        running = {name: own for name, own in running.items() if (group == name).any()}
        for name, (rows, answers) in running.items():
            mine = group[rows] == name
            answer[rows[mine]] = next(answers, answer[rows])[mine]
        return seen.unbatched(np.maximum(answer, 0)), MethodState(answer, group, running)


def shown_instances(seen: Seen, task: Task) -> Instances:
    """The instances that an observation shows: without keys and labels."""
    fields = task.spec.unshown(seen.fields, seen.answer)
    return Instances(np.zeros(len(seen), dtype=np.uint64), fields, {})
