"""Places per second of beam search, with what was read kept and with all of it computed anew.

A causal transformer (width 128, 4 layers) writes paths of 128 slots over 512 places, more than the
122 that the largest maps need; the LSTM of the same width stands beside it. Both ways write the
same paths. Medians of process CPU time on one thread, in turns.

    python benchmarks/path_decoding.py
    python benchmarks/path_decoding.py --slots 48 --beam 1

The last line on stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import statistics
import time

# Before torch is imported: one thread, since process CPU time adds threads up.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from ttc_agents.models import CausalTransformer, RecurrentPath
from ttc_agents.models.base import to_batch
from ttc_agents.models.path_model import PathModel, Prefix
from ttc_envs import make_task


def rate(model: PathModel, batch: dict[str, torch.Tensor], beam: int, cache: bool) -> float:
    """Places written per CPU second, those of the best path of each instance."""
    if not cache:
        model = copy.copy(model)
        model.cache = lambda rows: Prefix(model)  # type: ignore[method-assign]
    start = time.process_time()
    paths = model.generate(batch, beam)
    return paths.numel() / (time.process_time() - start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--beam", type=int, default=10)
    parser.add_argument("--slots", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    task = make_task("ttc/ShortestPathUSA-v0", slots=args.slots)
    keys = np.arange(args.batch_size, dtype=np.uint64)
    batch = to_batch(task.sample(keys, "any").fields)
    torch.manual_seed(0)
    models: dict[str, PathModel] = {
        "causal_transformer": CausalTransformer(task.spec, width=128, layers=4).eval(),
        "recurrent_path": RecurrentPath(task.spec, width=128, layers=4).eval(),
    }
    rates: dict[str, dict[bool, list[float]]] = {n: {True: [], False: []} for n in models}
    for _ in range(args.repeats):
        for name, model in models.items():
            for cache in (True, False):
                rates[name][cache].append(rate(model, batch, args.beam, cache))
                print(f"{name} {cache=}: {rates[name][cache][-1]:.1f} places/s", flush=True)
    figures = {}
    for name, by_cache in rates.items():
        kept, anew = (statistics.median(by_cache[cache]) for cache in (True, False))
        figures[name] = {
            "cached_places_per_s": round(kept, 1),
            "recomputed_places_per_s": round(anew, 1),
            "ratio": round(kept / anew, 1),
        }
    print(json.dumps({"benchmark": "path_decoding", **vars(args), "models": figures}))


if __name__ == "__main__":
    main()
