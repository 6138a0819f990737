"""What the network contributes to a branching search: the search with something else in its place.

    .venv/bin/python experiments/three_axes/controls.py sudoku-cpu --puzzles hard.csv --count 100

- `network`: the checkpoint.
- `singles`: parallel naked and hidden singles, the classical refinement step of Sudoku, look ahead
  in the place of the network; what they leave open is uniform over what the filled cells allow.
- `random weights`: the same architecture, untrained.
- `random cell`: the checkpoint, but the cell to branch on is any free one.

All are accepted by the rules (`p3-branch`). Boards are what to compare, since a step of singles
costs next to nothing. Beside them stand the guesses of the exact solver on the same puzzles. The
last line on stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from ttc_agents.evaluation.families import read_file
from ttc_agents.evaluation.intervals import share
from ttc_agents.inference.boards import search
from ttc_agents.inference.checkpoint import load_config, load_model, load_task
from ttc_agents.inference.search import Branching
from ttc_agents.inference.tree import Tree
from ttc_agents.models import RefinementModel, make_model
from ttc_agents.models.base import Batch, Context
from ttc_agents.models.layers import GroupTables
from ttc_envs import UNDECIDED, Instances, Task
from ttc_envs.tasks.sudoku.solver import grade

CERTAIN = 20.0


class Singles(RefinementModel):
    """The classical refinement step of a task with constraint groups, as if it were a network.

    The state is the answer (B, N). Where a node has no choice left, the logits are not finite.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(task.spec)
        self.task, self.given = task, str(task.spec.given_field)
        self.tables = GroupTables(task.spec)

    def encode(self, batch: Batch) -> Context:
        """The instances of the task."""
        givens = batch[self.given]
        fields = {self.given: givens.numpy().astype(self.task.spec.fields[self.given].dtype)}
        keys = np.zeros(len(givens), dtype=np.uint64)
        return {"instances": Instances(keys, fields, {}), "givens": givens}

    def initial_state(self, context: Context, generator: torch.Generator | None = None) -> Tensor:
        """The givens."""
        return context["givens"].float()

    def step(self, context: Context, z: Tensor) -> Tensor:
        """One round of parallel singles."""
        answer = z.numpy().astype(self.task.spec.answer_dtype)
        return torch.from_numpy(self.task.improve(context["instances"], answer)).float()

    def readout(self, context: Context, z: Tensor) -> Tensor:
        """Certain where decided; else uniform over what no group excludes."""
        answer = z.long()
        held = torch.nn.functional.one_hot(answer.clamp(min=0), self.spec.num_choices)
        held = held * (answer != UNDECIDED)[..., None]
        possible = self.tables.open_choices(held.flatten(1)).view(held.shape)
        logits = torch.where(possible, 0.0, -CERTAIN)
        logits = torch.where(possible.any(-1, keepdim=True), logits, torch.nan)
        decided = CERTAIN * (2.0 * held - 1.0)
        return torch.where((answer == UNDECIDED)[..., None], logits, decided)


def any_cell(probability: np.ndarray, free: np.ndarray, possible: float) -> int:
    """A free node drawn at random, always the same for the same probabilities."""
    random = np.random.default_rng(crc32(probability.tobytes()))
    return int(random.choice(np.flatnonzero(free)))


def untrained(checkpoint: str, task: Task) -> RefinementModel:
    """The architecture of a checkpoint with its first weights."""
    config = load_config(checkpoint)
    torch.manual_seed(0)
    return make_model(config["model"], task.spec, config["model_options"])


def row(task: Task, instances: Instances, trees: list[Tree]) -> dict[str, Any]:
    """What searches came to: solved share, boards and steps, meant over instances."""
    answers = np.stack([tree.answer for tree in trees])
    solved = int(task.score(instances, answers)["solved"].sum())
    boards = [len(tree.boards) for tree in trees]
    return {
        **share(solved, len(trees)),
        "mean_boards": float(np.mean(boards)),
        "median_boards": float(np.median(boards)),
        "mean_steps": float(np.mean([tree.used for tree in trees])),
    }


def controls(checkpoint: str, task: Task, instances: Instances, budget: int) -> dict[str, Any]:
    """All rows on one family."""
    how = Branching()
    model = load_model(checkpoint, spec=task.spec)
    rows: dict[str, Callable[[], list[Tree]]] = {
        "network": lambda: search(model, task, instances, budget, how, rules=True),
        "singles": lambda: search(Singles(task), task, instances, budget, how, rules=True),
        "random weights": lambda: search(
            untrained(checkpoint, task), task, instances, budget, how, rules=True
        ),
        "random cell": lambda: search(
            model, task, instances, budget, replace(how, choose=any_cell), rules=True
        ),
    }
    found = {name: row(task, instances, work()) for name, work in rows.items()}
    guesses = grade(instances.fields[str(task.spec.given_field)], 9)[1]
    return {**found, "exact solver": {"mean_guesses": float(guesses.mean())}}


def main() -> None:
    """Measure every family."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("--puzzles", type=Path, nargs="+", required=True)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--budget", type=int, default=16_384)
    options = parser.parse_args()
    task = load_task(options.checkpoint, "test")
    document: dict[str, Any] = {"budget": options.budget, "families": {}}
    for path in options.puzzles:
        instances = read_file(task, path, False, print)[: options.count]
        found = controls(options.checkpoint, task, instances, options.budget)
        document["families"][path.name.partition(".")[0]] = found
        for name, numbers in found.items():
            print(path.name, name, json.dumps(numbers), flush=True)
    print(json.dumps(document))


if __name__ == "__main__":
    main()
