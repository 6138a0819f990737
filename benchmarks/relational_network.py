"""Training throughput of the relational network on 9x9 Sudoku, on one core.

One update is 8 refinement steps of a batch with the loss at each, forward and backward, and the
step of the optimizer. The forms are run in turns, so that a busy machine slows all of them alike;
`ratio` compares medians with the paper's equations as they stand (`paper_edges`):

- `paper_edges`: the paper's dimensions, messages along edges by `torch_geometric`;
- `paper_dense`: the same function of the same weights, with factored messages;
- `one_layer_edges`, `one_layer_dense`: messages with one hidden layer, in both forms.

    python benchmarks/relational_network.py
    python benchmarks/relational_network.py --repeats 9 --batch-size 32

The last line on stdout is one JSON document; puzzles per second of process CPU time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time

# Before torch is imported: one thread, since process CPU time adds threads up.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from ttc_agents.models import RelationalNetwork
from ttc_agents.models.base import to_batch
from ttc_agents.training.objectives import stepwise_cross_entropy
from ttc_envs import SudokuTask

FORMS = {
    "paper_edges": {"messages": "edges"},
    "paper_dense": {"messages": "dense"},
    "one_layer_edges": {"messages": "edges", "message_layers": 1},
    "one_layer_dense": {"messages": "dense", "message_layers": 1},
}


class Training:
    """A model on one batch, to be updated again and again."""

    def __init__(self, options: dict[str, object], batch_size: int, num_steps: int) -> None:
        task = SudokuTask(size=9)
        drawn = task.sample(np.arange(batch_size, dtype=np.uint64), "minimal")
        self.batch, self.num_steps = to_batch(drawn.fields), num_steps
        self.labels = {"answer": torch.as_tensor(drawn.labels["answer"]).long()}
        torch.manual_seed(0)
        self.model = RelationalNetwork(task.spec, **options)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3)

    def rate(self) -> float:
        """Puzzles per CPU second of one update."""
        start = time.process_time()
        self.optimizer.zero_grad()
        logits = self.model(self.batch, self.num_steps).logits
        stepwise_cross_entropy(logits, self.labels).backward()
        self.optimizer.step()
        return len(self.labels["answer"]) / (time.process_time() - start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--num-steps", type=int, default=8)
    args = parser.parse_args()
    torch.set_num_threads(1)
    trainings = {
        name: Training(options, args.batch_size, args.num_steps) for name, options in FORMS.items()
    }
    rates: dict[str, list[float]] = {name: [] for name in FORMS}
    for repeat in range(args.repeats + 1):
        for name, training in trainings.items():
            rate = training.rate()
            if repeat > 0:  # the first one warms up
                rates[name].append(rate)
                print(f"{name:16} {rate:7.1f} puzzles/s", flush=True)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    figures = {
        name: {
            "puzzles_per_s": round(median, 1),
            "low": round(min(rates[name]), 1),
            "high": round(max(rates[name]), 1),
            "ratio": round(median / medians["paper_edges"], 2),
            "parameters": sum(p.numel() for p in trainings[name].model.parameters()),
        }
        for name, median in medians.items()
    }
    print(json.dumps({"benchmark": "relational_network", **vars(args), "forms": figures}))


if __name__ == "__main__":
    main()
