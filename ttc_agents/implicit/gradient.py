"""Gradients of a fixed point z* = f(z*), whichever solver found it.

- `Implicit`: the implicit function theorem. With w = dL/dz* and J = df/dz at z*, the gradient is
  that of u' f(z*), where u = w + J' u (Bai et al. 2019, arXiv 1909.01377, theorem 1): again a
  fixed point, of vector-Jacobian products, which any solver solves. Memory is that of one call of
  f. Gradients of gradients (`twice`) apply the theorem to that equation in turn.
- `Phantom`: some damped steps from z* are differentiated as they are (Geng et al. 2021, arXiv
  2111.05177).
- `Mixed`: implicit in rows that are at rest, and some steps in all others, in one batch.
- `Unrolled`: the solver's own steps are differentiated, all of them. Rows that stop early, where
  plain steps contract, are differentiated through such steps for the rest: a row that begins at its
  fixed point would else have no gradient, and one that begins near it too small a one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ttc_agents.implicit.anderson import Anderson
from ttc_agents.implicit.solvers import (
    BackwardReport,
    Gradient,
    Kept,
    Map,
    Solution,
    Solver,
    at_least_one,
    careful,
    check_damping,
    chosen_rows,
    evaluate,
    largest,
    like,
    norms,
    run,
    solve,
    surely_all,
)


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
            report: Of the solve.
            rows: (B,) bool, those that have an equation; elsewhere, and where it is not solved
                well enough to be kept, u is w. None: all have one, and a u not kept is 0.
        """
        start = w if rows is None else torch.where(like(rows, w), w, 0.0)
        found = solve(self.solver, lambda u: start + vjp(u), start, self.max_steps, self.tol)
        report.residual, report.num_steps = found.residual, found.num_steps
        report.converged = found.converged
        limit = torch.inf if self.discard_above is None else self.discard_above
        lost = found.residual > limit
        report.discarded = lost if rows is None else torch.zeros_like(lost)
        if rows is None:
            return torch.where(like(lost, w), 0.0, found.value)
        return torch.where(like(rows & ~lost, w), found.value, w)


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


@dataclass(frozen=True)
class Phantom:
    """Differentiates some damped steps from the fixed point.

    Args:
        steps: How many.
        damping: In (0, 1].
    """

    steps: int = 5
    damping: float = 1.0

    def __post_init__(self) -> None:
        """Refuse options out of range."""
        check_damping(self.damping)
        at_least_one(steps=self.steps)

    def __call__(
        self, solver: Solver, f: Map, z0: Tensor, max_steps: int, tol: float, trajectory: Kept
    ) -> Solution:
        """Solve without gradient, then step with it."""
        solution = solve(solver, f, z0, max_steps, tol, trajectory)
        f = careful(f)
        z = solution.value
        for _ in range(self.steps):
            z = moved(z, f(z), self.damping)
        return replace(solution, value=valued(solution.value, z))


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


def moved(z: Tensor, image: Tensor, damping: float) -> Tensor:
    """The point after a damped step from z to its image."""
    image = image.to(z.dtype)
    return image if damping == 1 else torch.lerp(z, image, damping)


def valued(value: Tensor, z: Tensor) -> Tensor:
    """The value (B, ...), with the gradient of z in the rows where that is finite.

    The residual of a solution is that of its value; that of further steps is another one.
    """
    usable = z.detach().flatten(1).isfinite().all(1) if z.dim() > 1 else z.detach().isfinite()
    steps = torch.where(like(usable, z), z, value)
    return value.detach() + (steps - steps.detach())


@dataclass(frozen=True)
class Unrolled:
    """Differentiates `max_steps` steps, which memory is proportional to.

    They are the solver's own until a row stops, and plain ones z <- f(z) from there on, in rows
    where those contract.
    """

    def __call__(
        self, solver: Solver, f: Map, z0: Tensor, max_steps: int, tol: float, trajectory: Kept
    ) -> Solution:
        """Solve with gradient."""
        f = careful(f)
        solution = run(solver, f, z0, max_steps, tol, trajectory)
        left = (max_steps - solution.num_steps) * solution.converged
        most = largest(left) if torch.is_grad_enabled() else 0
        if not most:
            return solution
        left = left * contracting(f, solution.value, most)
        z = solution.value
        for step in range(largest(left)):
            z = chosen_rows(left > step, f(z).to(z.dtype), z)
        return replace(solution, value=valued(solution.value, z))


def contracting(f: Map, value: Tensor, steps: int) -> Tensor:
    """Whether so many plain steps bring (B, ...) and points beside it closer together: (B,) bool.

    They must also end where a step changes little: an unstable point may lie beside a stable cycle.
    """
    with torch.no_grad():
        generator = torch.Generator(value.device).manual_seed(0)
        noise = torch.randn(value.shape, generator=generator, device=value.device).to(value)
        small = torch.finfo(value.dtype).eps ** 0.5
        scale = small * norms(value).clamp_min(small) / norms(noise)
        z, beside = value, value + like(scale, value) * noise
        apart, (_, residual, _) = norms(beside - z), evaluate(f, z)
        for _ in range(steps):
            z, beside = f(z).to(value.dtype), f(beside).to(value.dtype)
        settled = evaluate(f, z)[1] <= residual.clamp_min(small)
        return settled & (norms(beside - z) <= apart)


GRADIENTS: dict[str, Callable[..., Gradient]] = {
    "implicit": Implicit,
    "phantom": Phantom,
    "mixed": Mixed,
    "unrolled": Unrolled,
}
