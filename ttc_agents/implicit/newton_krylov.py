"""Newton-Krylov: Newton's method whose linear systems GMRES solves (Saad and Schultz 1986).

At a point z with g = f(z) - z and the Jacobian J of f, each step solves

    (1 - J) d = g,   z <- z + d

in the Krylov space of g by Arnoldi's process, each row of the batch in its own. Products J v come
from `torch.func.jvp`, one call of f each; the space has `krylov` dimensions and is the same for
all rows, so that every step costs the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ttc_agents.implicit.anderson import combined, least_squares
from ttc_agents.implicit.safeguard import CARRIED, GuardedMemory, beginning, chosen, flat, judged
from ttc_agents.implicit.solvers import Map, at_least_one


@dataclass(frozen=True)
class NewtonKrylov:
    """Newton-Krylov (see the module for the equations).

    Args:
        krylov: Dimensions of the Krylov space, so a step is 1 + krylov calls of f.
        growth: A step is uphill, and taken back, where it makes |f(z) - z| larger than this
            multiple of the smallest so far.
    """

    carried: ClassVar[tuple[str, ...]] = CARRIED
    krylov: int = 6
    growth: float = 10.0

    def __post_init__(self) -> None:
        """Refuse options out of range."""
        at_least_one(krylov=self.krylov, growth=self.growth)

    @property
    def calls_per_step(self) -> int:
        """One of f and one for each dimension of the Krylov space."""
        return 1 + self.krylov

    def init(self, f: Map, z0: Tensor) -> GuardedMemory:
        """At z0."""
        return GuardedMemory(**beginning(z0))

    def step(self, f: Map, memory: GuardedMemory) -> GuardedMemory:
        """One Newton step."""
        fields, kept = judged(f, memory, self.growth)
        z = memory.z

        def jacobian(v: Tensor) -> Tensor:
            """J v for v (B, D)."""
            return flat(torch.func.jvp(f, (z,), (v.view_as(z),))[1])

        step = gmres(lambda v: v - jacobian(v), fields["g"], self.krylov)
        return GuardedMemory(**fields, z=chosen(fields, kept, flat(z) + step))


def gmres(operator: Map, right: Tensor, dimensions: int) -> Tensor:
    """About the solution (B, D) of operator(x) = right, from x = 0.

    Args:
        operator: Linear in each row, (B, D) -> (B, D).
        right: (B, D).
        dimensions: Of the Krylov space. A row whose space is exhausted before stops there.
    """
    basis = [unit(right)]
    images = []
    for _ in range(dimensions):
        image = operator(basis[-1])
        images.append(image)
        direction = image
        # Twice, since once loses orthogonality.
        for _ in range(2):
            for vector in basis:
                direction = direction - (direction * vector).sum(1, keepdim=True) * vector
        exhausted = direction.norm(dim=1) <= 1e-6 * image.norm(dim=1)
        basis.append(unit(torch.where(exhausted[:, None], 0.0, direction)))
    y = least_squares(torch.stack(images, 1), right, 0.0)
    return combined(y, torch.stack(basis[:-1], 1))


def unit(x: Tensor) -> Tensor:
    """(B, D) of unit length, zero where it is zero."""
    size, tiny = x.norm(dim=1, keepdim=True), torch.finfo(x.dtype).tiny
    return torch.where(size > tiny, x, 0.0) / size.clamp_min(tiny)
