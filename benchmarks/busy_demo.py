"""How far the demo comes beside one busy process per core, against the same machine without them.

Updates in so many seconds, quiet and busy in turn. Small operations of several threads wait for
each other on a busy machine; the training is to notice and to take one thread.

    python benchmarks/busy_demo.py --seconds 30 --pairs 3
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RECIPE = "sudoku9-cpu-2min"
TRAIN = """
import sys
from ttc_agents.training.train import train
result = train(sys.argv[1], sys.argv[2], seconds=float(sys.argv[3]), show=False)
print(result.updates)
"""
SPIN = "while True: pass"


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that do nothing but spin."""
    spinning = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(count)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def updates(recipe: str, seconds: float) -> int:
    """Updates of a training in a process of its own, whose threads nobody has limited."""
    environment = {name: v for name, v in os.environ.items() if name != "OMP_NUM_THREADS"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", TRAIN, recipe, str(Path(folder) / "out"), str(seconds)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure pairs, and print one JSON document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", default=RECIPE)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each training")
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    quiet, beside = [], []
    for _ in range(options.pairs):
        quiet.append(updates(options.recipe, options.seconds))
        with busy(cores):
            beside.append(updates(options.recipe, options.seconds))
        print(f"{quiet[-1]} updates quiet, {beside[-1]} beside {cores} processes", flush=True)
    ratio = statistics.median(b / max(1, q) for q, b in zip(quiet, beside, strict=True))
    print(json.dumps({"quiet": quiet, "busy": beside, "ratio": ratio, "cores": cores}))


if __name__ == "__main__":
    main()
