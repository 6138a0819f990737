"""Solved puzzles against floating-point operations: depth, restarts, noise and branching.

    .venv/bin/python experiments/three_axes/axes.py sudoku-cpu --puzzles hard.csv --count 100

All four spend a budget of refinement steps per puzzle, and none reads the rules of Sudoku:

- `depth`: one trajectory (P1).
- `restarts`: eight trajectories from random first states share the budget; the answer is that of
  the smallest residual (P2).
- `noise`: the same, and after each step noise is added to the states, as large as a share of them.
- `branching`: a search over pins (p2-branch).

Operations are those of matrix products, two per multiply-add, as the checkpoint needs them for a
step and for the beginning of a trajectory or a board. The last line on stdout is one JSON document,
which `picture.py` draws: {"network", "cost", "families": {family: {axis: [entry]}}}, where an entry
has `budget`, `mean_flops`, `solved`, `n`, `low` and `high`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ttc_agents.evaluation.families import read_file
from ttc_agents.evaluation.sweep import sweep
from ttc_agents.inference.checkpoint import load_model, load_task
from ttc_agents.models import RefinementModel
from ttc_agents.models.base import Context
from ttc_agents.models.wrapper import Wrapper
from ttc_agents.training.flops import AnswerCost, answer_cost
from ttc_envs import Instances, Task

TRAJECTORIES, NOISE = 8, 0.1
DEPTHS = (16, 32, 64, 128, 256, 512, 1024, 2048)
BUDGETS = (64, 128, 256, 512, 1024, 2048, 4096, 8192)


class Noisy(Wrapper):
    """A model whose state is disturbed after each step, by a share of its root mean square."""

    def __init__(self, inner: RefinementModel, share: float) -> None:
        super().__init__(inner.spec, inner)
        self.share = share
        self.generator = torch.Generator().manual_seed(0)

    def step(self, context: Context, z: Tensor) -> Tensor:
        """A step of the inner model, and noise."""
        z = self.inner.step(context["inner"], z)
        size = z.square().mean().sqrt() * self.share
        return z + size * torch.randn(z.shape, generator=self.generator)


def axes(model: RefinementModel, task: Task, instances: Instances) -> dict[str, Any]:
    """{axis: [entry]} of one family."""
    cost, family = answer_cost(model, task, instances), {"": instances}
    shared = tuple(depth // TRAJECTORIES for depth in DEPTHS if depth >= TRAJECTORIES)
    one = sweep(model, task, family, DEPTHS, protocols=["p1"], classical=[])
    several, noisy = (
        sweep(
            own,
            task,
            family,
            shared,
            protocols=["p2"],
            classical=[],
            num_trajectories=TRAJECTORIES,
        )
        for own in (model, Noisy(model, NOISE).eval())
    )
    branching = sweep(model, task, family, BUDGETS, protocols=["p2-branch"], classical=[])
    return {
        "depth": entries(one.to_json()["rows"]["p1"][""], cost, 1),
        "restarts": entries(several.to_json()["rows"]["p2"][""], cost, TRAJECTORIES),
        "noise": entries(noisy.to_json()["rows"]["p2"][""], cost, TRAJECTORIES),
        "branching": [
            {"budget": int(budget), **entry}
            for budget, entry in branching.to_json()["rows"]["p2-branch"][""].items()
        ],
    }


def entries(by_step: dict[str, Any], cost: AnswerCost, trajectories: int) -> list[dict[str, Any]]:
    """Entries of trajectories that share budgets."""
    return [
        {
            "budget": int(step) * trajectories,
            "mean_flops": cost.of(int(step) * trajectories, trajectories),
            **entry,
        }
        for step, entry in by_step.items()
    ]


def main() -> None:
    """Measure every family."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("--puzzles", type=Path, nargs="+", required=True)
    parser.add_argument("--count", type=int, default=100)
    options = parser.parse_args()
    task, model = load_task(options.checkpoint, "test"), load_model(options.checkpoint)
    document: dict[str, Any] = {"network": Path(options.checkpoint).name, "families": {}}
    for path in options.puzzles:
        instances = read_file(task, path, False, print)[: options.count]
        document["cost"] = vars(answer_cost(model, task, instances))
        found = axes(model, task, instances)
        document["families"][path.name.partition(".")[0]] = found
        for axis, measured in found.items():
            curve = {e["budget"]: round(100 * e["solved"], 1) for e in measured}
            print(path.name, axis, json.dumps(curve), flush=True)
    print(json.dumps(document))


if __name__ == "__main__":
    main()
