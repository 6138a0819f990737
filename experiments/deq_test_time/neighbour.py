"""Does the equilibrium of a puzzle help with a puzzle that differs from it in one given?

    python experiments/deq_test_time/neighbour.py sudoku-deq-cpu --count 100

The neighbour of a validation puzzle has one given changed to another digit, and a single solution
again. Its solve begins at the model's own first state (cold), or where the solve of the first
puzzle has ended after `--depth` steps (warm); choices that only the change has opened begin at the
first state. By steps: the share solved; and the mean number of steps until the answer is right, and
until the residual is below `REST`, where rows that never get there count all of their steps.
Writes results/neighbour-NAME-LEVEL.json; the last line on stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ttc_agents.evaluation.intervals import share
from ttc_agents.inference.answers import Answers
from ttc_agents.inference.checkpoint import load_model, load_task
from ttc_agents.inference.refine import SMALLEST_NORM, norms, refine
from ttc_agents.models import RefinementModel
from ttc_agents.models.base import to_batch
from ttc_envs import UNDECIDED, Instances, Task

RESULTS = Path(__file__).parent / "results"
DEPTHS, REST = (4, 8, 16, 32, 64, 128, 256), 1e-3


def with_givens(task: Task, givens: np.ndarray) -> Instances:
    """The puzzles (n, N) of some givens, without answers."""
    keys, none = np.arange(len(givens), dtype=np.uint64), np.zeros_like(givens)
    return Instances(keys, {str(task.spec.given_field): givens}, {"answer": none})


def neighbour(task: Any, givens: np.ndarray, random: np.random.Generator) -> np.ndarray | None:
    """(N,) givens of which one is another digit, with a single solution; None: there are none."""
    cells = np.flatnonzero(givens != UNDECIDED)
    changed = np.repeat(givens[None], len(cells) * task.spec.num_choices, 0)
    rows = np.arange(len(changed))
    changed[rows, np.repeat(cells, task.spec.num_choices)] = rows % task.spec.num_choices
    changed = changed[(changed != givens).any(1)]
    single = changed[task.count_solutions(with_givens(task, changed)) == 1]
    return random.choice(single) if len(single) else None


def pairs(task: Any, count: int, level: str) -> tuple[Instances, Instances]:
    """Validation puzzles and their neighbours, as many as there are among `count`."""
    random = np.random.default_rng(0)
    first = task.sample(np.arange(count, dtype=np.uint64), level)
    found = [neighbour(task, row, random) for row in first.fields[str(task.spec.given_field)]]
    there = np.array([row is not None for row in found])
    second = with_givens(task, np.stack([row for row in found if row is not None]))
    second.labels["answer"] = task.solve(second)
    return first[there], second


@torch.no_grad()
def begun(model: RefinementModel, instances: Instances, z: Tensor) -> Tensor:
    """First states of puzzles: states z of others, the model's own for choices closed there."""
    own = model.initial_state(model.encode(to_batch(instances.fields)))
    return torch.where((z == 0).all(-1, keepdim=True), own, z)


@torch.no_grad()
def followed(model: RefinementModel, task: Task, instances: Instances, z: Tensor) -> dict[str, Any]:
    """One trajectory of each instance from the states z."""
    answers, context = Answers(task, instances), model.encode(to_batch(instances.fields))
    right, rest = (np.full(len(instances), DEPTHS[-1]) for _ in range(2))
    shares = {}
    for number, (logits, new) in enumerate(model.steps(context, z, DEPTHS[-1]), start=1):
        answers.apply(logits.argmax(-1).numpy())
        solved = task.score(instances, answers.answer)["solved"].astype(bool)
        size = norms(new).clamp_min(SMALLEST_NORM)
        resting = (norms(new - z) / size).numpy() < REST
        for first, holds in ((right, solved), (rest, resting)):
            first[holds] = np.minimum(first[holds], number)
        if number in DEPTHS:
            shares[str(number)] = share(int(solved.sum()), len(solved))
        z = new
    return {
        "solved": shares,
        "mean_steps_until_right": float(right.mean()),
        "median_steps_until_right": float(np.median(right)),
        "mean_steps_until_rest": float(rest.mean()),
    }


def main() -> None:
    """Solve neighbours cold and warm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("--level", default="minimal")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--depth", type=int, default=256, help="steps of the first solve")
    options = parser.parse_args()
    torch.set_num_threads(1)
    RESULTS.mkdir(exist_ok=True)
    task: Any = load_task(options.checkpoint, "validation")
    model = load_model(options.checkpoint, spec=task.spec)
    first, second = pairs(task, options.count, options.level)
    *_, ended = refine(model, task, first, options.depth)
    assert ended.state is not None
    cold = model.initial_state(model.encode(to_batch(second.fields)))
    document = {
        "level": options.level,
        "pairs": len(first),
        "changed": float((first.labels["answer"] != second.labels["answer"]).mean()),
        "cold": followed(model, task, second, cold),
        "warm": followed(model, task, second, begun(model, second, ended.state)),
    }
    name = f"neighbour-{Path(options.checkpoint).name}-{options.level}.json"
    (RESULTS / name).write_text(json.dumps(document) + "\n")
    print(json.dumps(document))


if __name__ == "__main__":
    main()
