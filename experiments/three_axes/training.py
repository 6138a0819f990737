"""What makes a network branch well: one thing of its training changed at a time.

    .venv/bin/python experiments/three_axes/training.py recipe smoothed --seconds 240 --seeds 3

`recipe` is `sudoku9-best-cpu-60min` at the width of `sudoku-cpu`; every other cell of `CELLS`
changes one thing in it. Each training has so many CPU seconds of one thread. Its checkpoint goes to
RUNS/CELL-SEED, and the same command goes on from there after an interruption. Measured are own
puzzles of the validation split, `minimal` and `extreme`: one trajectory (P1), and the search that
the network itself ends (p2-branch) with what it accepted wrongly. Writes results/training.json,
which keeps the cells of earlier calls; the last line on stdout is that document.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from ttc_agents.evaluation.families import draw
from ttc_agents.evaluation.sweep import sweep
from ttc_agents.inference.checkpoint import load_model, split_task
from ttc_agents.inference.directory import has_checkpoint
from ttc_agents.training.recipes import RECIPES, Recipe
from ttc_agents.training.train import train

RESULTS = Path(__file__).parent / "results"
LEVELS = ("minimal", "extreme")
STEPS, BUDGETS = (64, 256, 1024), (256, 1024, 4096)
SEED = 30_000

RECIPE = RECIPES["sudoku9-best-cpu-60min"].replaced(
    model_options={"width": 32, "message_width": 32, "hidden_width": 64}
)
WIDE = RECIPES["sudoku9-best-cpu-60min"].model_options
CELLS: dict[str, dict[str, Any]] = {
    "recipe": {},
    "no-extreme": {"level": "givens=17..30"},
    "extreme-alone": {"level": "extreme"},
    "focal": {"objective": "focal"},
    "smoothed": {"objective": "smoothed"},
    "confident": {"objective": "confident"},
    "wide": {"model_options": WIDE},
}


def measured(recipe: Recipe, out: Path, count: int) -> dict[str, Any]:
    """{protocol: {level: {steps: entry}}} of a checkpoint."""
    model, task = load_model(out), split_task(recipe.env_id, recipe.task, "validation")
    families = {level: draw(task, level, count, SEED) for level in LEVELS}
    one = sweep(model, task, families, STEPS, classical=())
    several = sweep(model, task, families, BUDGETS, protocols=["p2-branch"], classical=())
    rows: dict[str, Any] = {**one.to_json()["rows"], **several.to_json()["rows"]}
    return rows


def main() -> None:
    """Train what is asked for, and measure it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cells", nargs="+", choices=CELLS, metavar="CELL", help=", ".join(CELLS))
    parser.add_argument("--seconds", type=float, required=True, help="of CPU, for each network")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--count", type=int, default=200, help="puzzles of each level")
    parser.add_argument("--runs", type=Path, default=Path("runs") / "branching")
    parser.add_argument("--out", type=Path, default=RESULTS / "training.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for cell in options.cells:
        for seed in range(options.seeds):
            name = f"{cell}-{seed}"
            runs = json.loads(options.out.read_text())["runs"] if options.out.is_file() else {}
            asked = {"seconds": options.seconds, "count": options.count}
            if asked.items() <= runs.get(name, {}).items():
                continue
            recipe, out = RECIPE.replaced(**CELLS[cell], seed=seed), options.runs / name
            result = train(
                recipe,
                out,
                resume=has_checkpoint(out),
                device="cpu",
                show=False,
                clock=time.process_time,
                seconds=options.seconds,
            )
            if not result.finished:
                raise SystemExit(f"interrupted after {result.seconds:.0f} s")
            rows = measured(recipe, out, options.count)
            runs[name] = {**asked, "updates": result.updates, "rows": rows}
            document = {"recipe": RECIPE.to_json(), "cells": CELLS, "runs": runs}
            options.out.write_text(json.dumps(document) + "\n")
            print(json.dumps(document))


if __name__ == "__main__":
    main()
