"""What a memory with product keys costs a transformer of 4 layers and width 128, at batch 32.

Each row puts a memory in place of one of the four perceptrons; `added` is the parameters that this
adds, in times those of the plain model. Two times are compared with the plain model's: `step`, one
refinement step (all four blocks and the readout), and `training`, a step forward and backward. All
rows are run in turns, so that a busy machine slows them alike; medians of process CPU time on one
thread.

    python benchmarks/product_keys.py
    python benchmarks/product_keys.py --keys 272 592 --heads 1 --top 4 --repeats 9

The last line on stdout is one JSON document.
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

from ttc_agents.models import Transformer
from ttc_agents.models.base import to_batch
from ttc_envs import make_task


class Contestant:
    """A model on one batch.

    Args:
        memory: Arguments of its memory, or None.
        batch_size: Instances.
    """

    def __init__(self, memory: dict[str, int] | None, batch_size: int) -> None:
        task = make_task("ttc/ShortestPathUSA-v0")
        torch.manual_seed(0)
        self.model = Transformer(task.spec, width=128, heads=4, layers=4, memory=memory)
        keys = np.arange(batch_size, dtype=np.uint64)
        self.batch = to_batch(task.sample(keys, "any").fields)
        self.parameters = sum(p.numel() for p in self.model.parameters())
        self.times: dict[str, list[float]] = {"step": [], "training": []}

    def measure(self) -> None:
        """Both times, once."""
        model = self.model
        with torch.no_grad():
            context = model.encode(self.batch)
            z = model.initial_state(context)
            start = time.process_time()
            model.readout(context, model.step(context, z))
            self.times["step"].append(time.process_time() - start)
        context = {**context, "x": context["x"].clone().requires_grad_()}
        model.zero_grad()
        start = time.process_time()
        model.readout(context, model.step(context, z)).square().mean().backward()
        self.times["training"].append(time.process_time() - start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, nargs="+", default=[272, 592])
    parser.add_argument("--heads", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--top", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--batch-size", type=int, default=32)
    args = parser.parse_args()
    torch.set_num_threads(1)
    plain = Contestant(None, args.batch_size)
    rows = {
        f"keys={keys} heads={heads} top={top}": Contestant(
            {"keys": keys, "heads": heads, "top": top}, args.batch_size
        )
        for keys in args.keys
        for heads in args.heads
        for top in args.top
    }
    for repeat in range(args.repeats + 1):
        for row in (plain, *rows.values()):
            row.measure()
            if not repeat:  # the first one warms up
                row.times = {"step": [], "training": []}
    medians = {name: statistics.median(times) for name, times in plain.times.items()}
    figures = {}
    for name, row in rows.items():
        ratios = {kind: statistics.median(row.times[kind]) / medians[kind] for kind in medians}
        added = row.parameters / plain.parameters - 1
        figures[name] = {"added": round(added, 1), **{k: round(r, 3) for k, r in ratios.items()}}
        print(f"{name:24} {added:5.1f} times the parameters added, time x {ratios}", flush=True)
    document = {
        "benchmark": "product_keys",
        **vars(args),
        "plain_parameters": plain.parameters,
        "plain_ms": {name: round(1000 * median, 2) for name, median in medians.items()},
        "rows": figures,
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
