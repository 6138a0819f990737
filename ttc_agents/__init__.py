"""Models that think longer at test time, and what trains, measures and compares them.

    import ttc_agents as ta

    task, model = ta.load_task("sudoku-cpu", "test"), ta.load("sudoku-cpu")
    instances = task.sample(np.arange(100, dtype=np.uint64), "minimal")
    print(ta.sweep(model, task, {"minimal": instances}, [1, 16, 64]).to_json()["rows"])

The names below are imported when they are asked for, so that importing the package takes no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ttc_agents.evaluation.solve import solve
    from ttc_agents.evaluation.sweep import sweep
    from ttc_agents.inference.checkpoint import load_model as load
    from ttc_agents.inference.checkpoint import load_task
    from ttc_agents.inference.policy import RefinementPolicy
    from ttc_agents.inference.refine import refine
    from ttc_agents.models import RefinementModel, make_model
    from ttc_agents.training.recipe import Recipe
    from ttc_agents.training.train import train

__all__ = [
    "Recipe",
    "RefinementModel",
    "RefinementPolicy",
    "load",
    "load_task",
    "make_model",
    "refine",
    "solve",
    "sweep",
    "train",
]

_AT_FIRST_USE = {
    "Recipe": ("ttc_agents.training.recipe", "Recipe"),
    "RefinementModel": ("ttc_agents.models", "RefinementModel"),
    "RefinementPolicy": ("ttc_agents.inference.policy", "RefinementPolicy"),
    "load": ("ttc_agents.inference.checkpoint", "load_model"),
    "load_task": ("ttc_agents.inference.checkpoint", "load_task"),
    "make_model": ("ttc_agents.models", "make_model"),
    "refine": ("ttc_agents.inference.refine", "refine"),
    "solve": ("ttc_agents.evaluation.solve", "solve"),
    "sweep": ("ttc_agents.evaluation.sweep", "sweep"),
    "train": ("ttc_agents.training.train", "train"),
}


def __getattr__(name: str) -> Any:
    """The names that are imported at first use."""
    if name not in _AT_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, own = _AT_FIRST_USE[name]
    return getattr(import_module(module), own)


def __dir__() -> list[str]:
    """What there is to ask for."""
    return sorted([*globals(), *__all__])
