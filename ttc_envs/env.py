"""One episode: the B = 1 face of the kernel that the vector environment uses."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ClosedEnvironmentError, ResetNeeded

from ttc_envs.episodes import Episodes
from ttc_envs.spec import Array
from ttc_envs.task import Task
from ttc_envs.vector import RENDER_FPS, RENDER_MODES, check_render_mode


class RefinementEnv(gym.Env[dict[str, Array], Any]):
    """One instance of a task, refined step by step.

    ## Description
    The agent sees an instance and the current answer and emits the next answer; each such
    refinement step is one step of the environment. Instances are drawn by key: the same key at the
    same level gives the same instance.

    ## Action Space
    - `action_mode="full"`: `MultiDiscrete`, N classes: the whole answer.
    - `action_mode="edit"`: `Discrete(E)`: one local change; see `action_masks()`. An edit that the
      mask forbids changes nothing and costs the step.
    - `action_mode="logits"`: `Box(-1, 1, (N * C,), float32)`: the answer is the argmax over the
      choices of each node. Any finite value is accepted, NaN and infinity are errors.

    ## Observation Space
    A flat `Dict` of 1-d boxes: the task's fields, `answer`, and `step` (1,), the steps taken.

    ## Rewards
    `verifier`: gain in quality; `oracle`: gain in accuracy; `sparse`: nothing. Each adds 1 at the
    first step after which the rules hold.

    ## Starting State
    `reset` draws one key from the env's generator. Options: `instance_id` (a key to replay),
    `level`, `instance` (`Instances` of one, or a dict of fields). They hold for this episode only.

    ## Episode End
    Termination when the instance is solved (not with `terminate_on_solved=False`), and under
    `strict=True` where the task's strict edit rules say so. Truncation by the `TimeLimit` wrapper
    that `gymnasium.make` adds. A step after termination is an error.

    ## Information
    `solved`, `is_success`, `quality`, `accuracy`, `changed`, `first_solved_step`, `level`,
    `instance_id`, the task's own metrics, and in mode `edit` `action_mask` (E,) int8.

    ## Arguments
    - `task`: a task, its class, or `module:Class`.
    - `level`: default the first of the task's levels.
    - `action_mode`: `full` (default), `edit` or `logits`.
    - `reward`: `verifier` (default), `oracle` or `sparse`.
    - `terminate_on_solved`: default True; evaluation passes False and runs the whole budget.
    - `observation`: `default`, or `one_hot` for plain MLPs.
    - `strict`: default False; the task's strict edit rules.
    - `render_mode`: None, `ansi` or `rgb_array`; Gymnasium makes `human` of the latter.
    - Any other argument goes to the task.

    ## Version History
    - v0: first version.
    """

    metadata = {"render_modes": RENDER_MODES, "render_fps": RENDER_FPS}  # noqa: RUF012

    def __init__(
        self, task: str | type[Task] | Task, *, render_mode: str | None = None, **options: Any
    ) -> None:
        self.render_mode = check_render_mode(render_mode)
        self.episodes = Episodes(task, 1, watched=render_mode is not None, **options)
        self.task = self.episodes.task
        self.observation_space: gym.Space[Any] = self.episodes.observer.space
        self.action_space = self.episodes.actions.space
        self._closed = False
        self._over = False

    # Gymnasium's interface

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        """Begin a new episode."""
        self._check_open()
        start = self.episodes.plan(dict(options or {}), 1, batched=False)
        super().reset(seed=seed)
        self.episodes.seed({0: self.np_random})
        self.episodes.begin(start)
        self._over = False
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple[dict[str, Array], float, bool, bool, dict[str, Any]]:
        """One refinement step."""
        self._check_open()
        self.episodes.begun()
        if self._over:
            raise ResetNeeded("the episode is over: call reset() before the next step")
        actions = self.episodes.actions.parse_one(action)
        rewards, terminated = self.episodes.advance(actions)
        self._over = bool(terminated[0])
        return self._observation(), float(rewards[0]), self._over, False, self._info()

    def render(self) -> Any:
        """The board as text or pixels; None without a render mode."""
        if self.render_mode is None:
            return None
        return self.episodes.render(0, self.render_mode)

    def close(self) -> None:
        """Nothing to release; after it steps and resets are errors."""
        self._closed = True

    # Beyond Gymnasium's interface

    def action_masks(self) -> Array:
        """(E,) bool, the edits that are allowed."""
        mask: Array = self.episodes.mask()[0]
        return mask.astype(bool)

    def solution(self) -> Array:
        """The labelled answer as an action, or in mode `edit` the edits (k,) that lead to it."""
        return np.array(self.episodes.solution()[0])

    # Inside

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedEnvironmentError("the environment has been closed")

    def _observation(self) -> dict[str, Array]:
        return {name: values[0] for name, values in self.episodes.observe().items()}

    def _info(self) -> dict[str, Any]:
        """Scalars (bool and numpy numbers) and copies of arrays."""
        return {name: _single(values) for name, values in self.episodes.info().items()}


def _single(values: Array) -> Any:
    value = values[0]
    if isinstance(value, np.ndarray):
        return value.copy()
    # Gymnasium's vector envs know bool, not numpy's.
    return bool(value) if isinstance(value, np.bool_) else value
