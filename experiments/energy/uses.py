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

from pathlib import Path
from typing import Any

import numpy as np
from common import Options, arguments, instances_of, measure_all, of_checkpoints, solved

from ttc_agents.evaluation.intervals import share
from ttc_agents.inference.boards import search
from ttc_agents.inference.checkpoint import load_model, load_task
from ttc_agents.inference.descent import DESCENTS, Descent
from ttc_agents.inference.precision import full_float32
from ttc_agents.inference.refine import refine
from ttc_agents.inference.search import Branching, LowEnergy
from ttc_agents.models.base import RefinementModel
from ttc_envs import Instances, Task

SOLVED = 0.99
"""Quantile of the energies of solved instances below which a board is accepted."""
DOUBTS = 3


def optimizers(
    model: RefinementModel, task: Task, instances: Instances, steps: int
) -> dict[str, Any]:
    """Solved share after so many steps of each optimizer."""
    return {
        name: solved(Descent(model, optimizer), task, instances, [steps])[str(steps)]
        for name, optimizer in DESCENTS.items()
    }


def threshold(model: RefinementModel, task: Task, instances: Instances, steps: int) -> float:
    """The energy per free node that most solved instances lie below."""
    *_, last = refine(model, task, instances, steps)
    assert last.judge is not None
    right = task.score(instances, last.answer)["solved"].astype(bool)
    return float(np.quantile(last.judge()[right], SOLVED))


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
            right = task.score(instances, answers)["solved"].astype(bool)
            accepted = np.array([tree.accepted for tree in trees])
            rows[f"{name}, {doubts} doubts"] = {
                "solved": share(int(right.sum()), len(right)),
                "accepted": int(accepted.sum()),
                "falsely accepted": int((accepted & ~right).sum()),
                "mean steps": float(np.mean([tree.used for tree in trees])),
            }
    return rows


def measured(path: Path, options: Options) -> dict[str, Any]:
    """Everything of one checkpoint."""
    model, task = load_model(path), load_task(path, "validation")
    instances = instances_of(task, options, 2 * options.count)
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
    parser = of_checkpoints(arguments(__doc__, "uses", count=100))
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--budget", type=int, default=1024)
    measure_all(parser.parse_args(), measured)


if __name__ == "__main__":
    main()
