"""How long the recipe `sudoku4-demo` takes from scratch until 99% of fresh 4x4 puzzles are solved.

After every tenth update the averaged weights are put to 500 validation puzzles for 64 steps; only
training counts. Three seeds, process CPU time with one thread, the median.

    python benchmarks/sudoku4_learning.py
"""

from __future__ import annotations

import copy
import dataclasses
import json
import statistics
import time

import numpy as np
import torch

from ttc_agents.models.base import to_batch
from ttc_agents.training.recipes import RECIPES, Recipe
from ttc_agents.training.state import Training
from ttc_envs import make_task

WANTED, PUZZLES, STEPS, EVERY, LIMIT = 0.99, 500, 64, 10, 120.0


def solved_share(training: Training) -> float:
    """The share of validation puzzles that the averaged weights solve."""
    task = make_task(training.recipe.env_id, split="validation")
    instances = task.sample(np.arange(PUZZLES, dtype=np.uint64), training.recipe.level)
    model = copy.deepcopy(training.model)
    model.load_state_dict(training.averaged_weights())
    with torch.inference_mode():
        *_, (logits, _) = model.iterate(to_batch(instances.fields), STEPS)
    return float(task.score(instances, logits.argmax(-1).numpy())["solved"].mean())


def seconds_to_learn(recipe: Recipe) -> float:
    """CPU seconds of training, or infinity after two minutes."""
    training = Training(recipe, make_task(recipe.env_id, **recipe.task), torch.device("cpu"))
    engine, spent = training.engine(print), 0.0
    while spent < LIMIT:
        start = time.process_time()
        for _ in range(EVERY):
            training.update(engine)
        spent += time.process_time() - start
        training.seconds = spent
        if solved_share(training) >= WANTED:
            return spent
    return float("inf")


def main() -> None:
    """Train three times and print one JSON document."""
    torch.set_num_threads(1)
    recipe = dataclasses.replace(RECIPES["sudoku4-demo"], precision="float32")
    seconds = [seconds_to_learn(dataclasses.replace(recipe, seed=seed)) for seed in range(3)]
    print(json.dumps({"seconds": seconds, "median": statistics.median(seconds)}))


if __name__ == "__main__":
    main()
