"""Peak memory of a training update: 8 and 64 steps of descent, at once and step by step.

    .venv/bin/python experiments/energy/memory.py

Counted are the bytes of all tensors that operations of the update have made and that are still
there, at their peak: forward pass, loss, backward pass and optimizer. What was there before
(weights, optimizer, batch) is not. Writes results/memory.json; the last line on stdout is that
document.
"""

from __future__ import annotations

from typing import Any

from common import arguments, write

from ttc_agents.training.memory import PeakBytes
from ttc_agents.training.recipes import Recipe, find_recipe
from ttc_agents.training.update import Training
from ttc_envs import make_task

RECIPES = ("sudoku4-energy", "sudoku6-energy")
OBJECTIVES = ("cross_entropy", "contrastive")
STEPS = (8, 64)


def peak_of(recipe: Recipe) -> int:
    """Bytes at the peak of the second update."""
    training = Training(recipe, make_task(recipe.env_id, **recipe.task), say=lambda line: None)
    training.update(0.0)
    with PeakBytes() as peak:
        training.update(0.0)
    return peak.peak


def main() -> None:
    """Measure every recipe and objective."""
    options = arguments(__doc__, "memory", count=1).parse_args()
    rows: dict[str, Any] = {}
    for name in RECIPES:
        for objective in OBJECTIVES:
            for way, every in (("at once", None), ("step by step", 1)):
                few, many = (
                    peak_of(
                        find_recipe(name).replaced(
                            objective=objective, segment_steps=steps, backward_every=every
                        )
                    )
                    for steps in STEPS
                )
                rows[f"{name}, {objective}, {way}"] = {"8": few, "64": many, "ratio": many / few}
    write(options, rows=rows)


if __name__ == "__main__":
    main()
