"""The kernel of both environments: B episodes side by side, one numpy call for all.

`RefinementVectorEnv` adds Gymnasium's conventions for batches to it and `RefinementEnv` those for
one episode, so that the two agree step by step.

Shapes: B batch, N nodes, E edits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from gymnasium.error import ResetNeeded

from ttc_envs import tasks
from ttc_envs.actions import action_mode as action_mode_of
from ttc_envs.actions import confidence
from ttc_envs.contracts import AnswerState, EditState
from ttc_envs.observations import Observer
from ttc_envs.rewards import check_reward, step_rewards
from ttc_envs.spec import Array, Instances
from ttc_envs.supply import Supply
from ttc_envs.task import Task

ONE = np.ones(1, dtype=np.int32)
"""Added to the step counts; an array, since numpy takes three times as long with a Python int."""

NO_LEVEL = -1
"""The info `level` of an instance from a parametrised level, or given by the caller."""


@dataclass(frozen=True, eq=False)
class Start:
    """Checked reset options: how the episodes of some rows begin.

    Args:
        level: The level to draw from.
        level_index: What info says of it.
        keys: (B,) uint64 keys to replay, or None to draw them.
        instances: Instances that are given, or None to sample them.
    """

    level: str
    level_index: int
    keys: Array | None = None
    instances: Instances | None = None


class Episodes:
    """B episodes of a task.

    Args:
        task: A task, its class, or `module:Class`.
        num_envs: B.
        level: Level of the instances; None is the first of `task.spec.levels`.
        action_mode: `full`, `edit` or `logits`.
        reward: `verifier`, `oracle` or `sparse`.
        terminate_on_solved: Whether an episode ends when the rules hold.
        observation: `default` or `one_hot`.
        strict: Whether the task's strict edit rules hold.
        depth: Instances that are drawn ahead per environment.
        watched: Whether to keep the confidence of logits for rendering.
        task_options: Arguments of the task's class.
    """

    def __init__(
        self,
        task: str | type[Task] | Task,
        num_envs: int,
        *,
        level: str | None = None,
        action_mode: str = "full",
        reward: str = "verifier",
        terminate_on_solved: bool = True,
        observation: str = "default",
        strict: bool = False,
        depth: int = 1,
        watched: bool = False,
        **task_options: Any,
    ) -> None:
        for name, flag in (("terminate_on_solved", terminate_on_solved), ("strict", strict)):
            if not isinstance(flag, bool):
                raise ValueError(f"{name} must be True or False, got {flag!r}")
        self.task = tasks.build(task, task_options)
        self.num_envs = num_envs
        self.actions = action_mode_of(action_mode, self.task)
        if strict and action_mode != "edit":
            raise ValueError(f"strict=True applies to action_mode='edit', got {action_mode!r}")
        self.observer = Observer(self.task.spec, observation)
        self.edits = action_mode == "edit"
        self.start = self._level_start(self.task.spec.levels[0] if level is None else level)
        self._reward = check_reward(reward)
        self._terminate_on_solved = terminate_on_solved
        self._strict = strict
        self._watched = watched and action_mode == "logits"
        self.confidence: Array | None = None
        self._generators: list[np.random.Generator] = []
        self._supply = Supply(self.task, self.start.level, num_envs, depth)
        self.instances: Instances | None = None
        self.state: AnswerState | None = None
        self.scores: dict[str, Array] = {}
        self.levels = np.full(num_envs, NO_LEVEL, dtype=np.int32)
        self.steps = np.zeros(num_envs, dtype=np.int32)
        self.first_solved = np.full(num_envs, -1, dtype=np.int32)

    # Beginning

    def plan(self, options: dict[str, Any], batch: int, batched: bool) -> Start:
        """What reset options ask for.

        Args:
            options: `instance_id`, `level`, `instance`; all optional.
            batch: Rows that the arrays in the options speak of.
            batched: Whether fields of a dict of fields carry a batch axis (else they may).

        Raises:
            ValueError: An option is unknown, malformed or contradicts another.
        """
        unknown = set(options) - {"instance_id", "level", "instance"}
        if unknown:
            raise ValueError(
                f"unknown reset options {sorted(map(str, unknown))}, "
                "expected some of instance_id, level, instance, reset_mask (vector env)"
            )
        if "instance" in options:
            if len(options) > 1:
                raise ValueError(f"`instance` excludes other options, got {sorted(options)}")
            instances = self._given(options["instance"], batched)
            if len(instances) != batch:
                raise ValueError(f"`instance` must hold {batch} instances, got {len(instances)}")
            return Start(self.start.level, NO_LEVEL, instances=instances)
        start = self._level_start(options["level"]) if "level" in options else self.start
        if "instance_id" not in options:
            return start
        return Start(start.level, start.level_index, keys=_keys(options["instance_id"], batch))

    def _level_start(self, level: Any) -> Start:
        if not isinstance(level, str):
            raise ValueError(f"level must be a string, got {level!r}")
        return Start(level, self.task.level_index(level))

    def _given(self, instance: Any, batched: bool) -> Instances:
        """Instances that the caller gave, copied and checked."""
        if isinstance(instance, Instances):
            return self._checked(instance)
        if not isinstance(instance, dict):
            raise ValueError(
                f"`instance` must be Instances or a dict of fields, got {type(instance).__name__}"
            )
        fields = dict(instance)
        if not batched:
            known = self.task.spec.fields
            fields = {
                name: np.asarray(values)[None]
                if name in known and np.shape(values) == known[name].shape
                else values
                for name, values in fields.items()
            }
        return self.task.from_fields(fields)

    def _checked(self, given: Instances) -> Instances:
        """A copy of given instances, whose labels are trusted."""
        fields = self.task.spec.check_fields(given.fields)
        shape = (len(given), self.task.spec.num_nodes)
        labels = {name: np.array(values) for name, values in given.labels.items()}
        if "answer" not in labels or labels["answer"].shape != shape:
            got = {name: values.shape for name, values in labels.items()}
            raise ValueError(f"`instance` must have a label `answer` of shape {shape}, got {got}")
        return Instances(np.array(given.keys, dtype=np.uint64), fields, labels)

    def seed(self, generators: dict[int, np.random.Generator]) -> None:
        """Give rows new generators; the first time all rows."""
        if not self._generators:
            self._generators = [generators[row] for row in range(self.num_envs)]
        for row, generator in generators.items():
            self._generators[row] = generator
        self._supply.discard(np.array(list(generators)))

    @property
    def generators(self) -> tuple[np.random.Generator, ...]:
        """The generator of each row; none before the first seeding."""
        return tuple(self._generators)

    def begin(self, start: Start, rows: Array | None = None) -> None:
        """Begin new episodes at the rows (all where None)."""
        instances = start.instances
        if instances is None:
            instances = self._sample(start, rows)
        at: Any = slice(None) if rows is None else rows
        if self.state is None or self.instances is None:
            self.instances = instances[np.arange(self.num_envs)]
            self.state = self.actions.state(self.instances, self._strict)
        self.instances.assign(at, instances)
        for name, values in self.state.set_rows(at, self.task.initial_answer(instances)).items():
            whole = self.scores.setdefault(name, np.zeros(self.num_envs, values.dtype))
            whole[at] = values
        self.levels[at] = start.level_index
        self.steps[at] = 0
        self.first_solved[at] = -1
        if self.confidence is not None:
            self.confidence[at] = 1.0

    def _sample(self, start: Start, rows: Array | None) -> Instances:
        """Instances for the rows, by given keys or by the next ones of their generators."""
        if start.keys is not None:
            return self.task.sample(start.keys, start.level)
        rows = np.arange(self.num_envs) if rows is None else rows
        instances = self._supply.take(rows, self._generators)
        if start.level == self.start.level:
            return instances
        return self.task.sample(instances.keys, start.level)

    # Stepping

    def advance(self, actions: Array) -> tuple[Array, Array]:
        """One refinement step of all rows: rewards (B,) float64 and terminations (B,) bool."""
        _, state = self.begun()
        scores = state.apply(actions)
        self.steps = self.steps + ONE
        solved = scores["solved"]
        first = solved
        if np.count_nonzero(solved):
            first = solved & (self.first_solved < 0)
            np.copyto(self.first_solved, self.steps, where=first)
        rewards = step_rewards(self._reward, self.scores, scores, first)
        self.scores = scores
        if self._watched:
            self.confidence = confidence(actions, self.task.spec.num_choices)
        return rewards, state.ended | solved if self._terminate_on_solved else state.ended.copy()

    def begun(self) -> tuple[Instances, AnswerState]:
        """The instances and the current answers, both live; an error where there are none yet."""
        if self.instances is None or self.state is None:
            raise ResetNeeded(
                "no episode has begun: call reset() before step(), render() and so on"
            )
        return self.instances, self.state

    # What the outside sees

    def observe(self, rows: Array | None = None) -> dict[str, Array]:
        """Observations of the rows (all where None), in new arrays."""
        instances, state = self.begun()
        return self.observer.observe(instances.fields, state.answer, self.steps, rows)

    def info(self) -> dict[str, Array]:
        """The info of all rows: live arrays, for the caller to copy."""
        instances, state = self.begun()
        info = {
            **self.scores,
            "is_success": self.scores["solved"],
            "changed": state.changed,
            "first_solved_step": self.first_solved,
            "level": self.levels,
            "instance_id": instances.keys,
        }
        if self.edits:
            info["action_mask"] = self.mask()
        return info

    def mask(self) -> Array:
        """(B, E) int8, the edits that are allowed: a live array, in mode `edit` only."""
        if not self.edits:
            mode = type(self.actions).__name__
            raise ValueError(f"only action_mode='edit' has action masks, this one has {mode}")
        return cast(EditState, self.begun()[1]).mask

    def solution(self) -> Any:
        """For each row the action, or the edits (k,), that give the labelled answer."""
        instances, state = self.begun()
        return self.actions.solution(instances, state.answer)

    def render(self, row: int, mode: str) -> Any:
        """One row as `ansi` or `rgb_array`."""
        instances, state = self.begun()
        one = slice(row, row + 1)
        confidence = None if self.confidence is None else self.confidence[row]
        return self.task.render(instances[one], state.answer[one], mode, confidence)


def _keys(instance_id: Any, batch: int) -> Array:
    """(B,) uint64 from one key for all or one for each."""
    array = np.asarray(instance_id)
    if array.dtype.kind not in "iu" or array.shape not in ((), (batch,)):
        raise ValueError(
            f"instance_id must be an integer below 2**64 or an integer array ({batch},), "
            f"got {instance_id!r}"
        )
    if array.dtype.kind == "i" and array.min() < 0:
        raise ValueError(f"instance_id must not be negative, got {array.min()}")
    return np.broadcast_to(array, (batch,)).astype(np.uint64)
