"""Implicit gradients in rows that are at rest, and those of some steps in all others."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ttc_agents.implicit.gradients.implicit import Implicit, ImplicitValue
from ttc_agents.implicit.gradients.phantom import moved, valued
from ttc_agents.implicit.rows import surely_all
from ttc_agents.implicit.solvers import (
    BackwardReport,
    Kept,
    Map,
    Solution,
    Solver,
    at_least_one,
    careful,
    check_damping,
    evaluate,
    solve,
)


@dataclass(frozen=True)
class Mixed:
    """Implicit where a row is at rest, some differentiated steps where it is not.

    All rows take some damped steps from the solution, which are differentiated. Where the first of
    them begins at rest, its cotangent w is replaced by the u of the implicit function theorem: the
    gradient is exact, and the steps after it change nothing. In other rows, and where the backward
    equation has not been solved, it is the gradient of the steps (`Phantom`). Memory is that of the
    steps.

    When to use it: where solves are too short for some rows, as in training with few steps and
    carried states. `Implicit` would there take the gradient of a fixed point where there is none.

    Args:
        steps: How many.
        damping: In (0, 1].
        settled: Residual below which a row counts as at rest.
        implicit: Solves the backward equation. Rows that it would discard keep the gradient of the
            steps.
    """

    steps: int = 5
    damping: float = 1.0
    settled: float = 0.05
    implicit: Implicit = field(default_factory=Implicit)

    def __post_init__(self) -> None:
        """Refuse options out of range."""
        check_damping(self.damping)
        at_least_one(steps=self.steps)
        if self.implicit.twice:
            raise ValueError("mixed gradients have no gradients: implicit.twice must be False")

    def __call__(
        self, solver: Solver, f: Map, z0: Tensor, max_steps: int, tol: float, trajectory: Kept
    ) -> Solution:
        """Solve without gradient, then step with it."""
        solution = solve(solver, f, z0, max_steps, tol, trajectory)
        f = careful(f)
        first = self.first(f, solution)
        z = first.value
        for _ in range(self.steps - 1):
            z = moved(z, f(z), self.damping)
        return replace(first, value=valued(solution.value, z), residual=solution.residual)

    def first(self, f: Map, solution: Solution) -> Solution:
        """The solution after the first step, which is differentiable.

        Its residual is that of the point before the step, so that nothing needs to have been solved
        for rows at rest to be known.
        """
        point = solution.value.detach().requires_grad_(torch.is_grad_enabled())
        image = f(point)
        _, residual, _ = evaluate(lambda z: image.detach().to(z), point.detach())
        step = moved(point, image, self.damping)
        rows, report = residual < self.settled, BackwardReport()
        if step.requires_grad and not surely_all(~rows):
            step = ImplicitValue.apply(step, point, step, rows, self.implicit, report)
        return replace(solution, value=step, residual=residual, backward=report)
