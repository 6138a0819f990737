"""What is the gradient of a state worth? By its age and its residual, against a long unrolled one.

    python experiments/deq_test_time/cosine.py runs/deq9/recipe-0

The states of some validation puzzles are followed to the depths `AGES`. At each, and for each
puzzle by itself, the gradient of the loss of the last of `LONG` damped steps from there is the
truth. Its cosine with: the implicit gradient; that of one step and of eight (phantom); and the
mixed one of eight, as trained. A mean over puzzles hides what residuals say, so every puzzle has
its row. Writes results/cosine-NAME.json; the last line on stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ttc_agents.implicit import Anderson, Implicit, Mixed, Phantom, Picard
from ttc_agents.implicit.solvers import evaluate, solve
from ttc_agents.inference.checkpoint import load_model, load_task
from ttc_agents.models import Equilibrium
from ttc_agents.models.base import Batch, free_nodes, to_batch
from ttc_agents.training.data import read_labels
from ttc_agents.training.objectives import stepwise_cross_entropy
from ttc_envs import Instances, Task

RESULTS = Path(__file__).parent / "results"
AGES, LONG, SETTLED = (8, 32, 128, 512), 128, 1e-2
EXACT = Implicit(Anderson(), 100, 1e-4)


class Row:
    """One puzzle, and the gradients of its states.

    Args:
        model: The equilibrium.
        task: Its task.
        instance: One instance.
    """

    def __init__(self, model: Equilibrium, task: Task, instance: Instances) -> None:
        self.model, self.labels = model, read_labels(instance)
        self.batch: Batch = to_batch(instance.fields)
        self.free = free_nodes(task.spec, self.batch)

    def gradient(self, z: Tensor, how: Any) -> Tensor:
        """Of the loss at what `how` makes of the state z (1, ...)."""
        self.model.zero_grad()
        context = self.model.encode(self.batch)
        f = self.model.map(context)
        solution = solve(Picard(self.model.damping), f, z, 1, 0.0, gradient=how)
        logits = self.model.inner.readout(context["inner"], solution.value)
        stepwise_cross_entropy(logits[None], self.labels, self.free).backward()
        parts = [p.grad.flatten() for p in self.model.parameters() if p.grad is not None]
        return torch.cat(parts)

    def ages(self) -> dict[int, Tensor]:
        """The states at some depths."""
        steps = self.model.iterate(self.batch, AGES[-1])
        with torch.no_grad():
            return {age: z for age, (_, z) in enumerate(steps, start=1) if age in AGES}

    def measured(self, age: int, z: Tensor) -> dict[str, float]:
        """Residual and cosines at a state."""
        damping = self.model.damping
        truth = self.gradient(z, Phantom(LONG, damping))
        ways = {
            "implicit": EXACT,
            "phantom 1": Phantom(1, damping),
            "phantom 8": Phantom(8, damping),
            "mixed 8": Mixed(8, damping, SETTLED, EXACT),
        }
        with torch.no_grad():
            f = self.model.map(self.model.encode(self.batch))
            residual = float(evaluate(f, z)[1])
        found = {name: self.gradient(z, how) for name, how in ways.items()}
        cosines = {
            name: float(torch.cosine_similarity(gradient, truth, dim=0))
            for name, gradient in found.items()
        }
        return {"age": age, "residual": residual, "norm": float(truth.norm()), **cosines}


def summary(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Median and mean cosines of rows at rest and of rows on the way."""
    names = ("implicit", "phantom 1", "phantom 8", "mixed 8")
    groups = {
        "at rest": [row for row in rows if row["residual"] < SETTLED],
        "on the way": [row for row in rows if row["residual"] >= SETTLED],
    }
    return {
        group: {
            "rows": len(chosen),
            **{
                name: [float(np.median(values)), float(np.mean(values))]
                for name in names
                if len(values := [row[name] for row in chosen])
            },
        }
        for group, chosen in groups.items()
    }


def main() -> None:
    """Measure one checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("--level", default="minimal")
    parser.add_argument("--count", type=int, default=12)
    options = parser.parse_args()
    torch.set_num_threads(1)
    RESULTS.mkdir(exist_ok=True)
    task = load_task(options.checkpoint, "validation")
    model: Any = load_model(options.checkpoint, spec=task.spec)
    instances = task.sample(np.arange(options.count, dtype=np.uint64), options.level)
    rows = []
    for i in range(options.count):
        row = Row(model, task, instances[i : i + 1])
        rows += [row.measured(age, z) for age, z in row.ages().items()]
    document = {"checkpoint": Path(options.checkpoint).name, **summary(rows), "rows": rows}
    (RESULTS / f"cosine-{document['checkpoint']}.json").write_text(json.dumps(document) + "\n")
    print(json.dumps({k: v for k, v in document.items() if k != "rows"}))


if __name__ == "__main__":
    main()
