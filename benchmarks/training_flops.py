"""Floating-point operations of an update, counted on a CPU, and what a GPU would need for them.

An update of a few instances is counted (`training.flops`) and scaled to the batch of the recipe;
all products of matrices are linear in it. Where a model has layouts, it is counted in the first of
them, which devices without another choice compute. Rows of a comparison are named FILE.py:NAME.

    python benchmarks/training_flops.py sudoku9-gpu-20min city-lstm-gpu
    python benchmarks/training_flops.py experiments/recurrence/preset.py:study_paths_gpu
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

import torch

from ttc_agents.comparison.plan import Comparison
from ttc_agents.names import find
from ttc_agents.training.flops import counted
from ttc_agents.training.recipe import Recipe
from ttc_agents.training.recipes import find_recipe
from ttc_agents.training.update import Training
from ttc_envs import make_task

FEW = 4
GPU_RATE = 330e12
"""A third of the bf16 rate of an H100."""


def recipes(name: str) -> Iterator[tuple[str, Recipe]]:
    """The recipe of a name, or those of the rows of a comparison that train one."""
    if ":" not in name:
        yield name, find_recipe(name)
        return
    comparison: Comparison = find("comparison", name, {})
    for table in comparison.tables.values():
        for row in table.rows:
            if "recipe" in row.options:
                recipe = find_recipe(row.options["recipe"])
                own = {"env_id": table.env_id, "level": table.level, "task": table.task}
                yield row.name, recipe.replaced(**{**own, **row.options.get("changes", {})})


def flops_of(recipe: Recipe) -> float:
    """Of an update with the whole batch."""
    small = recipe.replaced(
        seconds=None, updates=2, batch_size=FEW, precision="float32", compile="off", first=None
    )
    training = Training(small, make_task(small.env_id, **small.task), say=lambda line: None)
    for layout in training.model.layouts[:1]:
        training.model.lay_out(layout)
    return counted(lambda: training.update(0.0))[1] * recipe.batch_size / FEW


def main() -> None:
    """Count each, and print one JSON document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="+", help="recipes, or FILE.py:NAME of comparisons")
    torch.set_num_threads(1)
    found = {}
    for name in parser.parse_args().names:
        for label, recipe in recipes(name):
            flops = flops_of(recipe)
            found[label] = {"flops": flops, "ms_at_gpu_rate": 1000 * flops / GPU_RATE}
            print(f"{label}: {flops:.2e} FLOPs an update, batch {recipe.batch_size}", flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
