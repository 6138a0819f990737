"""Anderson acceleration (Anderson 1965; type II, as in Walker and Ni 2011, eq. 2.2).

With the last m differences of points and steps, dz_i and dg_i, and g = f(z) - z:

    gamma = argmin | g - sum_i gamma_i dg_i |^2
    z <- z + damping g - sum_i gamma_i (dz_i + damping dg_i)

The least squares are solved through the Gram matrix of the dg_i, scaled to unit length, with a
ridge relative to its trace: an absolute one dominates as soon as the steps are small. Where the
Cholesky factorisation fails, its pseudo-inverse gives the least-squares solution.

Where the columns are nearly parallel, rounding decides on gamma, and its derivative means nothing.
There dz and dg are held fixed when a step is differentiated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ttc_agents.implicit.rows import chosen_rows, free_to_look, surely_all
from ttc_agents.implicit.safeguard import CARRIED, GuardedMemory, beginning, chosen, flat, judged
from ttc_agents.implicit.solvers import SMALLEST_NORM, Map, at_least_one, check_damping


@dataclass(frozen=True)
class AndersonMemory(GuardedMemory):
    """Adds the differences dz, dg (B, m, D), newest last; zero where there is none yet."""

    dz: Tensor
    dg: Tensor


@dataclass(frozen=True)
class Anderson:
    """Anderson acceleration (see the module for the equations).

    Args:
        memory: m, differences kept.
        damping: In (0, 1].
        ridge: Of the Gram matrix, relative to the mean of its diagonal.
        growth: A step is uphill, and taken back, where it makes |f(z) - z| larger than this
            multiple of the smallest so far.
    """

    carried: ClassVar[tuple[str, ...]] = (*CARRIED, "dz", "dg")
    calls_per_step: ClassVar[int] = 1
    memory: int = 5
    damping: float = 1.0
    ridge: float = 1e-8
    growth: float = 10.0

    def __post_init__(self) -> None:
        """Refuse options out of range."""
        check_damping(self.damping)
        at_least_one(memory=self.memory, growth=self.growth)
        if not self.ridge >= 0:
            raise ValueError(f"ridge must not be negative, got {self.ridge}")

    def init(self, f: Map, z0: Tensor) -> AndersonMemory:
        """At z0, with no differences yet."""
        none = flat(z0)[:, None].expand(-1, self.memory, -1).new_zeros
        shape = (len(z0), self.memory, flat(z0).shape[1])
        return AndersonMemory(**beginning(z0), dz=none(shape), dg=none(shape))

    def step(self, f: Map, memory: AndersonMemory) -> AndersonMemory:
        """One call of f."""
        fields, kept = judged(f, memory, self.growth)
        g, z = fields["g"], flat(memory.z)
        # Before the first step, and where f was not finite, there is nothing to compare with.
        known = memory.residual.isfinite() & fields["residual"].isfinite()
        dz, dg = z - flat(memory.point), g - memory.g
        known = known & telling(dg, z)
        dz, dg = pushed(memory.dz, dz, known), pushed(memory.dg, dg, known)
        if torch.is_grad_enabled():
            rows = parallel(dg, self.ridge)[:, None, None]
            dz, dg = (torch.where(rows, columns.detach(), columns) for columns in (dz, dg))
        gamma = least_squares(dg, g, self.ridge)
        mixed = z - combined(gamma, dz) + self.damping * (g - combined(gamma, dg))
        return AndersonMemory(**fields, z=chosen(fields, kept, mixed), dz=dz, dg=dg)


def pushed(kept: Tensor, new: Tensor, known: Tensor) -> Tensor:
    """(B, m, D) without its first of m, and with `new` (B, D) as its last.

    Where `new` is not `known` (B,) it is zero, as where there was none yet. Flat rows are copied
    three times as fast.
    """
    new = chosen_rows(known, new, new.new_zeros(()))
    return torch.cat([kept.flatten(1)[:, new.shape[1] :], new], dim=1).view_as(kept)


def combined(weights: Tensor, columns: Tensor) -> Tensor:
    """(B, D), the sum of `columns` (B, m, D) with these weights (B, m)."""
    return (weights[:, None] @ columns)[:, 0]


def telling(dg: Tensor, z: Tensor) -> Tensor:
    """Where a difference dg of f(z) - z is more than the rounding of z: (B,) bool."""
    return dg.norm(dim=1) > 4 * torch.finfo(z.dtype).eps * z.norm(dim=1)


def parallel(columns: Tensor, ridge: float) -> Tensor:
    """Where columns (B, m, D) are nearly parallel to others of their row: (B,) bool."""
    with torch.no_grad():
        gram, _ = scaled_gram(columns, ridge)
        factor, failed = torch.linalg.cholesky_ex(gram)
        there = columns.square().sum(2) > torch.finfo(columns.dtype).tiny
        pivots = torch.where(there, factor.diagonal(dim1=1, dim2=2), 1.0)
        thin = pivots.amin(1) < 100 * torch.finfo(gram.dtype).eps ** 0.5
        return thin | (failed != 0) | ~factor.isfinite().all(2).all(1)


def scaled_gram(columns: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """The Gram matrix (B, m, m) of columns of unit length with its ridge, and their lengths."""
    gram = columns @ columns.mT
    squares = gram.diagonal(dim1=1, dim2=2)
    # The root has no derivative at zero, where columns are that are not there yet.
    there = squares > torch.finfo(squares.dtype).tiny
    norms = torch.where(there, squares, 1.0).sqrt()
    gram = gram / (norms[:, :, None] * norms[:, None])
    mean = gram.diagonal(dim1=1, dim2=2).mean(1, keepdim=True)
    ridges = torch.where(there, (ridge * mean).clamp_min(SMALLEST_NORM), 1.0)
    return gram + torch.diag_embed(ridges), norms


def least_squares(columns: Tensor, target: Tensor, ridge: float) -> Tensor:
    """Coefficients (B, m) of `columns` (B, m, D) that come closest to `target` (B, D)."""
    gram, norms = scaled_gram(columns, ridge)
    # Rows times columns: a CPU needs a fifth of the time of columns times rows.
    right = (target[:, None] @ columns.mT).mT / norms[:, :, None]
    factor, failed = torch.linalg.cholesky_ex(gram)
    solution = torch.cholesky_solve(right, factor)
    lost = ((failed != 0) | ~solution.isfinite().all(2).all(1))[:, None, None]
    if not surely_all(~lost):
        # The rows that were lost pass NaN even to a gradient of zero.
        eye = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
        usable = gram.isfinite().all(2, keepdim=True).all(1, keepdim=True)
        usable = torch.where(usable, gram, eye).detach()
        inverse = inverted(usable)
        solution = torch.cholesky_solve(right, torch.where(lost, eye, factor))
        solution = torch.where(lost, inverse @ right, solution)
    return solution[:, :, 0] / norms


def inverted(gram: Tensor) -> Tensor:
    """The pseudo-inverse of Gram matrices (B, m, m) of columns of unit length.

    Where the host would wait for a device, which eigenvalues need, a ridge takes their place: it
    damps the directions that the pseudo-inverse drops.
    """
    size, eps = gram.shape[-1], torch.finfo(gram.dtype).eps
    if free_to_look(gram):
        return torch.linalg.pinv(gram, rtol=size * eps, hermitian=True)
    eye = torch.eye(size, dtype=gram.dtype, device=gram.device)
    factor, _ = torch.linalg.cholesky_ex(gram + eps**0.5 * size * eye)
    return torch.cholesky_solve(eye.expand_as(gram), factor)
