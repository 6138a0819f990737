"""AdamW for all parameters, or Muon for the matrices and AdamW for the rest.

Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers") takes the momentum M of a matrix
and steps along the nearest semi-orthogonal matrix, which a few Newton-Schulz iterations give:

    X <- M / |M|,   X <- a X + (b X X' + c (X X')^2) X   five times,   W <- W - rate * scale * X

so that all directions of a weight matrix learn at one speed. docs/LOG.md has what it gained here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


def orthogonalized(matrix: Tensor) -> Tensor:
    """(..., m, n) -> about the nearest semi-orthogonal matrix, each of the leading ones alone."""
    wide = matrix.shape[-2] <= matrix.shape[-1]
    x = matrix if wide else matrix.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-12)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if wide else x.mT


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum.

    Args:
        parameters: Matrices, or stacks of matrices (..., m, n) that map m inputs to n outputs.
        lr: Rate.
        momentum: Decay of the averaged gradient.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.9) -> None:
        """Set the defaults."""
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update."""
        for group in self.param_groups:
            decay = group["momentum"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                mean = self.state[weight].setdefault("mean", torch.zeros_like(weight))
                mean.lerp_(weight.grad, 1 - decay)
                update = orthogonalized(weight.grad.lerp(mean, decay))
                scale = max(1.0, weight.shape[-2] / weight.shape[-1]) ** 0.5
                weight.add_(update, alpha=-group["lr"] * scale)


class Optimizer:
    """The optimizers of a model as one, with one schedule.

    Args:
        model: Whose parameters are trained.
        learning_rate: Peak rate of AdamW.
        matrix_learning_rate: Peak rate of Muon, for parameters of two or more axes; None leaves all
            to AdamW.
        weight_decay: Of AdamW.
        beta2: Of AdamW.
    """

    def __init__(
        self,
        model: nn.Module,
        learning_rate: float,
        matrix_learning_rate: float | None,
        weight_decay: float,
        beta2: float,
    ) -> None:
        """Divide the parameters."""
        parameters = list(model.parameters())
        matrices = [p for p in parameters if p.ndim >= 2 and matrix_learning_rate is not None]
        others = [p for p in parameters if all(p is not m for m in matrices)]
        self.parts: list[torch.optim.Optimizer] = []
        if others:
            self.parts.append(
                torch.optim.AdamW(
                    others, lr=learning_rate, betas=(0.9, beta2), weight_decay=weight_decay
                )
            )
        if matrices and matrix_learning_rate is not None:
            self.parts.append(Muon(matrices, matrix_learning_rate))
        self.peaks = [part.param_groups[0]["lr"] for part in self.parts]

    def step(self, share: float) -> None:
        """One update at a share of the peak rates; the gradients are cleared."""
        for part, peak in zip(self.parts, self.peaks, strict=True):
            part.param_groups[0]["lr"] = share * peak
            part.step()
            part.zero_grad()

    def state_dict(self) -> list[dict[str, Any]]:
        """Of each part."""
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, saved: list[dict[str, Any]]) -> None:
        """The inverse of `state_dict`."""
        for part, state in zip(self.parts, saved, strict=True):
            part.load_state_dict(state)
