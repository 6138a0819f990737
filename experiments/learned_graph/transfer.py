"""A graph learned on easy puzzles, frozen, and used by a larger network on the hardest ones.

    python experiments/learned_graph/transfer.py --seeds 0,1 --seconds 60

On 6x6: setting `6x6` of measure.py learns the graph with a counting network (two tables) on boards
with 16 to 32 of 36 cells given. A recurrent relational network of width 48 is then trained for so
many CPU seconds on `givens=8..16` on that graph, and another one alike on the task's own graph.
Both solve 500 minimal puzzles of the test split. Writes results/transfer.json; the last line on
stdout is the same document.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from measure import RESULTS, follow, recipe_of, refine_on

from ttc_agents.evaluation.intervals import wilson
from ttc_agents.evaluation.sweep import sweep
from ttc_agents.models.base import RefinementModel
from ttc_envs import SudokuTask

COUNT, STEPS = 500, (8, 16, 32, 64)
NETWORK = {"width": 48, "message_layers": 1}


def solved(model: RefinementModel, task: SudokuTask) -> dict[str, list[float]]:
    """{steps: solved % of minimal test puzzles, and its 95% interval}."""
    puzzles = task.sample(np.arange(COUNT, dtype=np.uint64), "minimal")
    found = sweep(model, task, {"minimal": puzzles}, STEPS, classical=())
    shares = found.solved["p1"]["minimal"].mean(0)
    return {
        str(step): [
            round(100 * float(v), 2) for v in (share, *wilson(round(float(share) * COUNT), COUNT))
        ]
        for step, share in zip(STEPS, shares, strict=True)
    }


def main() -> None:
    """Both graphs for each seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--seconds", type=float, default=60.0, help="CPU seconds of each network")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    task, test = SudokuTask(6), SudokuTask(6, split="test")
    document = {"setting": "transfer", "seconds": arguments.seconds, "runs": []}
    for seed in map(int, arguments.seeds.split(",")):
        run, training = follow(recipe_of("6x6", seed), 60.0)
        with torch.no_grad():
            found = training.model.eval().likely_graph(training.carried.batch)[0]
        row = {k: run[k] for k in ("seed", "edge_precision", "edge_recall")}
        graphs = {"learned": found, "true": torch.as_tensor(task.spec.neighbours).long()}
        for name, graph in graphs.items():
            model = refine_on(task, graph, NETWORK, "givens=8..16", seed, arguments.seconds)
            row[name] = solved(model, test)
        document["runs"].append(row)
        (arguments.out / "transfer.json").write_text(json.dumps(document) + "\n")
        print(row, flush=True)
    print(json.dumps(document))


if __name__ == "__main__":
    main()
