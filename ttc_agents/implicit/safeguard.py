"""What accelerated solvers share: rows flattened, the best point, and a way back to it.

An accelerated step may land where |g| = |f(z) - z| is larger than before. It is kept while |g|
stays within `growth` of the smallest one so far, since the way to a fixed point is not monotone;
else the row goes back and takes a Picard step from its best point, half as long each time in a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ttc_agents.implicit.rows import chosen_rows, finite_rows, surely_all
from ttc_agents.implicit.solvers import Map, Memory, evaluate, unknown


@dataclass(frozen=True)
class GuardedMemory(Memory):
    """Memory of an accelerated solver.

    Args:
        g: (B, D), the step f(z) - z at `point`.
        best: (B, D), the point of the smallest |g| so far.
        best_g: (B, D), its step.
        best_norm: (B,), the norm of that; infinite as long as nothing finite was seen.
        rejected: (B,), steps uphill in a row.
    """

    g: Tensor
    best: Tensor
    best_g: Tensor
    best_norm: Tensor
    rejected: Tensor


CARRIED = ("z", "point", "residual", "g", "best", "best_g", "best_norm", "rejected")
"""The fields above that the next step reads."""


def beginning(z0: Tensor) -> dict[str, Any]:
    """The fields of a `GuardedMemory` before the first step."""
    none = torch.zeros_like(flat(z0))
    inf = unknown(z0)
    return {
        "z": z0,
        "point": z0,
        "residual": inf,
        "change": inf,
        "g": none,
        "best": flat(z0),
        "best_g": none,
        "best_norm": inf,
        "rejected": torch.zeros_like(inf),
    }


def flat(z: Tensor) -> Tensor:
    """(B, ...) -> (B, D)."""
    return z.flatten(1) if z.dim() > 1 else z[:, None]


def judged(f: Map, memory: GuardedMemory, growth: float) -> tuple[dict[str, Any], Tensor]:
    """Evaluate f at `memory.z`.

    Returns:
        All fields of the next memory but `z`, and (B,) bool, the rows whose step was kept.
    """
    g, residual, norm = evaluate(f, memory.z)
    g, z = flat(g), flat(memory.z)
    finite = residual.isfinite()
    kept = finite & ~(norm > growth * memory.best_norm)
    better = finite & (norm < memory.best_norm)
    fields = {
        "point": memory.z,
        "residual": residual,
        "change": norm,
        "g": g,
        "best": chosen_rows(better, z, memory.best),
        "best_g": chosen_rows(better, g, memory.best_g),
        "best_norm": torch.where(better, norm, memory.best_norm),
        "rejected": torch.where(kept, 0.0, memory.rejected + 1),
    }
    return fields, kept


def chosen(fields: dict[str, Any], kept: Tensor, proposal: Tensor) -> Tensor:
    """The next z (B, ...): the proposal (B, D), or the way back where the step was not kept."""
    usable = kept & finite_rows(proposal)
    if not surely_all(usable):
        length = 0.5 ** (fields["rejected"] - 1).clamp_min(0)
        back = fields["best"] + length[:, None] * fields["best_g"]
        proposal = torch.where(usable[:, None], proposal, back)
    return proposal.view_as(fields["point"])
