"""The gradient of the solver's own steps, all of them.

Rows that stop early, where plain steps contract, are differentiated through such steps for the
rest: a row that begins at its fixed point would else have no gradient, and one that begins near it
too small a one.

When to use it: to check the others, or where few steps are all there is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ttc_agents.implicit.gradients.phantom import valued
from ttc_agents.implicit.rows import chosen_rows, largest, like, norms
from ttc_agents.implicit.solvers import Kept, Map, Solution, Solver, careful, evaluate, run


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
