"""The gradient of some damped steps from the fixed point (Geng et al. 2021, arXiv 2111.05177).

It truncates the series u = w + J' w + J'^2 w + ... of the implicit gradient.

When to use it: where nothing is in equilibrium yet. It cannot fail to converge, and it is biased.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ttc_agents.implicit.rows import finite_rows, like
from ttc_agents.implicit.solvers import (
    Kept,
    Map,
    Solution,
    Solver,
    at_least_one,
    careful,
    check_damping,
    solve,
)


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


def moved(z: Tensor, image: Tensor, damping: float) -> Tensor:
    """The point after a damped step from z to its image."""
    image = image.to(z.dtype)
    return image if damping == 1 else torch.lerp(z, image, damping)


def valued(value: Tensor, z: Tensor) -> Tensor:
    """The value (B, ...), with the gradient of z in the rows where that is finite.

    The residual of a solution is that of its value; that of further steps is another one.
    """
    usable = finite_rows(z.detach())
    steps = torch.where(like(usable, z), z, value)
    return value.detach() + (steps - steps.detach())
