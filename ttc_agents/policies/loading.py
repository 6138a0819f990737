"""Policies by name, for commands and comparisons: whatever has SB3's `predict` can enter.

- `random`: allowed edits, or answers, at random
- `classical` or `improve`: one classical refinement step at a time; `solve`: the exact solver; and
  whatever else `classical_methods` of the task names
- `sb3:ALGORITHM:PATH.zip`: an agent of Stable-Baselines3 or sb3-contrib
- `MODULE:NAME`: an object with `predict`, or a function that is one
- a shipped name, a directory or `hf://owner/name`: a checkpoint of a refinement model
- `beam:K:CHECKPOINT`: a language model over places that writes whole paths, with a beam of width K
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ttc_agents.inference.checkpoint import load_model
from ttc_agents.inference.hub import is_hub_name
from ttc_agents.inference.observation import Seen, read_observation, starting_rows
from ttc_agents.inference.policy import BeamPolicy, RefinementPolicy
from ttc_agents.inference.refine import classical_methods
from ttc_agents.models import RefinementModel
from ttc_agents.names import find
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


@dataclass(frozen=True)
class Agent:
    """A policy and the modes of the environment that it plays in.

    Args:
        policy: Has `predict(observation, state, episode_start, deterministic)`; with an attribute
            `reads_masks` that is true it also takes `action_masks`.
        action_mode: `full`, `edit` or `logits`.
        observation: `default` or `one_hot`.
    """

    policy: Policy
    action_mode: str = "full"
    observation: str = "default"


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
        self._task, self.method = task, methods[method]

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
            running[new] = rows, self.method(shown_instances(seen, self._task)[rows])
        running = {name: own for name, own in running.items() if (group == name).any()}
        for name, (rows, answers) in running.items():
            mine = group[rows] == name
            answer[rows[mine]] = next(answers, answer[rows])[mine]
        return seen.unbatched(np.maximum(answer, 0)), MethodState(answer, group, running)


def shown_instances(seen: Seen, task: Task) -> Instances:
    """The instances that an observation shows: without keys and labels."""
    fields = task.spec.unshown(seen.fields, seen.answer)
    return Instances(np.zeros(len(seen), dtype=np.uint64), fields, {})


class RandomEdits:
    """Edits drawn uniformly among those that the mask allows.

    Args:
        seed: Seed of the edits.
    """

    reads_masks = True

    def __init__(self, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)

    def predict(
        self,
        observation: dict[str, Any],
        state: None = None,
        episode_start: Any = None,
        deterministic: bool = True,
        action_masks: np.ndarray | None = None,
    ) -> tuple[np.ndarray, None]:
        """Edits (B,); there is no state."""
        if action_masks is None:
            raise ValueError("random edits need action_masks, got None")
        return (self._random.random(action_masks.shape) * action_masks).argmax(axis=-1), None


def load_agent(
    name: str,
    task: Task,
    *,
    action_mode: str | None = None,
    default_mode: str = "full",
    observation: str | None = None,
    trust: bool = False,
    seed: int = 0,
    device: Any = "cpu",
) -> Agent:
    """The policy of that name (see the module for the names).

    Args:
        name: What to load.
        task: The task that it is going to play.
        action_mode: The mode to play in; None takes the policy's own.
        default_mode: That of `random` and `MODULE:NAME`, which can play in any.
        observation: For `MODULE:NAME`; None is `default`.
        trust: Whether pickles in zips may be loaded.
        seed: Of random answers.
        device: Of refinement models.

    Raises:
        FileNotFoundError: There is no such file or checkpoint.
        ValueError: The name means nothing, or the policy cannot play so.
    """
    if name.startswith("sb3:"):
        agent = _sb3_agent(name, task, trust)
    elif name == "random":
        agent = _random_agent(task, action_mode or default_mode, seed)
    elif name in CLASSICAL or name in classical_methods(task):
        agent = Agent(MethodPolicy(task, CLASSICAL.get(name, name), seed))
    elif name.startswith("beam:"):
        agent = _beam_agent(name, task, device)
    elif ":" in name and not is_hub_name(name) and not Path(name).exists():
        agent = Agent(_imported(name), action_mode or default_mode, observation or "default")
    else:
        agent = Agent(RefinementPolicy(_model(name, task, device), seed))
    for what, asked, own in (
        ("action mode", action_mode, agent.action_mode),
        ("observation", observation, agent.observation),
    ):
        if asked not in (None, own):
            raise ValueError(f"the policy {name} has {what} {own!r}, got {asked!r}")
    return agent


CLASSICAL = {"classical": "improve"}
"""Other names of methods."""


def _random_agent(task: Task, action_mode: str, seed: int) -> Agent:
    if action_mode == "logits":
        raise ValueError("random answers are drawn in mode 'full' or 'edit', got 'logits'")
    policy = RandomEdits(seed) if action_mode == "edit" else MethodPolicy(task, "random", seed)
    return Agent(policy, action_mode)


def _sb3_agent(name: str, task: Task, trust: bool) -> Agent:
    from ttc_agents.policies.sb3 import SB3Agent, load_sb3, modes_of

    words = name.split(":", 2)
    if len(words) != 3:
        raise ValueError(f"expected sb3:ALGORITHM:PATH.zip, got {name!r}")
    agent = load_sb3(words[1], Path(words[2]), trust)
    return Agent(SB3Agent(agent), *modes_of(agent, task))


def _imported(name: str) -> Policy:
    """The object or function `MODULE:NAME`."""
    found = find("policy", name, {})
    if callable(getattr(found, "predict", None)) and not isinstance(found, type):
        policy: Policy = found
        return policy
    if callable(found) and not isinstance(found, type):
        # A function that is itself a `predict`.
        return type("FunctionPolicy", (), {"predict": staticmethod(found)})()
    raise ValueError(f"{name} is neither an object with predict nor a function, got {found!r}")


def _beam_agent(name: str, task: Task, device: Any) -> Agent:
    words = name.split(":", 2)
    if len(words) != 3 or not words[1].isdecimal():
        raise ValueError(f"expected beam:K:CHECKPOINT, got {name!r}")
    return Agent(BeamPolicy(_model(words[2], task, device), int(words[1])))


def _model(name: str, task: Task, device: Any) -> RefinementModel:
    """The model of a checkpoint that was trained on this task."""
    model = load_model(name, device)
    own = model.spec
    if own.name != task.spec.name:
        raise ValueError(f"{name} is a model of {own.name}, the task is {task.spec.name}")
    return model
