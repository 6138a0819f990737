"""Policies by name, for commands and comparisons: whatever has SB3's `predict` can enter.

- `random`: allowed edits, or answers, at random
- `classical`: one classical refinement step at a time; `solve`: the exact solver
- `sb3:ALGORITHM:PATH.zip`: an agent of Stable-Baselines3 or sb3-contrib
- `MODULE:NAME`: an object with `predict`, or a function that is one
- a shipped name or a directory: a checkpoint of a refinement model
- `beam:K:CHECKPOINT`: a language model over places that writes whole paths, with a beam of width K
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ttc_agents.models import RefinementModel
from ttc_agents.models.path_model import PathModel
from ttc_agents.policies.classical import ImprovePolicy, RandomPolicy, SolvePolicy
from ttc_agents.policies.paths import PathPolicy
from ttc_agents.policies.refinement import RefinementPolicy
from ttc_envs import Task


@dataclass(frozen=True)
class Player:
    """A policy and the modes of the environment that it plays in.

    Args:
        policy: Has `predict(observation, state, episode_start, deterministic)`; with an attribute
            `reads_masks` that is true it also takes `action_masks`.
        action_mode: `full`, `edit` or `logits`.
        observation: `default` or `one_hot`.
    """

    policy: Any
    action_mode: str = "full"
    observation: str = "default"


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


class FunctionPolicy:
    """A function that is itself a `predict`."""

    def __init__(self, function: Callable[..., tuple[Any, Any]]) -> None:
        self.predict = function


def load_policy(
    name: str,
    task: Task,
    *,
    action_mode: str | None = None,
    default_mode: str = "full",
    observation: str | None = None,
    trust: bool = False,
    seed: int = 0,
    device: Any = "cpu",
) -> Player:
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
        player = _sb3_player(name, task, trust)
    elif name == "random":
        player = _random_player(task, action_mode or default_mode, seed)
    elif name in CLASSICAL:
        player = Player(CLASSICAL[name](task))
    elif name.startswith("beam:"):
        player = _beam_player(name, task, device)
    elif ":" in name and not Path(name).exists():
        player = Player(_imported(name), action_mode or default_mode, observation or "default")
    else:
        player = _checkpoint_player(name, task, seed, device)
    for what, asked, own in (
        ("action mode", action_mode, player.action_mode),
        ("observation", observation, player.observation),
    ):
        if asked not in (None, own):
            raise ValueError(f"the policy {name} has {what} {own!r}, got {asked!r}")
    return player


CLASSICAL: dict[str, Callable[[Task], Any]] = {"classical": ImprovePolicy, "solve": SolvePolicy}


def _random_player(task: Task, action_mode: str, seed: int) -> Player:
    if action_mode == "logits":
        raise ValueError("random answers are drawn in mode 'full' or 'edit', got 'logits'")
    policy = RandomEdits(seed) if action_mode == "edit" else RandomPolicy(task, seed)
    return Player(policy, action_mode)


def _sb3_player(name: str, task: Task, trust: bool) -> Player:
    from ttc_agents.policies.sb3 import SB3Agent, load_agent, modes_of

    words = name.split(":", 2)
    if len(words) != 3:
        raise ValueError(f"expected sb3:ALGORITHM:PATH.zip, got {name!r}")
    agent = load_agent(words[1], Path(words[2]), trust)
    return Player(SB3Agent(agent), *modes_of(agent, task))


def _imported(name: str) -> Any:
    """The object or function `MODULE:NAME`."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name not in (module, module.split(".")[0]):
            raise
        raise ValueError(f"no policy {name!r}: there is no module {module!r}") from error
    except AttributeError as error:
        raise ValueError(f"no policy {name!r}: {module} has no {attribute!r}") from error
    if callable(getattr(found, "predict", None)) and not isinstance(found, type):
        return found
    if callable(found) and not isinstance(found, type):
        return FunctionPolicy(found)
    raise ValueError(f"{name} is neither an object with predict nor a function, got {found!r}")


def _checkpoint_player(name: str, task: Task, seed: int, device: Any) -> Player:
    return Player(RefinementPolicy(_model(name, task, device), seed))


def _beam_player(name: str, task: Task, device: Any) -> Player:
    words = name.split(":", 2)
    if len(words) != 3 or not words[1].isdecimal():
        raise ValueError(f"expected beam:K:CHECKPOINT, got {name!r}")
    model = _model(words[2], task, device)
    if not isinstance(model, PathModel):
        raise ValueError(f"{words[2]} is a {type(model).__name__}, which writes no paths")
    return Player(PathPolicy(model, int(words[1])))


def _model(name: str, task: Task, device: Any) -> RefinementModel:
    """The model of a checkpoint that was trained on this task."""
    from ttc_agents.training.checkpoint import load_model

    model = load_model(name, device)
    own = model.spec
    if own.name != task.spec.name:
        raise ValueError(f"{name} is a model of {own.name}, the task is {task.spec.name}")
    return model
