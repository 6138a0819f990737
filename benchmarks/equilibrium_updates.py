"""Updates of equilibria and of their unrolled twin in equal time: in turns, in one process.

    python benchmarks/equilibrium_updates.py --updates 60

Every row trains the network of `sudoku9-cpu-2min` on the same levels, batch and steps; equilibria
begin with the weights of `sudoku-deq-cpu`, so that rows come to rest. After `--before` updates that
are not counted each row makes one update in turn, so that a busy machine is as busy for all.
Milliseconds are CPU time of this process on one thread. `steps` is the length of the backward solve
(the slowest row), `residual` and `converged` are means over rows. The last line on stdout is one
JSON document; `ratio` is updates in equal time against the twin, by medians.
"""

from __future__ import annotations

import argparse
import json
import time
from statistics import mean, median
from typing import Any

import torch

from ttc_agents.inference.checkpoint import find_checkpoint
from ttc_agents.models import Trace
from ttc_agents.training.engine import Engine
from ttc_agents.training.objectives import Labels
from ttc_agents.training.recipes import RECIPES, Recipe, as_equilibrium
from ttc_agents.training.update import Training
from ttc_envs import make_task

TWIN = RECIPES["sudoku9-cpu-2min"].replaced(precision="float32", restart=0.15)
COLD = ("model_options.warm_backward=false", "model_options.backward_max_steps=6")
IMPLICIT = RECIPES["sudoku9-deq-implicit-cpu-5min"]
ROWS: dict[str, Recipe] = {
    "unrolled": TWIN,
    "mixed": as_equilibrium(TWIN),
    "mixed, cold": as_equilibrium(TWIN).changed(COLD),
    "steps alone": as_equilibrium(TWIN).changed(("model_options.settled=0.0",)),
    "implicit": IMPLICIT,
}


class Watched(Training):
    """A training that keeps its last trace, the time of its updates and what they solved."""

    trace: Trace

    def refine(self, engine: Engine) -> tuple[Trace, Labels]:
        """As in the base."""
        self.trace, labels = super().refine(engine)
        return self.trace, labels

    def measured(self) -> dict[str, float]:
        """One update: its milliseconds, and its backward solve where there was one."""
        begin = time.process_time()
        self.update(0.9)
        found = {"ms": 1e3 * (time.process_time() - begin)}
        report = None if self.trace.solver is None else self.trace.solver.backward
        if report is not None and report.num_steps is not None:
            found["steps"] = float(report.num_steps.max())
            found["residual"] = float(report.residual.clamp(max=1).mean())
            found["converged"] = float(report.converged.float().mean())
        return found


def begun(recipe: Recipe, before: int) -> Watched:
    """A training after some updates."""
    task = make_task(recipe.env_id, **recipe.task)
    training = Watched(recipe, task, say=lambda line: None)
    if recipe.model == "equilibrium":
        training.take_over(find_checkpoint("sudoku-deq-cpu"))
    for _ in range(before):
        training.update(0.9)
    return training


def main() -> None:
    """All rows in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; none: all")
    parser.add_argument("--updates", type=int, default=60)
    parser.add_argument("--before", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = options.rows or list(ROWS)
    trainings = {name: begun(ROWS[name], options.before) for name in names}
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(options.updates):
        for name, training in trainings.items():
            seen[name].append(training.measured())
    rows = {name: summary(updates) for name, updates in seen.items()}
    twin = rows.get("unrolled")
    for name, row in rows.items():
        if twin is not None:
            row["ratio"] = twin["ms"] / row["ms"]
        print(f"{name:>12}", {key: round(value, 3) for key, value in row.items()})
    print(json.dumps({"updates": options.updates, "rows": rows}))


def summary(updates: list[dict[str, float]]) -> dict[str, Any]:
    """Median milliseconds, and means of what is there of the rest."""
    row = {"ms": median(update["ms"] for update in updates)}
    for name in ("steps", "residual", "converged"):
        values = [update[name] for update in updates if name in update]
        if values:
            row[name] = mean(values)
    return row


if __name__ == "__main__":
    main()
