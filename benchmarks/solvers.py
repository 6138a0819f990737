"""Calls of f that each solver needs on the table of maps, beside torchdeq where it is installed.

All rows of a map have to reach the tolerance; a solver that does not counts with the cap. The
ratios are geometric means over the maps that one of the two solves. Calls are counted, nothing is
timed.

    python benchmarks/solvers.py
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ttc_agents.implicit import SOLVERS, solve
from ttc_agents.implicit.problems import SOLVABLE, Problem

CAP = 300
SETTINGS = ((torch.float64, 1e-7), (torch.float32, 1e-5), (torch.float32, 1e-3))
PEERS = {"picard": "fixed_point_iter", "anderson": "anderson", "broyden": "broyden"}

Run = Callable[[Callable[[Tensor], Tensor], Tensor, float], bool]


def ours(name: str) -> Run:
    """Whether all rows converge."""

    def run(f: Callable[[Tensor], Tensor], z0: Tensor, tol: float) -> bool:
        return bool(solve(SOLVERS[name](), f, z0, CAP, tol).converged.all())

    return run


def torchdeqs(name: str) -> Run:
    """The same for torchdeq's solver with its own defaults and relative residuals."""
    from torchdeq.solver import get_solver

    def run(f: Callable[[Tensor], Tensor], z0: Tensor, tol: float) -> bool:
        found = get_solver(PEERS[name])(f, z0, max_iter=CAP, tol=tol, stop_mode="rel")[2]
        return bool((found["rel_lowest"] < tol).all())

    return run


def calls_of(run: Run, problem: Problem, dtype: torch.dtype, tol: float) -> int:
    """Calls of the map; `CAP` where it is not solved."""
    calls = 0

    def f(z: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return problem.map(z)

    return calls if run(f, problem.z0.to(dtype), tol) else CAP


def table(make: Callable[[str], Run], names: list[str]) -> dict[str, Any]:
    """{setting: {solver: {map: calls}}}."""
    return {
        f"{str(dtype).removeprefix('torch.')} {tol:g}": {
            name: {key: calls_of(make(name), p, dtype, tol) for key, p in SOLVABLE.items()}
            for name in names
        }
        for dtype, tol in SETTINGS
    }


def ratio(mine: dict[str, int], theirs: dict[str, int]) -> float:
    """Geometric mean over the maps that one of the two solves."""
    logs = [math.log(mine[key] / theirs[key]) for key in mine if min(mine[key], theirs[key]) < CAP]
    return math.exp(sum(logs) / len(logs))


def main() -> None:
    """Count, and print one JSON document."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    torch.set_num_threads(1)
    mine = table(ours, list(SOLVERS))
    document: dict[str, Any] = {"cap": CAP, "calls": mine}
    try:
        theirs = table(torchdeqs, list(PEERS))
    except ModuleNotFoundError:
        print("torchdeq is not installed: no peer to compare with")
    else:
        document["torchdeq"] = theirs
        document["ratio"] = {
            setting: {name: ratio(mine[setting][name], rows[name]) for name in PEERS}
            for setting, rows in theirs.items()
        }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
