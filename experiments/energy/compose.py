"""Energies that were learned apart, added: rows and columns from one network, boxes from another.

    .venv/bin/python experiments/energy/compose.py --seconds 8

Both networks are trained on whole 4x4 puzzles with the same labels, each told only a part of the
constraint groups. Neither can solve a puzzle that needs the groups of the other. At test time the
two energies are added and descended together. Writes results/compose.json; the last line on stdout
is one JSON document.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from ttc_agents.evaluation.intervals import share
from ttc_agents.inference.descent import Descent, Gradient
from ttc_agents.inference.precision import full_float32
from ttc_agents.inference.refine import refine
from ttc_agents.models import RefinementModel
from ttc_agents.training.loop import run
from ttc_agents.training.recipes import find_recipe
from ttc_agents.training.schedule import Length
from ttc_agents.training.update import Training
from ttc_envs import Instances, Task, make_task

RESULTS = Path(__file__).parent / "results"
PARTS = {"lines": ("cell", "row", "column"), "boxes": ("cell", "box"), "all": ()}
STEPS = (4, 8, 16, 32, 64)


def told(task: Task, kinds: tuple[str, ...]) -> Task:
    """The task whose spec has only the groups of some kinds; all where none is named."""
    part = copy.copy(task)
    groups = tuple(group for group in task.spec.groups if not kinds or group.kind in kinds)
    part.spec = dataclasses.replace(task.spec, groups=groups)
    return part


def trained(task: Task, seed: int, seconds: float) -> RefinementModel:
    """An energy by `sudoku4-energy`, with its averaged weights."""
    training = Training(find_recipe("sudoku4-energy").replaced(seed=seed), task)
    run(training, Length(seconds=seconds), clock=time.process_time)
    return training.averaged_model()


def solved(model: RefinementModel, task: Task, instances: Instances) -> dict[str, Any]:
    """Shares by steps."""
    rows = {}
    with full_float32(model):
        for count, step in enumerate(refine(model, task, instances, STEPS[-1]), start=1):
            if count in STEPS:
                right = task.score(instances, step.answer)["solved"]
                rows[str(count)] = share(int(right.sum()), len(right))
    return rows


def main() -> None:
    """Train, add, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="of CPU, for each network")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--level", default="minimal")
    parser.add_argument("--out", type=Path, default=RESULTS / "compose.json")
    arguments = parser.parse_args()
    task = make_task("ttc/Sudoku4-v0")
    test = make_task("ttc/Sudoku4-v0", split="test")
    instances = test.sample(np.arange(arguments.count, dtype=np.uint64), arguments.level)
    seeds = []
    for seed in range(arguments.seeds):
        models = {
            name: trained(told(task, kinds), seed, arguments.seconds)
            for name, kinds in PARTS.items()
        }
        rows = {name: solved(model, test, instances) for name, model in models.items()}
        for size in (1.0, 0.5, 0.25):
            both = Descent([models["lines"], models["boxes"]], Gradient(size))
            rows[f"lines + boxes, step {size}"] = solved(both, test, instances)
        seeds.append(rows)
    document = {"settings": {k: str(v) for k, v in vars(arguments).items()}, "seeds": seeds}
    arguments.out.write_text(json.dumps(document) + "\n")
    print(json.dumps(document))


if __name__ == "__main__":
    main()
