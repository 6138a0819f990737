"""What else a trained energy is used for: other optimizers, and acceptance in the branching search.

    .venv/bin/python experiments/energy/uses.py DIR ... --count 100

Each DIR is a checkpoint of one random seed of a recipe with an energy. Instances are of the
validation split: the first `--count` are searched, the next `--count` say where energies lie.

- Optimizers: solved share after `--steps` of each of `descent.DESCENTS`.
- Acceptance: a branching search accepts boards by confidence (above 0.98), or by energy (below the
  99% quantile of the energies of those instances of the second part that one descent solves), each
  without doubt and with it. What counts is how many accepted answers are wrong.

Writes results/NAME.json; the last line on stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from ttc_agents.evaluation.intervals import share
from ttc_agents.inference.boards import search
from ttc_agents.inference.checkpoint import load_model, load_task
from ttc_agents.inference.descent import DESCENTS, Descent
from ttc_agents.inference.precision import full_float32
from ttc_agents.inference.refine import refine
from ttc_agents.inference.search import Branching, LowEnergy
from ttc_agents.models.base import RefinementModel
from ttc_envs import Instances, Task

RESULTS = Path(__file__).parent / "results"
SOLVED = 0.99
"""Quantile of the energies of solved instances below which a board is accepted."""
DOUBTS = 3


def optimizers(
    model: RefinementModel, task: Task, instances: Instances, steps: int
) -> dict[str, Any]:
    """Solved share after so many steps of each optimizer."""
    rows = {}
    for name, optimizer in DESCENTS.items():
        *_, last = refine(Descent(model, optimizer), task, instances, steps)
        solved = task.score(instances, last.answer)["solved"].astype(bool) & last.finite
        rows[name] = share(int(solved.sum()), len(solved))
    return rows


def threshold(model: RefinementModel, task: Task, instances: Instances, steps: int) -> float:
    """The energy per free node that most solved instances lie below."""
    *_, last = refine(model, task, instances, steps)
    assert last.judge is not None
    solved = task.score(instances, last.answer)["solved"].astype(bool)
    return float(np.quantile(last.judge()[solved], SOLVED))


def acceptance(
    model: RefinementModel, task: Task, instances: Instances, below: float, budget: int
) -> dict[str, Any]:
    """Solved, accepted and wrongly accepted shares by each judge."""
    rows = {}
    for name, judge in (("confidence", None), ("energy", LowEnergy(below))):
        for doubts in (0, DOUBTS):
            how = Branching(judge=judge, doubts=doubts)
            trees = search(model, task, instances, budget, how)
            answers = np.stack([tree.answer for tree in trees])
            solved = task.score(instances, answers)["solved"].astype(bool)
            accepted = np.array([tree.accepted for tree in trees])
            rows[f"{name}, {doubts} doubts"] = {
                "solved": share(int(solved.sum()), len(solved)),
                "accepted": int(accepted.sum()),
                "falsely accepted": int((accepted & ~solved).sum()),
                "mean steps": float(np.mean([tree.used for tree in trees])),
            }
    return rows


def measured(path: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Everything of one checkpoint."""
    model, task = load_model(path), load_task(path, "validation")
    keys = np.arange(2 * options.count, dtype=np.uint64)
    instances = task.sample(keys, options.level)
    first, second = instances[: options.count], instances[options.count :]
    with full_float32(model):
        below = threshold(model, task, second, options.steps)
        return {
            "below": below,
            "optimizers": optimizers(model, task, first, options.steps),
            "acceptance": acceptance(model, task, first, below, options.budget),
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", nargs="+", type=Path)
    parser.add_argument("--level", default="minimal")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--budget", type=int, default=1024)
    parser.add_argument("--out", type=Path, default=RESULTS / "uses.json")
    options = parser.parse_args()
    runs = {path.name: measured(path, options) for path in options.checkpoints}
    settings = {name: str(value) for name, value in vars(options).items()}
    document = {"settings": settings, "runs": runs}
    options.out.write_text(json.dumps(document) + "\n")
    print(json.dumps(document))


if __name__ == "__main__":
    main()
