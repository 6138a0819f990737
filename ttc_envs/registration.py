"""Ids: how tasks get into Gymnasium's registry, and out of it.

The registry of Gymnasium is the only one: an id of another package is as good as one of ours.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from ttc_envs.task import Task
from ttc_envs.tasks import build

ENTRY_POINT = "ttc_envs.env:RefinementEnv"
VECTOR_ENTRY_POINT = "ttc_envs.vector:RefinementVectorEnv"


def register(
    id: str, task: str | type[Task] | Task, *, max_episode_steps: int = 32, **defaults: Any
) -> None:
    """Give a task an id for `gymnasium.make`, `gymnasium.make_vec` and `make_task`.

    The same call may be repeated, as when a module is loaded again. Gymnasium warns where another
    registration of the id is overridden.

    Args:
        id: `namespace/Name-v0`.
        task: `module:Class`, imported at first use; a class; or a task.
        max_episode_steps: Refinement steps after which an episode is truncated.
        defaults: Arguments of the environment (`level=`, `action_mode=`) and of the task's class.
    """
    kwargs = {"task": task, **defaults}
    known = gym.registry.get(id)
    if known is not None and _is_the_same(known, max_episode_steps, kwargs):
        known.kwargs.update(kwargs)
        return
    gym.register(
        id,
        entry_point=ENTRY_POINT,
        vector_entry_point=VECTOR_ENTRY_POINT,
        max_episode_steps=max_episode_steps,
        kwargs=kwargs,
    )


def _is_the_same(known: EnvSpec, max_episode_steps: int, kwargs: dict[str, Any]) -> bool:
    """Whether an id is registered with these arguments; classes are compared by name."""
    return (
        known.entry_point == ENTRY_POINT
        and known.max_episode_steps == max_episode_steps
        and _named(known.kwargs) == _named(kwargs)
    )


def _named(kwargs: dict[str, Any]) -> dict[str, Any]:
    task = kwargs["task"]
    if isinstance(task, type):
        # Loading a module again makes another class of the same name.
        task = (task.__module__, task.__qualname__)
    return {**kwargs, "task": task}


def registered() -> tuple[str, ...]:
    """The ids whose environments are ours, whoever registered them, in order of registration."""
    return tuple(id for id, spec in gym.registry.items() if spec.entry_point == ENTRY_POINT)


def make_task(env_id: str, **options: Any) -> Task:
    """The task of an id, without an environment around it.

    Args:
        env_id: An id that `register` was called for; `module:id` imports the module first.
        options: Arguments of the task (`size=`, `split=`) that replace the id's own.

    Raises:
        ValueError: There is no such id, or its environment is not ours.
        TypeError: The task has no such argument.
    """
    kwargs = _spec_of(env_id).kwargs
    known = {name: value for name, value in kwargs.items() if name not in _env_arguments()}
    return build(known.pop("task"), {**known, **options})


def env_options(env_id: str) -> dict[str, Any]:
    """The arguments of the environment (not of its task) that an id is registered with.

    Raises:
        ValueError: As for `make_task`.
    """
    kwargs = _spec_of(env_id).kwargs
    return {name: value for name, value in kwargs.items() if name in _env_arguments()}


@cache
def _env_arguments() -> frozenset[str]:
    """The names of all arguments but `task` that the environments take for themselves."""
    from ttc_envs.env import RefinementEnv
    from ttc_envs.episodes import Episodes
    from ttc_envs.vector import RefinementVectorEnv

    takers: tuple[Callable[..., Any], ...] = (Episodes, RefinementEnv, RefinementVectorEnv)
    names = (
        name
        for taker in takers
        for name, parameter in inspect.signature(taker).parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    )
    return frozenset(names) - {"task"}


def _spec_of(env_id: str) -> EnvSpec:
    """What an id is registered with."""
    module, _, name = env_id.rpartition(":")
    if module:
        try:
            import_module(module)
        except ImportError as error:
            raise ValueError(f"env_id {env_id!r} names a module that fails: {error}") from error
    spec = gym.registry.get(name)
    known = ", ".join(registered())
    if spec is None:
        near = get_close_matches(name, registered(), n=1)
        hint = f": did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"env_id must be one of {known} or module:id, got {env_id!r}{hint}")
    if spec.entry_point != ENTRY_POINT:
        raise ValueError(f"{env_id!r} is no environment of ttc_envs; these are {known}")
    return spec
