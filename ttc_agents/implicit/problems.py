"""Maps whose fixed points are known: one table for the tests of all solvers and for benchmarks.

`SOLVABLE` have a fixed point at a known place; `HOPELESS` have none, or fail on the way to it, and
are there to be failed at decently. Every map is a function f(theta, z) of a parameter, so that
gradients can be tested too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Problem:
    """A map and what is known of it.

    Args:
        f: f(theta, z), with z (B, D).
        theta: The parameter.
        z0: (B, D), where to begin.
        solution: (B, D), the fixed point; None where there is none to be reached.
        contractive: Whether undamped Picard iteration gets there.
    """

    f: Callable[[Tensor, Tensor], Tensor]
    theta: Tensor
    z0: Tensor
    solution: Tensor | None
    contractive: bool = True

    def map(self, z: Tensor) -> Tensor:
        """The map at the given parameter."""
        return self.f(self.theta.to(z.dtype), z)


def noise(*shape: int, seed: int) -> Tensor:
    """Normal numbers in float64."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def linear(matrix: Tensor, seed: int, rows: int = 3, contractive: bool = True) -> Problem:
    """Z <- z A' + b, with A (D, D) or (B, D, D)."""
    size = matrix.shape[-1]
    b = noise(rows, size, seed=seed)
    solution = torch.linalg.solve(torch.eye(size).double() - matrix, b[:, :, None])[:, :, 0]

    def f(theta: Tensor, z: Tensor) -> Tensor:
        return (matrix.to(z.dtype) @ z[:, :, None])[:, :, 0] + theta

    return Problem(f, b, torch.zeros_like(b), solution, contractive)


def of_radius(radius: float, size: int, seed: int) -> Tensor:
    """A random matrix (D, D) of this spectral radius."""
    matrix = noise(size, size, seed=seed)
    return radius * matrix / torch.linalg.eigvals(matrix).abs().max()


def triangular(blocks: int, width: int) -> Tensor:
    """Strictly block-lower-triangular: each block depends on the one before it."""
    matrix = torch.zeros(blocks * width, blocks * width, dtype=torch.float64)
    for i in range(1, blocks):
        here, before = i * width, (i - 1) * width
        matrix[here : here + width, before:here] = noise(width, width, seed=i)
    return matrix


def tanh_net(norm: float, seed: int, rows: int = 3, size: int = 16) -> Problem:
    """Z <- tanh(z W' + b), with W of this spectral norm."""
    weight = noise(size, size, seed=seed)
    weight = norm * weight / torch.linalg.matrix_norm(weight, 2)
    b = noise(rows, size, seed=seed + 1)

    def f(theta: Tensor, z: Tensor) -> Tensor:
        return torch.tanh(z @ weight.to(z.dtype).T + theta)

    z0 = torch.zeros_like(b)
    return Problem(f, b, z0, polished(lambda z: f(b, z), z0, 3000))


def polished(f: Callable[[Tensor], Tensor], z: Tensor, steps: int) -> Tensor:
    """Plain iteration, then Newton's method on each row, in float64."""
    for _ in range(steps):
        z = f(z)
    eye = torch.eye(z.shape[1], dtype=z.dtype)
    for _ in range(20):
        by_row = torch.autograd.functional.jacobian(lambda rows: f(rows).sum(0), z)
        z = z + torch.linalg.solve(eye - by_row.transpose(0, 1), f(z) - z)
    return z


def pointwise(
    f: Callable[[Tensor, Tensor], Tensor],
    theta: float,
    z0: float,
    solution: float | None,
    contractive: bool = True,
) -> Problem:
    """The same scalar map in two rows of three numbers."""
    z = torch.full((2, 3), z0, dtype=torch.float64)
    there = None if solution is None else torch.full_like(z, solution)
    return Problem(f, torch.full_like(z, theta), z, there, contractive)


