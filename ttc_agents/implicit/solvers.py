"""Fixed points z = f(z), each row of a batch by itself: the loop and its result.

A solver is a frozen dataclass of its own options with

    init(f, z0) -> memory        no call of f
    step(f, memory) -> memory    evaluates f at `memory.z` and proposes the next z

so that one step of an environment can be one step of a solver. `solve` runs it with per-row
stopping. How a solution is differentiated is a separate choice (`gradient`).

Residual of a point z, here and everywhere: |f(z) - z| / |f(z)|, infinite where f(z) is not finite.

Nothing here raises on a map that diverges, and no value is silently NaN: a row that failed keeps
the best point it has seen, and its residual says how good that is. A map may write into its
argument: it is given a copy.

Shapes: z (B, ...), B rows of D numbers each; residual (B,).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from ttc_agents.implicit.rows import chosen_rows, free_to_look, largest, like, norms, surely_all

Map = Callable[[Tensor], Tensor]
"""(B, ...) -> (B, ...); rows do not see each other."""

Kept = bool | Collection[int]
"""The steps, from 0, whose points are kept: all, none, or these."""

LOOK_EVERY = 8
"""Steps between two looks at whether all rows have stopped, where a look makes the host wait."""
SMALLEST_NORM = 1e-12
"""Residuals are relative to at least this, so that a fixed point at zero can be reached."""


@dataclass(frozen=True)
class Memory:
    """What a solver carries from step to step.

    Args:
        z: (B, ...), the next point to evaluate.
        point: (B, ...), the point evaluated last.
        residual: (B,), the residual of `point`; infinite before the first step.
        change: (B,), |f(z) - z| there, which tells better from worse: where an iteration diverges,
            the residual may fall while z grows.
    """

    z: Tensor
    point: Tensor
    residual: Tensor
    change: Tensor


class Solver(Protocol):
    """A frozen dataclass of options."""

    carried: ClassVar[tuple[str, ...]]
    """The fields of its memory that the next step reads."""

    @property
    def calls_per_step(self) -> int:
        """Calls of f, Jacobian-vector products among them, that a step costs."""

    def init(self, f: Map, z0: Tensor) -> Any:
        """The memory before the first step."""

    def step(self, f: Map, memory: Any) -> Any:
        """The memory after one more step."""


@dataclass
class BackwardReport:
    """How the equation of the backward pass was solved; filled in when gradients pass.

    Args:
        residual: (B,), of the last backward pass; None before it.
        num_steps: (B,) int64, steps until each row stopped.
        converged: (B,) bool.
        discarded: (B,) bool, rows whose gradient was set to zero.
        adjoint: (B, ...), where the solve is to begin, and after it what it has found; rows of
            zeros begin at dL/dz*, as all do with None.
    """

    residual: Tensor | None = None
    num_steps: Tensor | None = None
    converged: Tensor | None = None
    discarded: Tensor | None = None
    adjoint: Tensor | None = None

    def failures(self) -> int:
        """Rows that did not converge in the last backward pass; 0 before it."""
        return 0 if self.converged is None else int((~self.converged).sum())


@dataclass(frozen=True)
class Solution:
    """Where a solver has led.

    Args:
        value: (B, ...), of the shape and type of z0: the best point seen.
        residual: (B,), its residual.
        num_steps: (B,) int64, steps until the row stopped.
        converged: (B,) bool, whether the residual fell below the tolerance. Never where the
            tolerance is finer than the rounding of z0's type, which no residual can tell from 0.
        trajectory: (T, B, ...), the points evaluated at the steps that were asked for (a row that
            stopped repeats its value), or None where none were.
        backward: Filled in when gradients pass through `value`; None without a gradient method
            that solves an equation of its own.
    """

    value: Tensor
    residual: Tensor
    num_steps: Tensor
    converged: Tensor
    trajectory: Tensor | None = None
    backward: BackwardReport | None = None


class Gradient(Protocol):
    """How `solve` makes its value differentiable."""

    def __call__(
        self, solver: Solver, f: Map, z0: Tensor, max_steps: int, tol: float, trajectory: Kept
    ) -> Solution:
        """The solution, differentiable."""


def solve(
    solver: Solver,
    f: Map,
    z0: Tensor,
    max_steps: int,
    tol: float,
    trajectory: Kept = False,
    gradient: Gradient | None = None,
) -> Solution:
    """Look for the fixed point of each row.

    Args:
        solver: For instance `SOLVERS["anderson"](memory=5)`.
        f: The map. It is called with tensors of the shape and type of z0.
        z0: (B, ...), where to begin. Half precision is promoted to float32 inside.
        max_steps: Steps at most.
        tol: Residual below which a row stops.
        trajectory: Keep the points evaluated, all of them or those of some steps. Steps that were
            not needed are left out of all of them; of some steps, the value stands for each.
        gradient: How to differentiate the value (`GRADIENTS`); None detaches it.

    Raises:
        TypeError: The state is not one tensor.
        ValueError: An argument is out of range, or the map gives another shape.
    """
    at_least_one(max_steps=max_steps)
    if not tol >= 0:
        raise ValueError(f"tol must not be negative, got {tol}")
    if not isinstance(z0, Tensor):
        kind = type(z0).__name__
        raise TypeError(f"z0 must be one tensor (B, ...), got {kind}: pack its parts into one")
    if not z0.is_floating_point() or z0.dim() < 1:
        raise ValueError(
            f"z0 must be real with a batch axis, got {z0.dtype} of shape {tuple(z0.shape)}"
        )
    if gradient is not None:
        return gradient(solver, f, z0, max_steps, tol, trajectory)
    with torch.no_grad():
        return run(solver, f, z0, max_steps, tol, trajectory)


def run(
    solver: Solver, f: Map, z0: Tensor, max_steps: int, tol: float, trajectory: Kept = False
) -> Solution:
    """The loop of `solve`, differentiable as far as the steps are."""
    inner = promoting(careful(f), z0.dtype)
    memory = solver.init(inner, promote(z0))
    value, points = memory.z, []
    residual = change = torch.full_like(memory.residual, torch.inf)
    num_steps = torch.zeros_like(residual, dtype=torch.int64)
    active = torch.ones_like(residual, dtype=torch.bool)
    kept = range(max_steps if trajectory else 0) if isinstance(trajectory, bool) else trajectory
    every = 1 if free_to_look(residual) else LOOK_EVERY
    for step in range(1, max_steps + 1):
        new = solver.step(inner, memory)
        better = active & ((new.change < change) | (new.residual < tol))
        value = chosen_rows(better, new.point, value)
        residual = torch.where(better, new.residual, residual)
        change = torch.where(better, new.change, change)
        num_steps = num_steps + active
        if step - 1 in kept:
            points.append(chosen_rows(active, new.point, value).to(z0.dtype))
        active = active & ~(residual < tol)
        if step == max_steps or (step % every == 0 and not active.any()):
            break
        # Half precision: a residual is that of the point at which the map is evaluated.
        z = chosen_rows(active, new.z, value).to(z0.dtype)
        # A solver that does not read the point evaluated last need not keep it in memory.
        point = new.point if "point" in solver.carried else z
        memory = dataclasses.replace(new, z=promote(z), point=point)
        del new, point
    if trajectory is True:
        # A row that has stopped stays where it is, whether the host knows or not.
        points = points[: max(1, largest(num_steps))]
    else:
        points += [value.to(z0.dtype)] * (len(kept) - len(points))
    stacked = torch.stack(points) if points else None
    converged = (residual < tol) & (tol > torch.finfo(z0.dtype).eps)
    return Solution(value.to(z0.dtype), residual, num_steps, converged, stacked)


def careful(f: Map) -> Map:
    """The map on a copy of its argument, which it may write into; its image is checked.

    Raises:
        TypeError: The image is not one tensor.
        ValueError: The image has another shape, so that f(z) - z would be something else.
    """

    def checked(z: Tensor) -> Tensor:
        image = f(z.clone())
        if not isinstance(image, Tensor):
            raise TypeError(f"the map must give one tensor, got {type(image).__name__}")
        if image.shape != z.shape:
            shapes = f"{tuple(z.shape)} to {tuple(image.shape)}"
            raise ValueError(f"the map must keep the shape of its argument, it took {shapes}")
        return image

    return checked


def promote(z: Tensor) -> Tensor:
    """Half precision as float32, everything else as it is."""
    return z.float() if z.dtype.itemsize < 4 else z


def promoting(f: Map, dtype: torch.dtype) -> Map:
    """The map with inputs cast to `dtype` and outputs promoted to the type of its input."""
    return lambda z: f(z.to(dtype)).to(z.dtype)


def evaluate(f: Map, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The step g = f(z) - z, the residual and |g|; 0 and infinite in rows that are not finite.

    Only the step can be differentiated.
    """
    image = f(z)
    g = image - z
    size, change = norms(image.detach()), norms(g.detach())
    # Where a norm overflows the row has diverged; finite over infinite would look converged.
    finite = size.isfinite() & change.isfinite()
    residual = change / size.clamp_min(SMALLEST_NORM)
    if surely_all(finite):
        return g, residual, change
    g = torch.where(like(finite, g), g, torch.zeros_like(g))
    return g, torch.where(finite, residual, torch.inf), torch.where(finite, change, torch.inf)


def check_damping(damping: float) -> None:
    """Refuse a damping outside (0, 1]."""
    if not 0 < damping <= 1:
        raise ValueError(f"damping must be in (0, 1], got {damping}")


def at_least_one(**options: float) -> None:
    """Refuse options below 1."""
    for name, value in options.items():
        if not value >= 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def unknown(z: Tensor) -> Tensor:
    """(B,) infinite residuals."""
    return torch.full(z.shape[:1], torch.inf, dtype=z.dtype, device=z.device)
