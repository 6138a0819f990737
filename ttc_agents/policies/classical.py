"""Classical rows of every table, as policies: random, one classical step at a time, exact search.

Each takes the task, of which it uses `improve` or `solve`, so none knows which task it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ttc_agents.policies.observation import Seen, read_observation, starting_rows
from ttc_envs import Instances, Task


class RandomPolicy:
    """A new random answer at each step.

    Args:
        task: The task.
        seed: Seed of the answers.
    """

    def __init__(self, task: Task, seed: int = 0) -> None:
        self._spec = task.spec
        self._random = np.random.default_rng(seed)

    def predict(
        self,
        observation: dict[str, Any],
        state: None = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, None]:
        """Answers (B, N) drawn uniformly; there is no state."""
        seen = read_observation(observation, self._spec)
        return seen.unbatched(
            self._random.integers(self._spec.num_choices, size=seen.answer.shape)
        ), None


class ImprovePolicy:
    """`Task.improve` repeated: one classical refinement step per env step.

    The state is the answer with its undecided nodes, which an action cannot express: there they
    take choice 0.
    """

    def __init__(self, task: Task) -> None:
        self._task = task

    def predict(
        self,
        observation: dict[str, Any],
        state: tuple[np.ndarray, bool] | None = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, tuple[np.ndarray, bool]]:
        """The improved answers (B, N), and what they are before choice 0 fills the gaps.

        The state also says whether all answers have come to rest, after which nothing is computed.
        """
        seen = read_observation(observation, self._task.spec)
        starts = starting_rows(episode_start, state, len(seen))
        if state is not None and state[1] and not starts.any():
            return seen.unbatched(np.maximum(state[0], 0)), state
        before = seen.answer if state is None else np.where(starts[:, None], seen.answer, state[0])
        after = self._task.improve(_instances(seen, self._task), before)
        return seen.unbatched(np.maximum(after, 0)), (after, np.array_equal(after, before))


class SolvePolicy:
    """`Task.solve`: the exact answer from the first step on. The state remembers it."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def predict(
        self,
        observation: dict[str, Any],
        state: np.ndarray | None = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The exact answers (B, N)."""
        seen = read_observation(observation, self._task.spec)
        starts = starting_rows(episode_start, state, len(seen))
        answer = seen.answer.copy() if state is None else state.copy()
        if starts.any():
            answer[starts] = self._task.solve(_instances(seen, self._task)[starts])
        return seen.unbatched(np.maximum(answer, 0)), answer


def _instances(seen: Seen, task: Task) -> Instances:
    """The instances that an observation shows: without keys and labels."""
    fields = task.spec.unshown(seen.fields, seen.answer)
    return Instances(np.zeros(len(seen), dtype=np.uint64), fields, {})
