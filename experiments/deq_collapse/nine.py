"""Train an equilibrium of 9x9 with one thing changed, and measure it on the way and in the end.

    python experiments/deq_collapse/nine.py recipe --seconds 300 --seeds 0,1,2
    python experiments/deq_collapse/nine.py all --seconds 90

`recipe` is `sudoku9-deq-implicit-cpu-5min`; every other cell of `CELLS` changes one thing in it, or
is another training to be compared at equal time. A run is a cell, a seed and a length in process
CPU seconds of one thread; those that results/cells-9.json holds are left out. The checkpoint goes
to RUNS/CELL-SEED-LENGTH, and the same command goes on from there after an interruption. `--updates`
compares at equal updates in the place of equal time.

A run has a curve of `LOOKS` rows: means of the training's own metrics since the row before, and
`probe`, the share of `FEW` minimal validation puzzles that the averaged weights solve in `STEPS`
steps. In the end the averaged weights are measured on `MANY` such puzzles. The puzzles are our own;
no test puzzle is looked at. A line of JSON on stdout per run.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ttc_agents.evaluation.intervals import share
from ttc_agents.inference.checkpoint import load_model, split_task
from ttc_agents.inference.directory import has_checkpoint
from ttc_agents.inference.refine import refine
from ttc_agents.models import RefinementModel
from ttc_agents.training.loop import Hook, Metrics
from ttc_agents.training.recipes import RECIPES, Recipe, as_equilibrium
from ttc_agents.training.train import train
from ttc_agents.training.update import Training

RESULTS = Path(__file__).parent / "results"
FEW, MANY, STEPS, LOOKS = 50, 200, 64, 10
DEPTHS = (16, 32, 64, 128, 256)
REST = 1e-3

RECIPE = RECIPES["sudoku9-deq-implicit-cpu-5min"]
TWIN = RECIPES["sudoku9-cpu-2min"].replaced(precision="float32", restart=0.15)
CHEAPER = ("model_options.jacobian_every=4", "model_options.backward_solver=picard")
# {cell: settings of the recipe}
CELLS: dict[str, tuple[str, ...]] = {
    "recipe": (),
    "fresh": ("restart=1.0",),
    "half-carried": ("restart=0.5",),
    "solves-of-8": ("model_options.max_steps=8", "restart=0.05"),
    "solves-of-32": ("model_options.max_steps=32", "restart=0.2"),
    "all-rows": ("model_options.discard_above=none",),
    "one-logit": ("segment_steps=1",),
    "own-starts": ("random_start=0.0",),
    "undamped": ("model_options.solver_options.damping=1.0",),
    "no-penalty": ("model_options.jacobian_weight=0.0",),
    "penalty-seldom": ("model_options.jacobian_every=4",),
    "picard-backward": ("model_options.backward_solver=picard",),
    "cheaper": CHEAPER,
    "cheaper-all-rows": (*CHEAPER, "model_options.discard_above=none"),
}
OTHERS: dict[str, Recipe] = {
    "unrolled": TWIN,
    "mixed": as_equilibrium(TWIN),
    "mixed-without-implicit": as_equilibrium(TWIN).changed(("model_options.settled=0.0",)),
    "late-states": RECIPES["sudoku9-deq-cpu-5min"],
}


def recipe_of(cell: str) -> Recipe:
    """What is trained in a cell."""
    return OTHERS[cell] if cell in OTHERS else RECIPE.changed(CELLS[cell])


class Curve(Hook):
    """The rows of a run, and the seconds that they are taken after.

    Args:
        name: `seconds` or `updates`, of which `length` is the whole.
        length: Of the run.
    """

    counted = False

    def __init__(self, name: str, length: float) -> None:
        self.name, self.length = name, length
        self.rows: list[dict[str, float]] = []
        self.seen: dict[str, list[float]] = {}

    def after_update(self, training: Training, metrics: Metrics, done: float) -> Metrics:
        """Collect, and add a row where it is time to."""
        for name, value in metrics.items():
            self.seen.setdefault(name, []).append(float(value))
        spent = getattr(training.spent, self.name)
        if spent >= (len(self.rows) + 1) * self.length / LOOKS:
            means = {name: np.mean(values) for name, values in self.seen.items()}
            counts = {"update": training.updates, "seconds": training.spent.seconds}
            found = measured(training.averaged_model(), training.recipe, FEW, (STEPS,))
            row = {**counts, **means, "probe": found[str(STEPS)]["solved"]}
            self.rows.append({name: round(float(value), 5) for name, value in row.items()})
            self.seen = {}
        return {}

    def state_dict(self) -> dict[str, Any]:
        """The rows, and what the next one is made of."""
        return {"rows": self.rows, "seen": self.seen}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on with them."""
        self.rows, self.seen = saved["rows"], saved["seen"]


