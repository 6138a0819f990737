"""Long trainings on 9x9: an energy of easy puzzles, and an energy beside the body unrolled.

    python experiments/energy/nine.py easy --seconds 3600 --puzzles FILE.csv
    python experiments/energy/nine.py minimal --seconds 1800
    python experiments/energy/nine.py unrolled --seconds 1800

`easy` is trained on 31 to 42 givens, to be tested on 17 to 34 (the protocol of IRED, Du et al.
2024, arXiv 2406.11179). `minimal` and `unrolled` are an energy and its own body with a loss at
every step, both trained on minimal puzzles.

Seconds are of the process's CPU, with one thread, so that a busy machine takes longer and not less.
The checkpoint goes to RUNS/CELL-SEED every two minutes. The same command goes on from there after
an interruption, and measures again where the training has ended. Measured is the solved share by
steps (P1) on minimal puzzles and on puzzles with 17 to 34 givens, both of the test split, and on
those of FILE. Of an energy, the share is measured besides where its descent is annealed, and where
it has noise: one trajectory each, of so many steps, on FEW puzzles of each family. Writes
results/nine-CELL-SEED.json; the last line on stdout is that document.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ttc_agents.evaluation import sweep
from ttc_agents.evaluation.families import draw, families_of_files
from ttc_agents.inference.checkpoint import load_model, split_task
from ttc_agents.inference.descent import Descent, Gradient
from ttc_agents.inference.directory import has_checkpoint
from ttc_agents.models import RefinementModel
from ttc_agents.training.flops import COSTED, answer_cost
from ttc_agents.training.recipes import RECIPES, Recipe
from ttc_agents.training.train import train
from ttc_envs import Instances, Task

RESULTS = Path(__file__).parent / "results"
STEPS = (8, 16, 32, 64, 128, 256)
LEVELS = ("minimal", "givens=17..34")
WAYS = {"annealed": Gradient(smoothing=0.5), "noise": Gradient(temperature=0.6)}
"""Chosen on puzzles of the validation split."""
LENGTHS = (128, 512)
TEST_SEED = 10_000
INTERRUPTED = 130

ENERGY = RECIPES["sudoku9-energy-cpu-30min"]
CELLS = {
    "easy": ENERGY,
    "minimal": ENERGY.replaced(level="minimal"),
    "unrolled": RECIPES["sudoku9-cpu-30min"].replaced(
        level="minimal",
        model_options=ENERGY.model_options["inner"]["options"],
        precision="float32",
    ),
}


def measured(recipe: Recipe, out: Path, files: list[Path], count: int, few: int) -> dict[str, Any]:
    """Solved shares by family and step, and the floating-point operations of an answer."""
    model, task = load_model(out), split_task(recipe.env_id, recipe.task, "test")
    families = {level: draw(task, level, count, TEST_SEED) for level in LEVELS}
    families |= families_of_files(task, files, None, False, print)
    rows = sweep(model, task, families, STEPS, classical=()).to_json()["rows"]
    cost = answer_cost(model, task, task.sample(np.arange(COSTED, dtype=np.uint64), LEVELS[0]))
    found = {"rows": rows, "flops": {str(step): cost.of(step) for step in STEPS}}
    return found | ({"ways": ways_down(model, task, families, few)} if model.has_energy else {})


def ways_down(
    model: RefinementModel, task: Task, families: dict[str, Instances], few: int
) -> dict[str, Any]:
    """{way: {family: {steps: share}}}, each of one trajectory of so many steps."""
    found: dict[str, Any] = {name: {family: {} for family in families} for name in WAYS}
    for family, instances in families.items():
        order = np.random.default_rng(0).permutation(len(instances))[:few]
        for name, way in WAYS.items():
            for steps in LENGTHS:
                rows = sweep(
                    Descent(model, way), task, {family: instances[order]}, [steps], classical=()
                ).to_json()["rows"]
                found[name][family][str(steps)] = rows["p1"][family][str(steps)]
    return found


def main() -> int:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cell", choices=CELLS)
    parser.add_argument("--seconds", type=float, required=True, help="of CPU")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=400, help="puzzles of each level")
    parser.add_argument("--few", type=int, default=400, help="of each family, other ways down")
    parser.add_argument("--puzzles", type=Path, nargs="*", default=[], help="files of puzzles")
    parser.add_argument("--runs", type=Path, default=Path("runs") / "energy-nine")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the documents")
    options = parser.parse_args()
    torch.set_num_threads(1)
    recipe = CELLS[options.cell].replaced(seed=options.seed, seconds=options.seconds)
    name = f"{options.cell}-{options.seed}"
    out = options.runs / name
    result = train(
        recipe, out, resume=has_checkpoint(out), device="cpu", show=False, clock=time.process_time
    )
    if not result.finished:
        print(f"interrupted after {result.seconds:.0f} s: the same command goes on")
        return INTERRUPTED
    spent = {"updates": result.updates, "seconds": round(result.seconds, 1)}
    found = measured(recipe, out, options.puzzles, options.count, options.few)
    document = {"cell": options.cell, "recipe": recipe.to_json(), "spent": spent, **found}
    (options.out / f"nine-{name}.json").write_text(json.dumps(document) + "\n")
    print(json.dumps(document))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
