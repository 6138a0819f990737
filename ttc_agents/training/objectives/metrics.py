"""What is reported of energies and of solvers."""

from __future__ import annotations

from torch import Tensor

from ttc_agents.models import Trace

NEAR = 0.2
"""Residual below which a solve came near: the tolerance of the solver is too strict a measure,
trainings that go well miss it."""


def energy_metrics(trace: Trace) -> dict[str, Tensor]:
    """Of a model that descends an energy, the mean `energy` of the answers before the last step.

    Of more than one step also `falls`, the share of steps in which the energy did not rise. Empty
    for other models.
    """
    if trace.energies is None:
        return {}
    before = trace.energies.before.detach()
    found = {"energy": before[-1].mean()}
    if len(before) > 1:
        found["falls"] = (before.diff(dim=0) <= 0).float().mean()
    return found


def solver_metrics(trace: Trace) -> dict[str, Tensor]:
    """Of a model that solves for a fixed point, after the backward pass, means over the rows.

    `residual` (1 where it is larger), `converged` and `settled` of the forward solve;
    `backward_residual`, `backward_converged` and `discarded`, the share whose gradient was left
    out, of the backward one. Empty for other models.
    """
    solver = trace.solver
    if solver is None:
        return {}
    found = {name: getattr(solver, name) for name in ("residual", "converged")}
    found["settled"] = solver.residual < NEAR
    report = solver.backward
    if report is not None:
        # A backward pass that has nothing to solve does not report, and changes nothing.
        zero = trace.logits.new_zeros(1)
        solved = report.residual, report.converged, report.discarded
        columns = (zero, zero + 1, zero) if report.residual is None else solved
        names = ("backward_residual", "backward_converged", "discarded")
        found |= dict(zip(names, columns, strict=True))
    return {name: v.detach().float().clamp(max=1).mean() for name, v in found.items()}
