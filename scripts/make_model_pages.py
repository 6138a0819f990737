"""Make docs/models.md anew, from the docstrings of the models and what they say they support.

    python scripts/make_model_pages.py

A test compares the text with the file; another one runs every pair that the table promises.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from pathlib import Path

from ttc_agents.models import MODELS, RefinementModel
from ttc_envs import TaskSpec, make_task, registered

PAGE = Path(__file__).resolve().parents[1] / "docs/models.md"
EXTRA = {"ttc/Sorting-v0": [{"view": "adjacent"}]}
"""Arguments that make another task of an id."""

INTRODUCTION = """\
# Models

Every model is a torch module `Model(spec, **options)` with `encode`, `initial_state`, `step` and
`readout`; [the architecture](architecture.md#model) says what each promises. Below: which model
works on which task, and then each model with its equations and arguments.

This page is made from the docstrings by `python scripts/make_model_pages.py`.
"""
WRAPPERS = """\
A wrapper (marked *) takes another model as its argument `inner`, and works where both do.
"""


def page() -> str:
    """The text of docs/models.md."""
    return "\n".join([INTRODUCTION, pairs(), *(section(name) for name in MODELS)])


def tasks() -> dict[str, TaskSpec]:
    """The specs of all ids, by what makes them."""
    specs = {}
    for env_id in registered():
        specs[f"`{env_id}`"] = make_task(env_id).spec
        for arguments in EXTRA.get(env_id, []):
            shown = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
            specs[f"`{env_id}`, `{shown}`"] = make_task(env_id, **arguments).spec
    return specs


def pairs() -> str:
    """Which model supports which task, and why not."""
    reasons: list[str] = []

    def cell(model: type[RefinementModel], spec: TaskSpec) -> str:
        reason = model.supports(spec)
        if reason is None:
            return "yes"
        if reason not in reasons:
            reasons.append(reason)
        return f"no ({reasons.index(reason) + 1})"

    heading = [
        "",
        *(f"`{name}`{'*' if needs_inner(model) else ''}" for name, model in MODELS.items()),
    ]
    rows = [
        [name, *(cell(model, spec) for model in MODELS.values())] for name, spec in tasks().items()
    ]
    lines = [heading, ["---"] * len(heading), *rows]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    notes = "\n".join(f"{i}. {reason}" for i, reason in enumerate(reasons, start=1))
    return f"## Which model works on which task\n\n{table}\n\n{WRAPPERS}\nWhy not:\n\n{notes}\n"


def needs_inner(model: type[RefinementModel]) -> bool:
    """Whether the model wraps another."""
    return "inner" in inspect.signature(model).parameters


def section(name: str) -> str:
    """A model: the docstring of its module, which has the equations, and that of its class."""
    model = MODELS[name]
    module = inspect.cleandoc(sys.modules[model.__module__].__doc__ or "")
    documented = inspect.cleandoc(model.__doc__ or "")
    return f"## `{name}`\n\n{module}\n\n### `{model.__name__}`\n\n```text\n{documented}\n```\n"


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    PAGE.write_text(page(), "utf-8")
