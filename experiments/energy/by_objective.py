"""What each objective teaches an energy in the same CPU seconds, and what denoising adds.

    .venv/bin/python experiments/energy/by_objective.py --size 4 --seconds 8
    .venv/bin/python experiments/energy/by_objective.py --size 6 --seconds 60 --count 100

`denoising` takes no part in a descent: one step from a corrupted label has to lead back to it.
`cross_entropy` teaches descent itself, `contrastive` compares answers besides. `mixed` is
`contrastive` and `denoising`. Validation puzzles of our own; averaged weights. Measured is what
`measure.py` measures of one descent, and the rank correlation of energy and violated groups.
Writes results/by-objective-SIZE.json; the last line on stdout is one JSON document.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from common import RESULTS, arguments, of_trainings, trained, write
from measure import corruptions, descent, rank_correlation
from torch import Tensor

from ttc_agents.inference.precision import full_float32
from ttc_agents.models import Trace
from ttc_agents.training.objectives import OBJECTIVES, Labels, contrastive, denoising
from ttc_agents.training.recipes import find_recipe
from ttc_envs import Instances, make_task

STEPS = [1, 2, 4, 8, 16, 32, 64]
FEW = 32
KEPT = ("solved", "falls", "auc")


def mixed(trace: Trace, labels: Labels, free: Tensor | None = None) -> Tensor:
    """Both objectives, with equal weights."""
    return contrastive(trace, labels, free) + denoising(trace, labels, free)


# {name: entries of the recipe}
CELLS: dict[str, dict[str, Any]] = {
    "cross_entropy": {},
    "contrastive": {},
    "denoising": {"segment_steps": 1},
    "mixed": {},
}


def row(name: str, size: int, seed: int, seconds: float, instances: Instances) -> dict[str, Any]:
    """One objective with one seed."""
    recipe = find_recipe(f"sudoku{size}-energy").replaced(seed=seed, objective=name, **CELLS[name])
    task = make_task(recipe.env_id, **recipe.task)
    model = trained(recipe, task, seconds)
    with full_float32(model):
        found = descent(model, task, instances, STEPS)
        energies, violated = corruptions(model, task, instances[:FEW])
    kept = {part: found[part] for part in KEPT}
    return kept | {"rank_correlation": rank_correlation(energies, violated)}


def main() -> None:
    """Train and measure every objective with every seed."""
    parser = of_trainings(arguments(__doc__, "by-objective", count=200), seconds=8.0)
    parser.add_argument("--size", type=int, default=4, choices=(4, 6))
    parser.add_argument("--only", help="objectives, with commas between; all where none is named")
    options = parser.parse_args()
    if options.out == parser.get_default("out"):
        options.out = RESULTS / f"by-objective-{options.size}.json"
    OBJECTIVES["mixed"] = mixed
    recipe = find_recipe(f"sudoku{options.size}-energy")
    task = make_task(recipe.env_id, **recipe.task, split="validation")
    instances = task.sample(np.arange(options.count, dtype=np.uint64), options.level)
    names = options.only.split(",") if options.only else list(CELLS)
    write(
        options,
        rows={
            name: [
                row(name, options.size, seed, options.seconds, instances)
                for seed in range(options.seeds)
            ]
            for name in names
        },
    )


if __name__ == "__main__":
    main()
