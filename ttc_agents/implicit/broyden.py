"""Limited-memory good Broyden (Broyden 1965; Kelley 1995, section 7.3) for g(z) = f(z) - z = 0.

The inverse Jacobian of g is H = -1 + sum_i u_i v_i', at first -1, which is Picard. With s and y,
the changes of z and g in a step:

    u = (s - H y) / (s' H y),   v = H' s,   H <- H + u v',   z <- z - H g

Of the m pairs kept, the oldest is dropped first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ttc_agents.implicit.anderson import pushed, telling
from ttc_agents.implicit.safeguard import CARRIED, GuardedMemory, beginning, chosen, flat, judged
from ttc_agents.implicit.solvers import Map, at_least_one


@dataclass(frozen=True)
class BroydenMemory(GuardedMemory):
    """Adds the pairs u, v (B, m, D), newest last; zero where there is none yet."""

    u: Tensor
    v: Tensor


@dataclass(frozen=True)
class Broyden:
    """Limited-memory Broyden (see the module for the equations).

    Args:
        memory: m, pairs kept.
        growth: A step is uphill, and taken back, where it makes |f(z) - z| larger than this
            multiple of the smallest so far.
    """

    carried: ClassVar[tuple[str, ...]] = (*CARRIED, "u", "v")
    calls_per_step: ClassVar[int] = 1
    memory: int = 30
    growth: float = 10.0

    def __post_init__(self) -> None:
        """Refuse options out of range."""
        at_least_one(memory=self.memory, growth=self.growth)

    def init(self, f: Map, z0: Tensor) -> BroydenMemory:
        """At z0, with H = -1."""
        none = flat(z0).new_zeros(len(z0), self.memory, flat(z0).shape[1])
        return BroydenMemory(**beginning(z0), u=none, v=none)

    def step(self, f: Map, memory: BroydenMemory) -> BroydenMemory:
        """One call of f."""
        fields, kept = judged(f, memory, self.growth)
        g, z = fields["g"], flat(memory.z)
        s, y = z - flat(memory.point), g - memory.g
        hy = product(memory.u, memory.v, y)
        v = product(memory.v, memory.u, s)
        scale = (s * hy).sum(1)
        floor = torch.finfo(z.dtype).eps * s.norm(dim=1) * hy.norm(dim=1)
        # A pair that would divide by nothing, compares with a point that was not finite, or is
        # rounding, is left out.
        known = memory.residual.isfinite() & fields["residual"].isfinite() & (scale.abs() > floor)
        known = known & telling(y, z)
        u = (s - hy) / torch.where(known, scale, 1.0)[:, None]
        us, vs = pushed(memory.u, u, known), pushed(memory.v, v, known)
        step = product(us, vs, g)
        return BroydenMemory(**fields, z=chosen(fields, kept, z - step), u=us, v=vs)


def product(u: Tensor, v: Tensor, x: Tensor) -> Tensor:
    """(-1 + sum_i u_i v_i') x for u, v (B, m, D) and x (B, D)."""
    return ((v @ x[:, :, None]).mT @ u)[:, 0] - x
