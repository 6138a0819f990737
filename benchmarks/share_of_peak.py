"""How much of the peak of one core the trainings reach: operations of matrix products per second.

Operations are counted in an update (`training.flops`), and the peak is what a large product of
float32 matrices reaches in the same process. Both are divided by process CPU time, so other work
on the machine counts little. Medians; peak and updates are measured in turn. One thread.

    python benchmarks/share_of_peak.py
    python benchmarks/share_of_peak.py --recipes sudoku9-cpu-30min --profile
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import profile

from ttc_agents.training.flops import counted
from ttc_agents.training.recipes import find_recipe
from ttc_agents.training.update import Training
from ttc_envs import make_task

RECIPES = (
    "sudoku9-cpu-30min",
    "sudoku9-rrn-cpu-60min",
    "shortest-path-cpu-20min",
    "sudoku9-deq-cpu-30min",
    "sudoku9-transformer-cpu-60min",
)
SIZE, SECONDS, WARM = 512, 12.0, 3


def cpu_seconds(work: Callable[[], Any]) -> float:
    """Process CPU time of something."""
    start = time.process_time()
    work()
    return time.process_time() - start


def begun(name: str) -> Training:
    """A training of a recipe in eager float32, after its first updates."""
    recipe = find_recipe(name).replaced(
        updates=10**6, precision="float32", compile="off", first=None
    )
    task = make_task(recipe.env_id, **recipe.task)
    training = Training(recipe, task, say=lambda line: None)
    for _ in range(WARM):
        training.update(0.5)
    return training


def share(name: str, seconds: float) -> dict[str, float]:
    """The share of the peak that a recipe reaches.

    Counting operations slows an update, so they are counted in a twin of the same seed. Updates of
    equilibria differ in depth; each one that is timed has its twin.
    """
    training, twin = begun(name), begun(name)
    a = torch.randn(SIZE, SIZE)
    rates, peaks = [], []
    end = time.process_time() + seconds
    while not rates or time.process_time() < end:
        flops = sum(counted(lambda: twin.update(0.5))[1] for _ in range(8))
        taken = cpu_seconds(lambda: [training.update(0.5) for _ in range(8)])
        peaks.append(2 * SIZE**3 * 20 / cpu_seconds(lambda: [a @ a for _ in range(20)]))
        rates.append(flops / taken)
    ratios = [rate / peak for rate, peak in zip(rates, peaks, strict=True)]
    return {
        "share": statistics.median(ratios),
        "gflops": statistics.median(rates) / 1e9,
        "peak_gflops": statistics.median(peaks) / 1e9,
        "seconds_per_update": flops / 8 / statistics.median(rates),
    }


def profiled(name: str) -> str:
    """A table of where eight updates spend their time."""
    training = begun(name)
    with profile() as found:
        for _ in range(8):
            training.update(0.5)
    return found.key_averages().table(sort_by="self_cpu_time_total", row_limit=25)


def main() -> None:
    """Measure each recipe, and print one JSON document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES))
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each recipe")
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.profile:
        for name in options.recipes:
            print(name, profiled(name), sep="\n")
        return
    found = {}
    for name in options.recipes:
        found[name] = share(name, options.seconds)
        print(f"{name}: {found[name]['share']:.2f} of the peak", flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
