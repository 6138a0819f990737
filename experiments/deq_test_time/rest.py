"""Where do the states of a model come to rest, and does rest tell right answers from wrong ones?

    python experiments/deq_test_time/rest.py sudoku-deq-cpu runs/deq9/recipe-0

For each checkpoint, on our own validation puzzles of 9x9: the share that is solved and the share at
rest (residual below `REST`) by step, the steps until a row is at rest, and the chance that a wrong
answer has a larger residual than a right one (AUC; 0.5 tells nothing), beside that of confidence.
From `STARTS` random first states each of a few puzzles is solved again: how often the answer is the
same. Writes results/rest-NAME.json; the last line on stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ttc_agents.evaluation.intervals import share
from ttc_agents.inference.checkpoint import load_model, load_task
from ttc_agents.inference.refine import Step, refine
from ttc_agents.models import RefinementModel
from ttc_envs import UNDECIDED, Instances, Task

RESULTS = Path(__file__).parent / "results"
DEPTHS, REST, START_DEPTH = (64, 256, 1024), 1e-3, 256


def auc(low: np.ndarray, high: np.ndarray) -> float | None:
    """The chance that a number of the second is larger than one of the first, half for equals."""
    if not len(low) or not len(high):
        return None
    below = (low[:, None] < high).mean() + (low[:, None] == high).mean() / 2
    return float(below)


def by_step(model: RefinementModel, task: Task, instances: Instances) -> dict[str, Any]:
    """One trajectory of each instance: what holds at some depths, and when it came to rest."""
    count, found = len(instances), dict[str, Any]()
    used, resting = np.full(count, DEPTHS[-1]), np.zeros(count, dtype=bool)
    for number, step in enumerate(refine(model, task, instances, DEPTHS[-1]), start=1):
        assert step.residual is not None
        first = ~resting & (step.residual < REST)
        used[first], resting = number, resting | first
        if number in DEPTHS:
            found[str(number)] = at(task, instances, step)
    return found | {"mean_steps_to_rest": float(used.mean())}


def at(task: Task, instances: Instances, step: Step) -> dict[str, Any]:
    """What holds after a step."""
    assert step.residual is not None
    assert step.confidence is not None
    solved = task.score(instances, step.answer)["solved"] & step.finite
    free = instances.fields[str(task.spec.given_field)] == UNDECIDED
    doubt = 1 - np.where(free, step.confidence, 1.0).min(1)
    rest = step.residual < REST
    return {
        "solved": share(int(solved.sum()), len(solved)),
        "rest": share(int(rest.sum()), len(rest)),
        "wrong_of_rest": share(int((rest & ~solved).sum()), max(1, int(rest.sum()))),
        "auc_residual": auc(step.residual[solved], step.residual[~solved]),
        "auc_doubt": auc(doubt[solved], doubt[~solved]),
    }


def same_answer(
    model: RefinementModel, task: Task, instances: Instances, starts: int
) -> dict[str, Any]:
    """Of instances that are solved from the model's own first state: answers of random ones."""
    *_, own = refine(model, task, instances, START_DEPTH)
    solved = np.flatnonzero(task.score(instances, own.answer)["solved"])
    if not len(solved):
        return {"solved": 0}
    few, alike = instances[solved], np.zeros(len(solved), dtype=int)
    for seed in range(starts):
        generator = torch.Generator().manual_seed(seed)
        *_, other = refine(model, task, few, START_DEPTH, generator=generator)
        alike += (other.answer == own.answer[solved]).all(1)
    return {
        "solved": len(solved),
        "starts": starts,
        "same": share(int(alike.sum()), starts * len(solved)),
        "always": share(int((alike == starts).sum()), len(solved)),
    }


def main() -> None:
    """Measure every checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", nargs="+")
    parser.add_argument("--level", default="minimal")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--few", type=int, default=32, help="puzzles of the random starts")
    parser.add_argument("--starts", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    RESULTS.mkdir(exist_ok=True)
    document = {}
    for name in options.checkpoints:
        task = load_task(name, "validation")
        model = load_model(name, spec=task.spec)
        instances = task.sample(np.arange(options.count, dtype=np.uint64), options.level)
        found = {"level": options.level, "steps": by_step(model, task, instances)}
        found["random_starts"] = same_answer(model, task, instances[: options.few], options.starts)
        document[name] = found
        out = RESULTS / f"rest-{Path(name).name}-{options.level}.json"
        out.write_text(json.dumps(found) + "\n")
        print(name, json.dumps(found), flush=True)
    print(json.dumps(document))


if __name__ == "__main__":
    main()
