"""Energies that were learned apart, added: rows and columns from one network, boxes from another.

    .venv/bin/python experiments/energy/compose.py --seconds 8 --objectives contrastive,denoising

Both networks are trained on whole 4x4 puzzles with the same labels, each told only a part of the
constraint groups. Neither can solve a puzzle that needs the groups of the other. At test time the
two energies are added and descended together. A third network is told all groups. One row per
objective, network or sum, and step size. Writes results/compose.json; the last line on stdout is
one JSON document.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as np
from common import arguments, of_trainings, solved, trained, write

from ttc_agents.inference.descent import Descent, Gradient
from ttc_agents.inference.precision import full_float32
from ttc_agents.training.recipes import find_recipe
from ttc_envs import Instances, Task, make_task

PARTS = {"lines": ("cell", "row", "column"), "boxes": ("cell", "box"), "all": ()}
STEPS = (4, 8, 16, 32, 64)
SIZES = (1.0, 0.5, 0.25)


def told(task: Task, kinds: tuple[str, ...]) -> Task:
    """The task whose spec has only the groups of some kinds; all where none is named."""
    part = copy.copy(task)
    groups = tuple(group for group in task.spec.groups if not kinds or group.kind in kinds)
    part.spec = dataclasses.replace(task.spec, groups=groups)
    return part


def rows_of(objective: str, seed: int, seconds: float, instances: Instances) -> dict[str, Any]:
    """Solved shares of the three networks of one objective and seed, and of the sums of two."""
    task = make_task("ttc/Sudoku4-v0")
    recipe = find_recipe("sudoku4-energy").replaced(objective=objective, seed=seed)
    models = {name: trained(recipe, told(task, kinds), seconds) for name, kinds in PARTS.items()}
    parts = [models["lines"], models["boxes"]]
    sums = {f"lines + boxes, step {size}": Descent(parts, Gradient(size)) for size in SIZES}
    rows = {}
    for name, model in {**models, **sums}.items():
        with full_float32(model):
            rows[f"{objective}, {name}"] = solved(model, task, instances, STEPS)
    return rows


def main() -> None:
    """Train, add, measure."""
    parser = of_trainings(arguments(__doc__, "compose", count=200), seconds=8.0)
    parser.add_argument("--objectives", default="contrastive,denoising", help="with commas between")
    options = parser.parse_args()
    test = make_task("ttc/Sudoku4-v0", split="test")
    instances = test.sample(np.arange(options.count, dtype=np.uint64), options.level)
    seeds = [
        {
            name: row
            for objective in options.objectives.split(",")
            for name, row in rows_of(objective, seed, options.seconds, instances).items()
        }
        for seed in range(options.seeds)
    ]
    write(options, seeds=seeds)


if __name__ == "__main__":
    main()
