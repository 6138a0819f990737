"""The gradient of the implicit function theorem (Bai et al. 2019, arXiv 1909.01377, theorem 1).

With w = dL/dz* and J = df/dz at z*, the gradient is that of u' f(z*), where

    u = w + J' u

This is again a fixed point, of vector-Jacobian products, which any solver solves. Memory is that of
one call of f. Gradients of gradients (`twice`) apply the theorem to that equation in turn.

When to use it: where a solve ends at rest. On the way to a fixed point the theorem does not hold.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ttc_agents.implicit.anderson import Anderson
from ttc_agents.implicit.rows import chosen_rows, like, norms
from ttc_agents.implicit.solvers import BackwardReport, Kept, Map, Solution, Solver, careful, solve


@dataclass(frozen=True)
class Implicit:
    """Implicit function theorem.

    Args:
        solver: Solves the backward equation.
        max_steps: Its steps at most.
        tol: Its residual. A row that does not get there keeps the best u it has seen, in the worst
            case w itself, the gradient of a single step.
        discard_above: Rows whose backward residual is larger give no gradient; None keeps all.
        twice: Gradients of gradients are possible, at twice the memory.
    """

    solver: Solver = field(default_factory=Anderson)
    max_steps: int = 60
    tol: float = 1e-6
    discard_above: float | None = None
    twice: bool = False

    def __call__(
        self, solver: Solver, f: Map, z0: Tensor, max_steps: int, tol: float, trajectory: Kept
    ) -> Solution:
        """Solve without gradient, then attach one call of f."""
        solution = solve(solver, f, z0, max_steps, tol, trajectory)
        return self.attach(f, solution)

    def attach(self, f: Map, solution: Solution) -> Solution:
        """The same solution, its value differentiable, with a report to be filled in."""
        if not torch.is_grad_enabled():
            return solution
        report = BackwardReport()
        f = careful(f)
        point = solution.value.detach().requires_grad_()
        image = f(point)
        if not image.requires_grad:
            return solution
        if self.twice:
            once = replace(self, twice=False)
            point = ImplicitValue.apply(image, point, point, None, once, report)
            image = f(point)
        value = ImplicitValue.apply(image, point, point, None, self, report)
        return replace(solution, value=value, backward=report)

    def cotangent(
        self, vjp: Map, w: Tensor, report: BackwardReport, rows: Tensor | None = None
    ) -> Tensor:
        """The u (B, ...) that solves u = w + J' u, J' u being `vjp(u)`; the report is filled in.

        Args:
            vjp: (B, ...) -> (B, ...).
            w: (B, ...).
            report: Of the solve; its adjoint says where to begin.
            rows: (B,) bool, those that have an equation; elsewhere, and where it is not solved
                well enough to be kept, u is w. None: all have one, and a u not kept is 0.
        """
        start = w if rows is None else torch.where(like(rows, w), w, 0.0)
        begin = warm(start, report.adjoint)
        found = solve(self.solver, lambda u: start + vjp(u), begin, self.max_steps, self.tol)
        if report.adjoint is not None:
            report.adjoint.copy_(found.value)
        report.residual, report.num_steps = found.residual, found.num_steps
        report.converged = found.converged
        limit = torch.inf if self.discard_above is None else self.discard_above
        lost = found.residual > limit
        report.discarded = lost if rows is None else torch.zeros_like(lost)
        if rows is None:
            return torch.where(like(lost, w), 0.0, found.value)
        return torch.where(like(rows & ~lost, w), found.value, w)


def warm(start: Tensor, adjoint: Tensor | None) -> Tensor:
    """Where to begin: at the adjoint (B, ...), in rows where there is none at `start` (B, ...)."""
    if adjoint is None:
        return start
    there = (norms(adjoint) > 0) & (norms(start) > 0)
    return chosen_rows(there, adjoint, start)


class ImplicitValue(torch.autograd.Function):
    """A value at a fixed point, whose gradient is that of the implicit function theorem.

    The value is the point, or its image, which is the same where the point is fixed. Rows that are
    not chosen pass the gradient on to the image as it comes.

    With `twice` the point is itself such a value, so that what the gradient owes to it can be
    differentiated. The gradient that reaches the point through the image is taken back: u already
    accounts for it.
    """

    @staticmethod
    def forward(
        ctx: Any,
        image: Tensor,
        point: Tensor,
        value: Tensor,
        rows: Tensor | None,
        how: Implicit,
        report: BackwardReport,
    ) -> Tensor:
        """The value; `image` is f(point), whose graph leads to the parameters.

        Args:
            ctx: What `backward` reads.
            image: (B, ...).
            point: (B, ...).
            value: (B, ...), one of the two.
            rows: (B,) bool, those at rest; None: all.
            how: Solves the backward equation.
            report: Filled in.
        """
        ctx.image, ctx.point, ctx.rows, ctx.how, ctx.report = image, point, rows, how, report
        return value.detach().clone()

    @staticmethod
    def backward(ctx: Any, w: Tensor) -> tuple[Tensor | None, ...]:
        """From dL/dz* to the cotangent u of f(z*)."""
        image, point, how, report = ctx.image, ctx.point, ctx.how, ctx.report
        again = torch.is_grad_enabled()

        def vjp(u: Tensor) -> Tensor:
            return pulled_back(image, point, u, retain_graph=True)

        def differentiable(u: Tensor) -> Tensor:
            return pulled_back(image, point, u, create_graph=True)

        if not how.twice:
            if again and w.any():
                raise RuntimeError(
                    "this gradient of a fixed point is not differentiable: gradients of gradients "
                    "need Implicit(twice=True), and there is nothing beyond the second"
                )
            u = how.cotangent(vjp, w, report, ctx.rows) if w.any() else w
            return u, *NOTHING
        u = how.cotangent(vjp, w, report)
        if again:
            found = Solution(u, w, w, w)
            once = replace(how, twice=False)
            solved = once.attach(lambda u: w + differentiable(u), found)
            u = torch.where(like(report.discarded, u), 0.0, solved.value)
        return u, -(differentiable if again else vjp)(u), *NOTHING[1:]


NOTHING = (None,) * 5
"""The gradients of the other arguments."""


def pulled_back(image: Tensor, point: Tensor, u: Tensor, **options: bool) -> Tensor:
    """J' u, zero where the image does not depend on the point."""
    if not image.requires_grad:
        return torch.zeros_like(point)
    (product,) = torch.autograd.grad(
        image, point, u, allow_unused=True, materialize_grads=True, **options
    )
    return product
