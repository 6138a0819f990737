"""How long the recipe `sudoku4-demo` takes from scratch until 99% of fresh 4x4 puzzles are solved.

After every tenth update the averaged weights are put to 500 validation puzzles for 64 steps; only
training counts. Three seeds, process CPU time with one thread, the median.

    python benchmarks/sudoku4_learning.py
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np
import torch

from ttc_agents.inference.checkpoint import split_task
from ttc_agents.inference.refine import solved_share
from ttc_agents.training.loop import Hook, Metrics, StopRequest, run
from ttc_agents.training.recipes import RECIPES, Recipe
from ttc_agents.training.update import Training
from ttc_envs import make_task

WANTED, PUZZLES, STEPS, EVERY = 0.99, 500, 64, 10


class UntilLearnt(Hook):
    """Measures the averaged weights after every tenth update.

    Args:
        recipe: Says what is trained.
        stop: What ends the training once they are good enough.
    """

    counted = False

    def __init__(self, recipe: Recipe, stop: StopRequest) -> None:
        self.task, self.stop = split_task(recipe.env_id, recipe.task, "validation"), stop
        self.instances = self.task.sample(np.arange(PUZZLES, dtype=np.uint64), recipe.level)

    def after_update(self, training: Training, metrics: Metrics, done: float) -> Metrics:
        """Measure where it is time to."""
        if training.updates % EVERY == 0:
            share = solved_share(training.averaged_model(), self.task, self.instances, STEPS)
            self.stop.requested = share >= WANTED
        return {}


def seconds_to_learn(recipe: Recipe) -> float:
    """CPU seconds of training, or infinity where the length of the recipe does not suffice."""
    training, stop = Training(recipe, make_task(recipe.env_id, **recipe.task)), StopRequest()
    hooks = [UntilLearnt(recipe, stop)]
    spent = run(training, recipe.length, hooks, stop=stop, clock=time.process_time)
    return spent.seconds if stop.requested else float("inf")


def main() -> None:
    """Train three times and print one JSON document."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    torch.set_num_threads(1)
    recipe = RECIPES["sudoku4-demo"].replaced(precision="float32")
    seconds = [seconds_to_learn(recipe.replaced(seed=seed)) for seed in range(3)]
    print(json.dumps({"seconds": seconds, "median": statistics.median(seconds)}))


if __name__ == "__main__":
    main()
