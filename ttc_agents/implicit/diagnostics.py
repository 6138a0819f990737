"""What to look at when an iteration misbehaves: how a map stretches and where its states go.

J is the Jacobian of a map f at a point z, each row of the batch by itself. Everything goes through
vector-Jacobian products, so f needs to be differentiable once (the penalty: twice).

Shapes: z (B, ...); one number per row (B,) unless said otherwise.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ttc_agents.implicit.gradients.implicit import pulled_back
from ttc_agents.implicit.rows import like, norms
from ttc_agents.implicit.solvers import SMALLEST_NORM, Map, careful


def spectral_radius(
    f: Map, z: Tensor, iterations: int = 20, generator: torch.Generator | None = None
) -> Tensor:
    """The modulus of J's largest eigenvalue, by power iteration on J' (as vjp).

    The geometric mean of the growth over the second half of the iterations, which is right for
    complex pairs too. NaN where f or a product is not finite.

    Args:
        f: The map.
        z: (B, ...), where.
        iterations: At least 2.
        generator: Draws the first vectors; None takes seed 0.

    Raises:
        ValueError: Too few iterations.
    """
    if iterations < 2:
        raise ValueError(f"iterations must be at least 2, got {iterations}")
    point, image = linearised(f, z)
    u = probe(point, generator)
    u = u / like(norms(u), u)
    logs = []
    for _ in range(iterations):
        u = pulled_back(image, point, u, retain_graph=True).detach()
        size = norms(u)
        logs.append(size)
        u = u / like(size.clamp_min(SMALLEST_NORM), u)
    return torch.stack(logs[iterations // 2 :]).log().mean(0).exp()


def jacobian_penalty(
    f: Map, z: Tensor, samples: int = 1, generator: torch.Generator | None = None
) -> Tensor:
    """Hutchinson's estimate of |J|_F^2 / D, a differentiable regulariser (arXiv 2106.14342).

    The point is held fixed: only f's parameters get a gradient.

    Args:
        f: The map, differentiable twice.
        z: (B, ...), D numbers a row.
        samples: Random vectors, each one vjp.
        generator: Draws them; None takes seed 0.
    """
    point, image = linearised(f, z)
    generator = generator or torch.Generator(z.device).manual_seed(0)
    total = torch.zeros_like(norms(point))
    for _ in range(samples):
        product = pulled_back(image, point, probe(point, generator), create_graph=True)
        total = total + product.flatten(1).square().mean(1)
    return total / samples


def linearised(f: Map, z: Tensor) -> tuple[Tensor, Tensor]:
    """The point, detached, and its image, with the graph between them."""
    with torch.enable_grad():
        point = z.detach().requires_grad_()
        return point, careful(f)(point)


def probe(z: Tensor, generator: torch.Generator | None) -> Tensor:
    """Random signs of the shape of z."""
    generator = generator or torch.Generator(z.device).manual_seed(0)
    bits = torch.randint(0, 2, z.shape, generator=generator, device=generator.device)
    return 2 * bits.to(z) - 1


def state_rms(z: Tensor) -> Tensor:
    """The root mean square of each row."""
    return z.flatten(1).square().mean(1).sqrt()
