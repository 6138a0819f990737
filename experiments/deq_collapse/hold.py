"""Does a cured training hold? Several seeds, five times as long as an uncured one takes to die.

    python experiments/deq_collapse/hold.py sudoku4-deq --seeds 0,1,2,3,4

Trains a recipe given in updates; the averaged weights are measured twenty times on the way, on 200
validation puzzles after `STEPS` steps, and in the end after 64 times the steps of a solve in
training. A run holds where it ends within two points of its best, and holds deep where the last
number does. Writes results/hold-RECIPE.json; the last line on stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from ttc_agents.evaluation.intervals import share
from ttc_agents.inference.checkpoint import split_task
from ttc_agents.inference.refine import solved_share
from ttc_agents.training.loop import Look, Metrics, run
from ttc_agents.training.recipes import RECIPES
from ttc_agents.training.train import alarms
from ttc_agents.training.update import Training
from ttc_envs import make_task

RESULTS = Path(__file__).parent / "results"
COUNT, STEPS, TIMES, LOOKS, SLACK = 200, 64, 64, 20, 0.02


def follow(name: str, seed: int) -> dict:
    """Train one seed and measure the averaged weights on the way."""
    recipe = RECIPES[name].replaced(seed=seed)
    training = Training(recipe, make_task(recipe.env_id, **recipe.task))
    validation = split_task(recipe.env_id, recipe.task, "validation")
    instances = validation.sample(np.arange(COUNT, dtype=np.uint64), recipe.levels()[0])
    curve: list[list[float]] = []

    def solved(steps: int) -> float:
        return solved_share(training.averaged_model(), validation, instances, steps)

    def look(training: Training, metrics: Metrics) -> None:
        curve.append([training.updates, solved(STEPS)])

    looks = Look(look, max(1, (recipe.updates or 0) // LOOKS))
    run(training, recipe.length, [*alarms(recipe), looks], clock=time.process_time)
    best, last = max(value for _, value in curve), curve[-1][1]
    deep = solved(TIMES * training.model.max_steps)
    found = {"seed": seed, "seconds": round(training.spent.seconds, 1), "curve": curve}
    found |= {"best": best, "last": last, "deep": deep, "rollbacks": float(training.rollbacks)}
    return found | {"holds": last >= best - SLACK, "holds_deep": deep >= best - SLACK}


def main() -> None:
    """Run all seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", choices=sorted(n for n, r in RECIPES.items() if r.updates))
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    runs = []
    for seed in map(int, arguments.seeds.split(",")):
        runs.append(follow(arguments.recipe, seed))
        document = {"recipe": RECIPES[arguments.recipe].to_json(), "puzzles": COUNT, "runs": runs}
        path = arguments.out / f"hold-{arguments.recipe}.json"
        path.write_text(json.dumps(document) + "\n")
        print({k: v for k, v in runs[-1].items() if k != "curve"}, flush=True)
    held = {k: share(sum(each[k] for each in runs), len(runs)) for k in ("holds", "holds_deep")}
    print(json.dumps(held))


if __name__ == "__main__":
    main()
