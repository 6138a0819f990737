"""What training.pt must hold to be of a training: shapes, counts and clocks.

Without these checks a tensor of another shape may be broadcast, and a count below zero prolong the
training, both without a word.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from ttc_agents.training.optimizer import Muon
from ttc_agents.training.update import Training


def check_saved(training: Training, saved: Mapping[str, Any]) -> None:
    """Refuse a state that is not of this training.

    Args:
        training: As it begins.
        saved: What `Training.state_dict` has given, and `hooks`.

    Raises:
        ValueError: An entry is missing, or of another kind or size.
    """
    own = {**training.state_dict(), "hooks": []}
    missing = sorted(own.keys() - saved.keys())
    if missing:
        raise ValueError(f"it lacks {', '.join(missing)}")
    for name, (mine, theirs) in pairs(own, saved, ("model", "average", "spent")):
        if not alike(mine, theirs):
            raise ValueError(f"{name} is {described(theirs)}, expected {wanted(mine)}")
    if not alike(0, saved["rollbacks"]):
        raise ValueError(f"rollbacks is {saved['rollbacks']!r}, expected a count")
    if not isinstance(saved["hooks"], list):
        raise ValueError(f"hooks is {described(saved['hooks'])}, expected a list")
    check_moments(training, saved["optimizer"])
    check_carried(training.recipe.batch_size, saved["carried"])


def pairs(
    own: Mapping[str, Any], saved: Mapping[str, Any], names: Iterable[str]
) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Yields (name, (own, saved)) of the parts of some entries, which must be the same parts."""
    for name in names:
        mine, theirs = (
            part if isinstance(part, dict) else dict(enumerate(part))
            for part in (own[name], saved[name])
        )
        other = sorted(map(str, mine.keys() ^ theirs.keys()))
        if other:
            raise ValueError(f"{name} has other parts: {', '.join(other)}")
        yield from ((f"{name} {key}", (mine[key], theirs[key])) for key in mine)


def alike(mine: Any, theirs: Any) -> bool:
    """Whether a tensor has the shape and type of ours, a number is one of its kind from 0 up."""
    if isinstance(mine, Tensor):
        same = isinstance(theirs, Tensor) and theirs.shape == mine.shape
        return same and theirs.dtype == mine.dtype
    kinds = (int,) if type(mine) is int else (int, float)
    return type(theirs) in kinds and 0 <= theirs < math.inf


def wanted(mine: Any) -> str:
    """What `alike` asks for."""
    if isinstance(mine, Tensor):
        return described(mine)
    return "a count" if type(mine) is int else "a number from 0 up"


def described(value: Any) -> str:
    """A value in few words."""
    if isinstance(value, Tensor):
        return f"{value.dtype} of shape {tuple(value.shape)}"
    return repr(value) if isinstance(value, int | float) else type(value).__name__


def check_moments(training: Training, saved: Any) -> None:
    """Refuse moments of AdamW and Muon that do not have the shapes of their weights."""
    parts = training.learning.optimizer.parts
    if not isinstance(saved, list) or len(saved) != len(parts):
        raise ValueError(f"optimizer is {described(saved)}, expected {len(parts)} states")
    for part, state in zip(parts, saved, strict=True):
        if type(part) not in (torch.optim.AdamW, Muon):
            continue
        weights = [weight for group in part.param_groups for weight in group["params"]]
        for index, moments in state["state"].items():
            for name, values in moments.items():
                if values.shape not in ((), weights[index].shape):
                    raise ValueError(f"{name} of weight {index} is {described(values)}")


def check_carried(size: int, saved: Mapping[str, Any]) -> None:
    """Refuse a carried batch of another size than that of the recipe."""
    if not alike(0, saved["drawn"]):
        raise ValueError(f"drawn is {saved['drawn']!r}, expected a count")
    if saved["state"] is None:
        return
    answers = saved["answers"] or {}
    parts = [saved["batch"], saved["labels"], {"state": saved["state"], "age": saved["age"]}]
    parts += [answers.get("fields", {}), answers.get("labels", {})]
    parts += [{name: answers[name] for name in ("keys", "answer") if name in answers}]
    for name, values in (item for part in parts for item in part.items()):
        if not isinstance(values, Tensor) or values.ndim == 0 or len(values) != size:
            raise ValueError(f"{name} is {described(values)}, expected {size} rows")
    age = saved["age"]
    if age.dtype != torch.int64 or age.shape != (size,) or (age < 0).any():
        raise ValueError(f"age is {described(age)}, expected {size} counts")
