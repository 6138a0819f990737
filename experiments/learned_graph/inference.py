"""Greedy, sampled and several-graph inference while the graph of 9x9 is being found.

    python experiments/learned_graph/inference.py --seeds 0,1,2

The recipe `graph-9x9`, stopped now and then: 1,000 test boards with 60 givens are answered in one
step on the likeliest graph, on one graph drawn per board, and by the mean probabilities of 4 and 16
drawn graphs. Writes results/inference.json: shares of blank cells that are right. The last line on
stdout is the same document.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from measure import RESULTS, scores_of

from ttc_agents.models import AdjacencyLearner
from ttc_agents.models.base import free_nodes, to_batch
from ttc_agents.training.loop import Look, Metrics, run
from ttc_agents.training.recipes import RECIPES
from ttc_agents.training.update import Training
from ttc_envs import Instances, SudokuTask

BOARDS, STOPS, GRAPHS = 1000, (50, 100, 150, 200, 300, 450), (0, 1, 4, 16)


def right(model: AdjacencyLearner, boards: Instances, graphs: int) -> float:
    """The share of blank cells that are right with so many drawn graphs; 0: the likeliest."""
    model.test_graphs = graphs
    batch = to_batch(boards.fields)
    free = free_nodes(model.spec, batch)
    hits = []
    with torch.no_grad():
        for rows in torch.arange(BOARDS).split(100):
            part = {name: values[rows] for name, values in batch.items()}
            ((logits, _),) = model.iterate(part, 1)
            answer = torch.as_tensor(boards.labels["answer"][rows.numpy()]).long()
            hits.append((logits.argmax(-1) == answer)[free[rows]])
    model.test_graphs = 0
    return round(float(torch.cat(hits).float().mean()), 4)


def measured(training: Training, boards: Instances) -> dict:
    """What the graph and the answers are worth now."""
    row = {"seed": training.recipe.seed, "updates": training.updates, **scores_of(training)}
    model = training.model.eval()
    row["right"] = {str(count): right(model, boards, count) for count in GRAPHS}
    model.train()
    print(row, flush=True)
    return row


def main() -> None:
    """The curve of each seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    boards = SudokuTask(split="test").sample(np.arange(BOARDS, dtype=np.uint64), "givens=60")
    document = {"setting": "inference", "boards": BOARDS, "runs": []}

    def look(training: Training, metrics: Metrics) -> None:
        if training.updates in STOPS:
            document["runs"].append(measured(training, boards))

    for seed in map(int, arguments.seeds.split(",")):
        recipe = RECIPES["graph-9x9"].replaced(seed=seed, updates=STOPS[-1])
        run(Training(recipe, SudokuTask()), recipe.length, [Look(look)])
        (arguments.out / "inference.json").write_text(json.dumps(document) + "\n")
    print(json.dumps(document))


if __name__ == "__main__":
    main()