def rotation() -> Tensor:
    """Complex eigenvalues of modulus 0.9: plain iteration spirals in."""
    skew = noise(8, 8, seed=8)
    return 0.9 * torch.linalg.matrix_exp(skew - skew.T)


def eigenvalues(*values: float) -> Tensor:
    """A symmetric matrix with these eigenvalues."""
    basis = torch.linalg.qr(noise(len(values), len(values), seed=3)).Q
    return basis @ torch.diag(torch.tensor(values).double()) @ basis.T


def singular() -> Problem:
    """The first number of a row stays where it is, so that 1 - J is singular."""
    moves = torch.tensor([0.0, 0.5, 0.5], dtype=torch.float64)
    z = torch.zeros(2, 3, dtype=torch.float64)

    def f(theta: Tensor, z: Tensor) -> Tensor:
        return z + moves.to(z.dtype) * (theta - z)

    return Problem(f, z + 3, z, torch.tensor([[0.0, 3.0, 3.0]] * 2, dtype=torch.float64))


def solvable() -> dict[str, Problem]:
    """Problems with a solution."""
    line = torch.linspace(0.1, 0.99, 6, dtype=torch.float64)
    difficulties = torch.stack([of_radius(float(r), 12, seed=20) for r in line])
    return {
        "radius 0.1": linear(of_radius(0.1, 20, seed=0), 10),
        "radius 0.5": linear(of_radius(0.5, 20, seed=1), 11),
        "radius 0.9": linear(of_radius(0.9, 20, seed=2), 12),
        "radius 0.99": linear(of_radius(0.99, 20, seed=3), 13),
        "rotation": linear(rotation(), 14),
        "negative": linear(eigenvalues(-0.95, -0.9, -0.5, 0.2, 0.4), 15),
        "block-triangular": linear(triangular(5, 4), 16),
        "difficulties": linear(difficulties, 17, rows=6),
        "tanh 0.5": tanh_net(0.5, 30),
        "tanh 0.95": tanh_net(0.95, 31),
        "tanh 2": tanh_net(2.0, 32),
        "cosine": pointwise(lambda a, z: torch.cos(a * z), 1.0, 0.0, 0.7390851332151607),
        "square root": pointwise(lambda a, z: (z + a / z) / 2, 2.0, 1.0, 2**0.5),
        "constant": pointwise(lambda a, z: a + 0 * z, 3.0, -1.0, 3.0),
        "zero": pointwise(lambda a, z: 0 * a * z, 1.0, 1.0, 0.0),
        "singular": singular(),
        "two-cycle": pointwise(lambda a, z: a - z, 1.0, 0.1, 0.5, False),
        "logistic": pointwise(lambda a, z: a * z * (1 - z), 3.3, 0.3, 1 - 1 / 3.3, False),
        "expansive": linear(eigenvalues(1.5, -1.3, 0.5, 0.1), 18, contractive=False),
        "doubling": pointwise(lambda a, z: 2 * z + a, 1.0, 0.0, -1.0, False),
    }


def hopeless() -> dict[str, Problem]:
    """Problems without one."""
    return {
        "shift": pointwise(lambda a, z: z + a, 1.0, 0.0, None),
        "square": pointwise(lambda a, z: z * z + a, 1.0, 0.0, None),
        "exponential": pointwise(lambda a, z: torch.exp(a * z), 3.0, 1.0, None),
        "blow-up": pointwise(lambda a, z: 1e6 * z * z + a, 1.0, 5.0, None),
        "undefined": pointwise(lambda a, z: torch.sqrt(z - a), 5.0, 1.0, None),
        "undefined later": pointwise(lambda a, z: torch.log(z * a), 0.3, 5.0, None),
        "always NaN": pointwise(lambda a, z: z * a * torch.nan, 1.0, 1.0, None),
        "infinite": pointwise(lambda a, z: a / (0 * z), 1.0, 1.0, None),
    }


SOLVABLE = solvable()
HOPELESS = hopeless()
