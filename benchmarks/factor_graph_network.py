"""Training throughput of the factor-graph network against the plain autograd form of its equations.

One update: 16 puzzles of 17 to 34 givens, 8 refinement steps, a loss at every step, backward.
Both forms run in turn in one process; process CPU time, medians, one thread.

    python benchmarks/factor_graph_network.py
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ttc_agents.models.base import to_batch, to_tensor
from ttc_agents.models.factor_graph_network import FactorGraphNetwork, plain_forward
from ttc_agents.training.objectives import stepwise_cross_entropy
from ttc_envs import make_task

PUZZLES, STEPS, REPEATS = 16, 8, 9


def main() -> None:
    """Time both forms and print one JSON document."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    task = make_task("ttc/Sudoku-v0")
    instances = task.sample(np.arange(PUZZLES, dtype=np.uint64), "givens=17..34")
    batch, labels = to_batch(instances.fields), to_tensor(instances.labels["answer"])
    model = FactorGraphNetwork(task.spec)

    def update(forward: Callable[[], Tensor]) -> float:
        start = time.process_time()
        stepwise_cross_entropy(forward(), labels, batch["givens"] < 0).backward()
        return time.process_time() - start

    forms = {
        "network": lambda: model(batch, STEPS).logits,
        "plain": lambda: plain_forward(model, batch, STEPS),
    }
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    for repeat in range(REPEATS + 1):
        for name, forward in forms.items():
            taken = update(forward)
            if repeat:
                seconds[name].append(taken)
    rates = {name: PUZZLES / statistics.median(values) for name, values in seconds.items()}
    ratio = statistics.median(
        plain / ours for ours, plain in zip(seconds["network"], seconds["plain"], strict=True)
    )
    print(json.dumps({"puzzles_per_second": rates, "ratio": ratio, "steps": STEPS}))


if __name__ == "__main__":
    main()
