"""Every id by Gymnasium's own benchmark utilities, in process CPU time: medians of repeats.

`gymnasium.utils.performance` steps with actions drawn from the action space, draws included, and
begins the next episode where one ends. It reads the clock by `time.time`; here that is the time of
the process, so that what else the machine does is not counted.

    python benchmarks/gymnasium_performance.py
    python benchmarks/gymnasium_performance.py --seconds 2 --only ttc/Sorting-v0

The last line on stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace

# Before numpy is imported: one thread, since process CPU time adds threads up.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import gymnasium as gym
from gymnasium.utils import performance

import ttc_envs

gym.register_envs(ttc_envs)
NUM_ENVS = 256


def measures(env_id: str, seconds: float) -> dict[str, Callable[[], float]]:
    """{name: a run that gives a rate per second} of an id."""
    env = gym.make(env_id)
    envs = gym.make_vec(env_id, num_envs=NUM_ENVS)
    shown = gym.make(env_id, render_mode="rgb_array")
    shown.reset(seed=0)
    return {
        "step": lambda: performance.benchmark_step(env, seconds, seed=0),
        "vector_step": lambda: performance.benchmark_vector_step(envs, seconds, seed=0),
        "init": lambda: performance.benchmark_init(lambda: gym.make(env_id), seconds, seed=0),
        "render": lambda: performance.benchmark_render(shown, seconds),
    }


def main() -> None:
    """Run the benchmarks and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = [name for name in ttc_envs.registered() if name.startswith("ttc/")]
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU time of a run; default 1")
    parser.add_argument("--repeats", type=int, default=3, help="default 3")
    parser.add_argument("--only", nargs="+", choices=known, default=known)
    options = parser.parse_args()
    vars(performance)["time"] = SimpleNamespace(time=time.process_time)
    results = {}
    for env_id in options.only:
        runs = measures(env_id, options.seconds)
        results[env_id] = {
            name: round(statistics.median(run() for _ in range(options.repeats)), 1)
            for name, run in runs.items()
        }
        print(env_id, results[env_id], flush=True)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