def measured(
    model: RefinementModel, recipe: Recipe, count: int, depths: tuple[int, ...]
) -> dict[str, Any]:
    """Shares of minimal validation puzzles: solved by step, and at rest after the last one."""
    task = split_task(recipe.env_id, recipe.task, "validation")
    instances = task.sample(np.arange(count, dtype=np.uint64), "minimal")
    found: dict[str, Any] = {}
    for number, step in enumerate(refine(model, task, instances, depths[-1]), start=1):
        if number in depths:
            solved = task.score(instances, step.answer)["solved"] & step.finite
            found[str(number)] = share(int(solved.sum()), count)
    assert step.residual is not None
    return found | {"rest": share(int((step.residual < REST).sum()), count)}


def follow(cell: str, seed: int, length: dict[str, float], runs: Path) -> dict[str, Any]:
    """Train one cell with one seed, or go on, and measure it."""
    ((name, amount),) = length.items()
    recipe, curve = recipe_of(cell).replaced(seed=seed, **length), Curve(name, amount)
    out = runs / f"{cell}-{seed}-{amount:g}{name[0]}"
    result = train(
        recipe,
        out,
        resume=has_checkpoint(out),
        device="cpu",
        show=False,
        hooks=[curve],
        clock=time.process_time,
    )
    if not result.finished:
        raise SystemExit(f"interrupted after {result.seconds:.0f} s: the same command goes on")
    end = measured(load_model(out), recipe, MANY, DEPTHS)
    spent = {"updates": result.updates, "seconds": round(result.seconds, 1)}
    return {"cell": cell, "seed": seed, **length, "spent": spent, "end": end, "curve": curve.rows}


def same(one: dict[str, Any], cell: str, seed: int, length: dict[str, float]) -> bool:
    """Whether a run is that of a cell, a seed and a length."""
    return (one["cell"], one["seed"]) == (cell, seed) and all(
        one.get(name) == value for name, value in length.items()
    )


def main() -> None:
    """Run what is asked for and not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [*CELLS, *OTHERS]
    parser.add_argument("cells", help=f"all, or some of {', '.join(names)}, with commas between")
    parser.add_argument("--seeds", default="0")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--seconds", type=float)
    length.add_argument("--updates", type=int)
    parser.add_argument("--runs", type=Path, default=Path("runs") / "deq-nine")
    parser.add_argument("--out", type=Path, default=RESULTS / "cells-9.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cells = names if arguments.cells == "all" else arguments.cells.split(",")
    for cell in cells:
        recipe_of(cell)
    asked = {name: getattr(arguments, name) for name in ("seconds", "updates")}
    asked = {name: value for name, value in asked.items() if value is not None}
    for cell in cells:
        for seed in map(int, arguments.seeds.split(",")):
            runs = json.loads(arguments.out.read_text())["runs"] if arguments.out.is_file() else []
            if any(same(one, cell, seed, asked) for one in runs):
                continue
            found = follow(cell, seed, asked, arguments.runs)
            document = {"recipe": RECIPE.to_json(), "cells": CELLS, "runs": [*runs, found]}
            arguments.out.write_text(json.dumps(document) + "\n")
            print(json.dumps({k: v for k, v in found.items() if k != "curve"}), flush=True)


if __name__ == "__main__":
    main()
