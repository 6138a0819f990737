"""Where do the states of a model come to rest, and does rest tell right answers from wrong ones?

    python experiments/deq_test_time/rest.py sudoku-deq-cpu runs/deq9/recipe-0

For each checkpoint, on our own validation puzzles of 9x9:

- the share that is solved and the share at rest (residual below `REST`) by step;
- how well the residual, the doubt (one minus the least confidence of a free node) and the spectral
  radius of the map tell wrong answers from right ones: the chance that a wrong one has more of it
  (AUC; 0.5 tells nothing), of all rows and of rows at rest;
- what each rule of acceptance takes, and how much of that is wrong;
- rows that stop by themselves, each where its residual is first below a threshold: the mean number
  of calls of f and the share solved there, beside a fixed number of steps for all;
- from `--starts` random first states: how often the answer is the same as from the model's own.

Writes results/rest-NAME-LEVEL.json; the last line on stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ttc_agents.evaluation.intervals import share
from ttc_agents.implicit.diagnostics import spectral_radius
from ttc_agents.inference.checkpoint import load_model, load_task
from ttc_agents.inference.refine import Step, refine
from ttc_agents.models import RefinementModel
from ttc_agents.models.base import to_batch
from ttc_envs import UNDECIDED, Instances, Task

RESULTS = Path(__file__).parent / "results"
DEPTHS, START_DEPTH = (16, 32, 64, 128, 256, 512, 1024), 256
REST, DOUBT = 1e-3, 0.1
STOPS = (1e-1, 1e-2, 1e-3)


def auc(low: np.ndarray, high: np.ndarray) -> float | None:
    """The chance that a number of the second is larger than one of the first, half for equals."""
    if not len(low) or not len(high):
        return None
    below = (low[:, None] < high).mean() + (low[:, None] == high).mean() / 2
    return float(below)


def part(chosen: np.ndarray, of: np.ndarray) -> dict[str, float | int] | None:
    """The share of `of` (n,) bool that is chosen; None where there is none."""
    return share(int((chosen & of).sum()), int(of.sum())) if of.any() else None


class Stop:
    """Rows that stop by themselves, where their residual is first below a threshold.

    Args:
        tol: The threshold.
        count: Rows.
    """

    def __init__(self, tol: float, count: int) -> None:
        self.tol, self.used = tol, np.zeros(count)
        self.solved, self.going = np.zeros(count, dtype=bool), np.ones(count, dtype=bool)

    def see(self, number: int, step: Step, solved: np.ndarray) -> None:
        """Look at a step: what goes on has used it."""
        assert step.residual is not None
        self.used[self.going] = number
        self.solved[self.going] = solved[self.going]
        self.going &= ~(step.residual < self.tol)

    def to_json(self) -> dict[str, Any]:
        """Mean calls, and the share solved with its interval."""
        solved = share(int(self.solved.sum()), len(self.solved))
        return {"mean_calls": float(self.used.mean()), **solved}


def by_step(model: RefinementModel, task: Task, instances: Instances) -> dict[str, Any]:
    """One trajectory of each instance: what holds at some depths, and where rows stop."""
    count, depths = len(instances), dict[str, Any]()
    stops = [Stop(tol, count) for tol in STOPS]
    for number, step in enumerate(refine(model, task, instances, DEPTHS[-1]), start=1):
        solved = task.score(instances, step.answer)["solved"].astype(bool) & step.finite
        for stop in stops:
            stop.see(number, step, solved)
        if number in DEPTHS:
            depths[str(number)] = at(task, instances, step, solved)
    radii = radius(model, instances, step)
    last = measures(task, instances, step) | {"radius": radii}
    groups = {"all": solved | ~solved, "at_rest": last["residual"] < REST}
    return {
        "steps": depths,
        "stops": {f"{stop.tol:g}": stop.to_json() for stop in stops},
        "wrong_against_right": {
            name: {
                group: auc(values[rows & solved], values[rows & ~solved])
                for group, rows in groups.items()
            }
            for name, values in last.items()
        },
        "radius": {"right": median(radii[solved]), "wrong": median(radii[~solved])},
    }


def median(values: np.ndarray) -> float | None:
    """Of some numbers; None where there is none."""
    return float(np.median(values)) if len(values) else None


def radius(model: RefinementModel, instances: Instances, step: Step) -> np.ndarray:
    """(n,) spectral radius of the map at the states of a step."""
    assert step.state is not None
    with torch.no_grad():
        context = model.encode(to_batch(instances.fields))
    return spectral_radius(*model.linearized(context, step.state)).numpy()


def measures(task: Task, instances: Instances, step: Step) -> dict[str, np.ndarray]:
    """(n,) each: the residual, and the doubt."""
    assert step.residual is not None
    assert step.confidence is not None
    free = instances.fields[str(task.spec.given_field)] == UNDECIDED
    doubt = 1 - np.where(free, step.confidence, 1.0).min(1)
    return {"residual": step.residual, "doubt": doubt}


def at(task: Task, instances: Instances, step: Step, solved: np.ndarray) -> dict[str, Any]:
    """What holds after a step: shares, AUC, and what rules of acceptance take."""
    known = measures(task, instances, step)
    rest, sure = known["residual"] < REST, known["doubt"] < DOUBT
    rules = {"residual": rest, "confidence": sure, "both": rest & sure}
    return {
        "solved": share(int(solved.sum()), len(solved)),
        "rest": share(int(rest.sum()), len(rest)),
        "auc": {name: auc(values[solved], values[~solved]) for name, values in known.items()},
        "accepted": {
            name: {
                "taken": share(int(taken.sum()), len(taken)),
                "wrong": part(~solved, taken),
                "of_right": part(taken, solved),
            }
            for name, taken in rules.items()
        },
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
        found = {"level": options.level, "count": options.count, **by_step(model, task, instances)}
        found["random_starts"] = same_answer(model, task, instances[: options.few], options.starts)
        document[name] = found
        out = RESULTS / f"rest-{Path(name).name}-{options.level}.json"
        out.write_text(json.dumps(found) + "\n")
        print(name, json.dumps(found), flush=True)
    print(json.dumps(document))


if __name__ == "__main__":
    main()
