"""B episodes per numpy call, with Gymnasium's conventions for batches.

Shapes: B environments, N nodes, E edits.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from ttc_envs.episodes import Episodes, Start
from ttc_envs.spec import Array
from ttc_envs.task import Task

RENDER_MODES = ["ansi", "rgb_array"]
RENDER_FPS = 4
FIRST_RIGHT = (1, 4)
"""The first version of Gymnasium whose vector wrappers count episodes right in SAME_STEP mode."""
DRAWN_AHEAD = 4
"""Instances per environment that are drawn ahead, in few large batches."""


class RefinementVectorEnv(VectorEnv[dict[str, Array], Array, Array]):
    """Many instances refined side by side; episode i is that of `RefinementEnv` seeded `seed + i`.

    ## Description
    The `vector_entry_point` of every id: `gymnasium.make_vec(id, num_envs=B, ...)`. What an action,
    an observation, a reward and an episode are stands in the task's own page and in
    `RefinementEnv`; here each is an array with a leading axis B.

    ## Action Space
    `batch_space` of the single action space: (B, N) `full`, (B,) `edit`, (B, N * C) `logits`.

    ## Observation Space
    `Dict` of boxes (B, n). All arrays are new at every call.

    ## Rewards
    (B,) float64.

    ## Starting State
    `reset(seed=s)` seeds environment i with s + i; a list seeds each (None leaves it as it is).
    Options: `instance_id` (one key, or (B,) keys), `level`, `instance` (`Instances` or a dict of
    fields (B, ...)), and `reset_mask` ((B,) bool: reset these only). Options hold for this reset,
    later episodes are drawn at the env's own level.

    ## Episode End
    Truncation after `max_episode_steps` happens here, not in a wrapper. `autoreset_mode` is one of
    `AutoresetMode`. `SAME_STEP` is the default: the step that ends an episode returns the next
    one's first observation, and `final_obs` and `final_info` hold the last of the old one. With
    `DISABLED` one resets by `reset_mask`, and a step with a finished episode is an error.
    `NEXT_STEP` is Gymnasium's own.

    Of Gymnasium's vector wrappers, those that change whole observations (`FlattenObservation`,
    `NormalizeObservation`, `NumpyToTorch`) need `autoreset_mode="NextStep"`.
    `RecordEpisodeStatistics` takes both modes. With Gymnasium before 1.4 it miscounts episodes
    under `SAME_STEP`, of which a warning tells.

    ## Information
    Arrays (B,), each with a mask `_key` (B,) bool as Gymnasium has it. `action_masks()` gives (B,
    E) bool in mode `edit`.

    ## Arguments
    - `task`: a task, its class, or `module:Class`. `num_envs`: B.
    - `max_episode_steps`: None or -1 for no limit.
    - `autoreset_mode`, `render_mode` (None, `ansi` or `rgb_array`: `render()` gives a tuple of B
      frames).
    - `level`, `action_mode`, `reward`, `terminate_on_solved`, `observation`, `strict`: see
      `RefinementEnv`. Any other argument goes to the task.

    ## Version History
    - v0: first version.
    """

    def __init__(
        self,
        task: str | type[Task] | Task,
        num_envs: int = 1,
        *,
        max_episode_steps: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        self.num_envs = _positive("num_envs", num_envs)
        self._max_steps = _step_limit(max_episode_steps)
        self._autoreset = AutoresetMode(autoreset_mode)
        if self._autoreset is AutoresetMode.SAME_STEP:
            warn_of_miscounts()
        self.render_mode = check_render_mode(render_mode)
        self.metadata = {
            "render_modes": RENDER_MODES,
            "render_fps": RENDER_FPS,
            "autoreset_mode": self._autoreset,
        }
        watched = render_mode is not None
        self.episodes = Episodes(task, num_envs, depth=DRAWN_AHEAD, watched=watched, **options)
        self.task = self.episodes.task
        self.single_observation_space = self.episodes.observer.space
        self.single_action_space = self.episodes.actions.space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._seeds = [0] * num_envs
        self._done = np.zeros(num_envs, dtype=bool)
        self._all = np.ones(num_envs, dtype=bool)

    # Gymnasium's interface

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        """Begin new episodes, in all environments or in those of `options["reset_mask"]`."""
        self._check_open()
        options = dict(options or {})
        mask = self._reset_mask(options)
        rows = None if mask.all() else np.flatnonzero(mask)
        start = self._start(options, rows)
        self._seed(seed, mask)
        self.episodes.begin(start, rows)
        self._done[mask] = False
        return self.episodes.observe(), self._infos(mask)

    def step(self, actions: Array) -> tuple[dict[str, Array], Array, Array, Array, dict[str, Any]]:
        """One refinement step in every environment."""
        self._check_open()
        episodes = self.episodes
        episodes.begun()
        over = self._done.nonzero()[0]
        if self._autoreset is AutoresetMode.DISABLED and len(over):
            raise ResetNeeded(
                f"{len(over)} episodes are over ({over[:8]}): reset them with "
                "options={'reset_mask': ...} before the next step"
            )
        actions = episodes.actions.parse(actions, self.num_envs)
        rewards, terminated = episodes.advance(actions)
        truncated = episodes.steps >= self._max_steps
        if len(over):
            # NEXT_STEP: this step begins the next episode, whatever the action was.
            episodes.begin(episodes.start, over)
            rewards[over] = 0.0
            terminated[over] = truncated[over] = False
        done = terminated | truncated
        if self._autoreset is AutoresetMode.SAME_STEP:
            infos = self._restart(done)
        else:
            self._done, infos = done, {}
        infos.update(self._infos(self._all))
        return episodes.observe(), rewards, terminated, truncated, infos

    def render(self) -> tuple[Any, ...] | None:
        """One frame per environment; None without a render mode."""
        if self.render_mode is None:
            return None
        return tuple(self.episodes.render(row, self.render_mode) for row in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """Nothing to release; after `close` steps and resets are errors."""

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """Each environment's own generator; unseeded ones are seeded from the system."""
        self._seed(None, self._all)
        return self.episodes.generators

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seed of each environment's generator."""
        self._seed(None, self._all)
        return tuple(self._seeds)

    # Beyond Gymnasium's interface

    def action_masks(self) -> Array:
        """(B, E) bool, the edits that are allowed."""
        return self.episodes.mask().astype(bool)

    def solution(self) -> Any:
        """The labelled answers as actions: (B, ...), or in mode `edit` a list of B edit paths."""
        return self.episodes.solution()

    # Inside

    def _check_open(self) -> None:
        if self.closed:
            raise ClosedEnvironmentError("the environment has been closed")

    def _reset_mask(self, options: dict[str, Any]) -> Array:
        """(B,) bool: the environments to reset; taken out of the options."""
        if "reset_mask" not in options:
            return self._all.copy()
        mask = np.array(options.pop("reset_mask"))
        if mask.dtype != bool or mask.shape != (self.num_envs,) or not mask.any():
            raise ValueError(
                f"reset_mask must be bool of shape ({self.num_envs},) with at least one True, "
                f"got {mask.dtype} of shape {mask.shape}, {np.count_nonzero(mask)} True"
            )
        if not mask.all():
            self.episodes.begun()
        return mask

    def _start(self, options: dict[str, Any], rows: Array | None) -> Start:
        """The plan for the rows: arrays in the options speak of all B environments."""
        start = self.episodes.plan(options, self.num_envs, batched=True)
        if rows is None:
            return start
        keys = None if start.keys is None else start.keys[rows]
        instances = None if start.instances is None else start.instances[rows]
        return Start(start.level, start.level_index, keys, instances)

    def _seed(self, seed: int | Sequence[int | None] | None, mask: Array) -> None:
        """Seed the generators of the environments in the mask, and all that have none yet."""
        seeds = _seed_list(seed, self.num_envs)
        fresh = not self.episodes.generators
        if fresh:
            mask = self._all
        elif all(s is None for s in seeds):
            return
        # All or nothing: a bad seed leaves every generator as it was.
        made = {
            row: seeding.np_random(seeds[row])
            for row in mask.nonzero()[0].tolist()
            if fresh or seeds[row] is not None
        }
        self.episodes.seed({row: generator for row, (generator, _) in made.items()})
        for row, (_, used) in made.items():
            self._seeds[row] = used

    def _restart(self, done: Array) -> dict[str, Any]:
        """Begin the next episode where one is over; the infos that hold the end of the old one."""
        rows = done.nonzero()[0]
        if not len(rows):
            return {}
        # All episodes at once, as after a truncation: copies are cheaper than a choice of rows.
        chosen = None if len(rows) == self.num_envs else rows
        observations = self.episodes.observe(chosen)
        final_obs = np.full(self.num_envs, None, dtype=object)
        entries = zip(*observations.values(), strict=True)
        final_obs[rows] = [dict(zip(observations, row, strict=True)) for row in entries]
        final_info: dict[str, Any] = {}
        for name, values in self.episodes.info().items():
            if chosen is None:
                final_info[name] = values.copy()
            else:
                final_info[name] = np.zeros(values.shape, values.dtype)
                final_info[name][rows] = values[rows]
            final_info[f"_{name}"] = done.copy()
        self.episodes.begin(self.episodes.start, chosen)
        return {
            "final_obs": final_obs,
            "_final_obs": done.copy(),
            "final_info": final_info,
            "_final_info": done.copy(),
        }

    def _infos(self, mask: Array) -> dict[str, Any]:
        """Copies of the infos, each with its mask."""
        infos = {}
        for name, values in self.episodes.info().items():
            infos[name] = values.copy()
            infos[f"_{name}"] = mask.copy()
        return infos


