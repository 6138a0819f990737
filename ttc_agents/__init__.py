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
    from ttc_agents.evaluation.solve import solve as solve
    from ttc_agents.evaluation.sweep import sweep as sweep
    from ttc_agents.inference.checkpoint import load_model
    from ttc_agents.inference.checkpoint import load_task as load_task
    from ttc_agents.inference.policy import RefinementPolicy as RefinementPolicy
    from ttc_agents.inference.refine import refine as refine
    from ttc_agents.models import RefinementModel as RefinementModel
    from ttc_agents.models import make_model as make_model
    from ttc_agents.training.recipe import Recipe as Recipe
    from ttc_agents.training.train import train as train

    load = load_model

_AT_FIRST_USE = {
    "Recipe": "training.recipe",
    "RefinementModel": "models",
    "RefinementPolicy": "inference.policy",
    "load": "inference.checkpoint",
    "load_task": "inference.checkpoint",
    "make_model": "models",
    "refine": "inference.refine",
    "solve": "evaluation.solve",
    "sweep": "evaluation.sweep",
    "train": "training.train",
}
"""The module of each public name."""
_OTHER_NAMES = {"load": "load_model"}
"""What is called otherwise there."""
__all__ = list(_AT_FIRST_USE)


def __getattr__(name: str) -> Any:
    """The names that are imported at first use."""
    if name not in _AT_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_AT_FIRST_USE[name]}")
    return getattr(module, _OTHER_NAMES.get(name, name))


def __dir__() -> list[str]:
    """What there is to ask for."""
    return sorted([*globals(), *__all__])
