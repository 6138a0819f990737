"""How many steps help by the grade of a Sudoku, as the solver of the task measures it.

    .venv/bin/python experiments/limits/by_grade.py sudoku-cpu --count 600 --steps 1024

Minimal puzzles of the test split are divided by what they take a classical solver: rounds of
parallel singles where these suffice, else guesses. Each part is a family of one sweep (P1), whose
rows say: solved after 8 steps, best solved share and the first step within a point of it, the share
at the last step, how many rows rest there (residual below 1e-3), and what the last step gains over
8. Writes results/sudoku-grades.json; the last line on stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np

from ttc_agents.evaluation import SweepResult, sweep
from ttc_agents.evaluation.intervals import share
from ttc_agents.inference.checkpoint import load_model, load_task
from ttc_envs import Instances
from ttc_envs.tasks.sudoku.solver import grade

RESULTS = Path(__file__).parent / "results"
ROUNDS, GUESSES = (1, 7, 10, 99), (1, 2, 4, 8, 10**6)
"""Edges of the parts: from one up to, but without, the next."""
REST, FEW, TOLERANCE = 1e-3, 8, 0.01


def parts_of(rounds: np.ndarray, guesses: np.ndarray) -> dict[str, np.ndarray]:
    """{part: rows} by rounds (n,) and guesses (n,); empty parts are left out."""
    found = {}
    for name, values, edges, rows in (
        ("rounds", rounds, ROUNDS, guesses == 0),
        ("guesses", guesses, GUESSES, guesses > 0),
    ):
        for low, high in itertools.pairwise(edges):
            chosen = np.flatnonzero(rows & (values >= low) & (values < high))
            last = f"-{high - 1}" if high < edges[-1] else " or more"
            if len(chosen):
                found[f"{name}={low}{last if high - low > 1 else ''}"] = chosen
    return found


def row_of(result: SweepResult, family: str) -> dict[str, Any]:
    """What a part of the puzzles says."""
    solved = result.solved["p1"][family]
    residual = result.records["p1"][family][0].residual
    steps, counts, n = result.steps, solved.sum(0), len(solved)
    best = int(np.flatnonzero(counts >= counts.max() - TOLERANCE * n)[0])
    few = share(int(counts[steps.index(FEW)]), n)
    return {
        "n": n,
        "few": few,
        "best": share(int(counts.max()), n),
        "best_step": steps[best],
        "last": share(int(counts[-1]), n),
        "at_rest": share(int((residual[:, -1] < REST).sum()), n),
        "gain": counts[-1] / n - few["solved"],
    }


def percent(entry: dict[str, Any]) -> str:
    """A share with its interval."""
    return f"{100 * entry['solved']:.1f} ({100 * entry['low']:.0f}-{100 * entry['high']:.0f})"


def main() -> None:
    """Sweep and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--steps", type=int, default=1024, help="the last of 1, 2, 4, ...")
    parser.add_argument("--level", default="minimal")
    parser.add_argument("--out", type=Path, default=RESULTS / "sudoku-grades.json")
    arguments = parser.parse_args()
    task = load_task(arguments.checkpoint, "test")
    instances: Instances = task.sample(np.arange(arguments.count, dtype=np.uint64), arguments.level)
    size = round(task.spec.num_nodes**0.5)
    rounds, guesses = grade(instances.fields["givens"], size)
    families = {name: instances[rows] for name, rows in parts_of(rounds, guesses).items()}
    steps = [2**i for i in range(arguments.steps.bit_length())]
    result = sweep(load_model(arguments.checkpoint), task, families, steps, classical=())
    rows = {family: row_of(result, family) for family in families}
    print("| part | n | 8 steps | best | at step | last | at rest | gain over 8 |")
    print("|---|---|---|---|---|---|---|---|")
    for family, row in rows.items():
        shares = [percent(row[name]) for name in ("few", "best", "last", "at_rest")]
        shares.insert(2, str(row["best_step"]))
        print(f"| {family} | {row['n']} | {' | '.join(shares)} | {100 * row['gain']:+.1f} |")
    document = {"settings": vars(arguments) | {"out": None}, "steps": steps, "parts": rows}
    document["rows"] = result.to_json()["rows"]
    arguments.out.write_text(json.dumps(document) + "\n")
    print(json.dumps(document))


if __name__ == "__main__":
    main()
