"""A differentiable assignment as a fixed point: Sinkhorn with the implicit gradient.

Entropic assignment (Cuturi 2013, arXiv 1306.0895) relaxes "which item goes where" to

    P = argmax <P, S> + temperature * entropy(P),   rows and columns of P sum to 1

The dual potentials (u, v) are a fixed point of u <- -LSE_j (S_ij / temperature + v_j) and the same
for v with rows and columns exchanged, and P_ij = exp(S_ij / temperature + u_i + v_j). It is found
by any solver, and differentiated by the implicit function theorem in memory that does not depend on
the number of steps.

Shapes: scores (B, N, N), row i is what position i thinks of each item.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ttc_agents.implicit.anderson import Anderson
from ttc_agents.implicit.gradients import Implicit
from ttc_agents.implicit.solvers import Gradient, Solver, solve


def sinkhorn(
    scores: Tensor,
    temperature: float = 0.1,
    solver: Solver | None = None,
    gradient: Gradient | None = None,
    max_steps: int = 200,
    tol: float = 1e-6,
) -> Tensor:
    """The entropic assignment (B, N, N): doubly stochastic, nearer a permutation as it cools.

    Args:
        scores: (B, N, N).
        temperature: Above 0.
        solver: Finds the potentials; None takes Anderson.
        gradient: None takes `Implicit` with the same tolerance.
        max_steps: Steps of the solver at most.
        tol: Residual of the potentials.

    Raises:
        ValueError: The scores are not square, or the temperature is not positive.
    """
    if scores.dim() != 3 or scores.shape[1] != scores.shape[2]:
        raise ValueError(f"scores must be (B, N, N), got {tuple(scores.shape)}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    logits = scores / temperature

    def f(v: Tensor) -> Tensor:
        """One sweep over rows and columns; potentials are alike up to a constant, so centred."""
        u = -torch.logsumexp(logits + v[:, None, :], 2)
        v = -torch.logsumexp(logits + u[:, :, None], 1)
        return v - v.mean(1, keepdim=True)

    start = torch.zeros_like(logits[:, 0])
    how = gradient or Implicit(max_steps=max_steps, tol=tol)
    v = solve(solver or Anderson(), f, start, max_steps, tol, gradient=how).value
    u = -torch.logsumexp(logits + v[:, None, :], 2)
    return torch.exp(logits + u[:, :, None] + v[:, None, :])
