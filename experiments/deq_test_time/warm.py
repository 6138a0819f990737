"""Branching with warm starts: boards that begin at their parent's equilibrium, against cold ones.

    python experiments/deq_test_time/warm.py runs/deq9/recipe-0 --steps 8,16,32
    python experiments/deq_test_time/warm.py runs/deq9/recipe-0 --puzzles hard.csv --steps 16

A child of a board is the same puzzle with one more given, so its fixed point should be near. Both
searches accept by the rules (`p3-branch`) and differ in the first state of a board alone. Puzzles
are our own validation puzzles at `--level`, or those of a file. The last line on stdout is one JSON
document, and results/warm-NAME-PUZZLES.json holds it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ttc_agents.evaluation.families import read_file
from ttc_agents.evaluation.intervals import share
from ttc_agents.inference.boards import search
from ttc_agents.inference.checkpoint import load_model, load_task
from ttc_agents.inference.search import Branching
from ttc_agents.models import RefinementModel
from ttc_envs import Instances, Task

RESULTS = Path(__file__).parent / "results"


def searched(
    model: RefinementModel, task: Task, instances: Instances, budget: int, how: Branching
) -> dict[str, Any]:
    """What the searches of some instances came to."""
    trees = search(model, task, instances, budget, how, rules=True)
    answers = np.stack([tree.answer for tree in trees])
    solved = task.score(instances, answers)["solved"]
    used = np.array([tree.used for tree in trees])
    return {
        **share(int(solved.sum()), len(trees)),
        "mean_steps": float(used.mean()),
        "median_steps": float(np.median(used)),
        "mean_boards": float(np.mean([len(tree.boards) for tree in trees])),
        "steps": used.tolist(),
    }


def drawn(task: Task, options: argparse.Namespace) -> Instances:
    """The puzzles: of a file a random choice, else our own."""
    if options.puzzles is None:
        return task.sample(np.arange(options.count, dtype=np.uint64), options.level)
    whole = read_file(task, options.puzzles, False, print)
    rows = np.random.default_rng(0).permutation(len(whole))[: options.count]
    return whole[np.sort(rows)]


def main() -> None:
    """Search warm and cold with each number of steps a board."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("--level", default="extreme")
    parser.add_argument("--puzzles", type=Path, help="a file in the place of our own")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--steps", default="8,16,32", help="of a board at most")
    parser.add_argument("--starts", default="cold,warm")
    parser.add_argument("--budget", type=int, default=4096)
    options = parser.parse_args()
    torch.set_num_threads(1)
    RESULTS.mkdir(exist_ok=True)
    task = load_task(options.checkpoint, "validation" if options.puzzles is None else "test")
    model = load_model(options.checkpoint, spec=task.spec)
    instances = drawn(task, options)
    rows = {}
    for steps in map(int, options.steps.split(",")):
        for start in options.starts.split(","):
            how = Branching(steps=steps, warm=start == "warm")
            found = searched(model, task, instances, options.budget, how)
            rows[f"{start}, {steps} steps a board"] = found
            print(steps, start, json.dumps({k: v for k, v in found.items() if k != "steps"}))
    puzzles = options.level if options.puzzles is None else options.puzzles.name.partition(".")[0]
    document = {"puzzles": puzzles, "count": len(instances), "budget": options.budget, "rows": rows}
    name = f"warm-{Path(options.checkpoint).name}-{puzzles}.json"
    (RESULTS / name).write_text(json.dumps(document) + "\n")
    short = {k: {n: v for n, v in row.items() if n != "steps"} for k, row in rows.items()}
    print(json.dumps({**document, "rows": short}))


if __name__ == "__main__":
    main()
