"""Calls of the map against torchdeq, where that is installed."""

import math

import pytest

from ttc_agents.implicit import SOLVERS, solve
from ttc_agents.implicit.problems import SOLVABLE

CAP, TOL = 300, 1e-6


def calls_of(run, problem):
    """Calls until all rows are there; the cap where they never are."""
    calls = []

    def f(z):
        calls.append(1)
        return problem.map(z)

    return len(calls) if run(f, problem.z0) else CAP


@pytest.mark.parametrize(("name", "share"), [("anderson", 0.8), ("broyden", 1.05)])
def test_no_more_calls_than_torchdeq(name, share):
    theirs = pytest.importorskip("torchdeq.solver").get_solver(name)

    def ours(f, z0):
        return solve(SOLVERS[name](), f, z0, CAP, TOL).converged.all()

    def other(f, z0):
        found = theirs(f, z0, max_iter=CAP, tol=TOL, stop_mode="rel")[2]
        return (found["rel_lowest"] < TOL).all()

    ratios = [calls_of(ours, p) / calls_of(other, p) for p in SOLVABLE.values()]
    assert math.exp(sum(map(math.log, ratios)) / len(ratios)) < share
