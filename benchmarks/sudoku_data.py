"""Throughput of Sudoku data: drawing from the bank, generating, solving, on one core.

    python benchmarks/sudoku_data.py
    python benchmarks/sudoku_data.py --plain      # as without numba

Process CPU time, median of the repeats; compilation and the first load of the bank are reported
apart. The last line is one JSON document: puzzles per second.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def seconds(function: Callable[[], Any]) -> float:
    """CPU time of one call."""
    start = time.process_time()
    function()
    return time.process_time() - start


def per_second(count: int, function: Callable[[int], Any], repeats: int) -> float:
    """Median rate of `function(repeat)`, which makes `count` puzzles."""
    return count / statistics.median(seconds(lambda r=r: function(r)) for r in range(repeats))


def measure(repeats: int) -> dict[str, float]:
    """All figures, by name."""
    from ttc_envs.tasks.sudoku import bank, files, generator, solver

    result = {"load_bank_seconds": seconds(lambda: bank.load_bank(9, "train"))}
    result["first_draw_seconds"] = seconds(lambda: bank.draw(np.arange(1), 9, "minimal"))
    result["first_solve_seconds"] = seconds(lambda: solver.solve(np.full((1, 81), -1), 9))
    result["first_generate_seconds"] = seconds(lambda: generator.generate(np.arange(1), 9))
    compiled = solver.load_kernels().numba is not None

    batch = 4096
    for level in ("minimal", "hard", "easy", "givens=17..34"):
        result[f"draw_{level}"] = per_second(
            batch, lambda r, k=level: bank.draw(np.arange(batch) + r * batch, 9, k), repeats
        )
    result["draw_one"] = per_second(
        200, lambda r: [bank.draw(np.arange(1) + r, 9, "minimal") for _ in range(200)], repeats
    )
    count = 1000 if compiled else 20
    for level in ("minimal", "givens=30"):
        result[f"generate_{level}"] = per_second(
            count,
            lambda r, k=level: generator.generate(np.arange(count) + r * count, 9, k),
            repeats,
        )
    count = 2000 if compiled else 100
    puzzles = bank.load_bank(9, "test").puzzles[:count]
    result["solve"] = per_second(count, lambda r: solver.solve(puzzles, 9), repeats)
    result["grade"] = per_second(count, lambda r: solver.grade(puzzles, 9), repeats)
    result["parallel_singles"] = per_second(
        count, lambda r: solver.parallel_singles(puzzles, puzzles, 9), repeats
    )
    text = ["".join(str(d + 1) for d in row) for row in puzzles]
    result["parse"] = per_second(count, lambda r: [files.parse_puzzle(t) for t in text], repeats)
    return {"numba": float(compiled), **result}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=9, help="default: %(default)s")
    parser.add_argument("--plain", action="store_true", help="leave numba out")
    options = parser.parse_args()
    if options.plain:
        sys.modules["numba"] = None  # type: ignore[assignment]
    print(json.dumps({k: float(f"{v:.4g}") for k, v in measure(options.repeats).items()}))


if __name__ == "__main__":
    main()