def warn_of_miscounts() -> None:
    """Warn where Gymnasium's statistics miscount the episodes of SAME_STEP environments."""
    if tuple(map(int, gymnasium.__version__.split(".")[:2])) < FIRST_RIGHT:
        warnings.warn(
            f"Gymnasium {gymnasium.__version__}: RecordEpisodeStatistics miscounts every episode "
            "but the first around a vector environment in SAME_STEP mode; install Gymnasium 1.4, "
            "or pass autoreset_mode='NextStep'",
            stacklevel=3,
        )


def check_render_mode(render_mode: str | None) -> str | None:
    """The mode itself.

    Raises:
        ValueError: There is no such mode.
    """
    if render_mode is not None and render_mode not in RENDER_MODES:
        raise ValueError(f"render_mode must be None or one of {RENDER_MODES}, got {render_mode!r}")
    return render_mode


def _positive(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be a positive integer, got {value!r}")
    return value


def _step_limit(max_episode_steps: int | None) -> int:
    """The limit, or one that no episode reaches for None and -1 (Gymnasium's no limit)."""
    if max_episode_steps is None or max_episode_steps == -1:
        return int(np.iinfo(np.int64).max)
    return _positive("max_episode_steps", max_episode_steps)


def _seed_list(seed: Any, num_envs: int) -> list[int | None]:
    """One seed per environment."""
    if seed is None:
        return [None] * num_envs
    if isinstance(seed, (int, np.integer)):
        return [int(seed) + i for i in range(num_envs)]
    seeds = [s if s is None else int(s) for s in seed]
    if len(seeds) != num_envs:
        raise ValueError(f"expected {num_envs} seeds, got {len(seeds)}")
    return seeds
