"""From a trace to new weights: the loss, its clipped gradient, an optimizer, averaged weights.

The optimizer is AdamW for all parameters, or Muon for the matrices and AdamW for the rest.

Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers") takes the momentum M of a matrix
and steps along the nearest semi-orthogonal matrix, which a few Newton-Schulz iterations give:

    X <- M / |M|,   X <- a X + (b X X' + c (X X')^2) X   five times,   W <- W - rate * scale * X

so that all directions of a weight matrix learn at one speed. docs/LOG.md has what it gained here.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from ttc_agents.models import RefinementModel, Trace
from ttc_agents.names import find
from ttc_agents.training.objectives import OBJECTIVES, Labels, Objective
from ttc_agents.training.recipe import Recipe

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
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move all weights that have a gradient."""
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


Optimizers = list[torch.optim.Optimizer]


def adamw(parameters: Sequence[Tensor], recipe: Recipe) -> Optimizers:
    """AdamW for all parameters."""
    betas, decay = (0.9, recipe.beta2), recipe.weight_decay
    return [torch.optim.AdamW(parameters, recipe.learning_rate, betas, weight_decay=decay)]


def muon(parameters: Sequence[Tensor], recipe: Recipe) -> Optimizers:
    """Muon for parameters of two or more axes, AdamW for the rest."""
    matrices = [p for p in parameters if p.ndim >= 2]
    others = [p for p in parameters if p.ndim < 2]
    parts = adamw(others, recipe) if others else []
    return [*parts, Muon(matrices, recipe.matrix_learning_rate)] if matrices else parts


OPTIMIZERS: dict[str, Callable[[Sequence[Tensor], Recipe], Any]] = {"adamw": adamw, "muon": muon}


class Optimizer:
    """The optimizers of a recipe as one, with one schedule.

    Args:
        parameters: What is trained.
        recipe: `optimizer` is a key of `OPTIMIZERS`, or `module:callable` of the user's, which
            takes (parameters, recipe) and gives a `torch.optim.Optimizer` or several. Its learning
            rates are the peak of the schedule.
    """

    def __init__(self, parameters: Sequence[Tensor], recipe: Recipe) -> None:
        made = find("optimizer", recipe.optimizer, OPTIMIZERS)(parameters, recipe)
        self.parts: Optimizers = list(made) if isinstance(made, list | tuple) else [made]
        self.peaks = [[group["lr"] for group in part.param_groups] for part in self.parts]

    def step(self, share: float) -> None:
        """One update at a share of the peak rates; the gradients are cleared."""
        for part, peaks in zip(self.parts, self.peaks, strict=True):
            for group, peak in zip(part.param_groups, peaks, strict=True):
                group["lr"] = share * peak
            part.step()
            part.zero_grad()

    def state_dict(self) -> list[dict[str, Any]]:
        """The states of the parts in their order; tensors are shared, not copied."""
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, saved: list[dict[str, Any]]) -> None:
        """The inverse of `state_dict`."""
        for part, state in zip(self.parts, saved, strict=True):
            part.load_state_dict(state)


class Update:
    """Loss, clipped gradient, optimizer step and averaged weights of a model.

    Args:
        model: The model. Parameters that the recipe freezes take no gradient from here on.
        recipe: Its objective, optimizer, `clip`, `ema` and `frozen`.
    """

    def __init__(self, model: RefinementModel, recipe: Recipe) -> None:
        self.model, self.clip, self.ema = model, recipe.clip, recipe.ema
        self.objective: Objective = find("objective", recipe.objective, OBJECTIVES)
        trained = {}
        for name, parameter in model.named_parameters():
            frozen = bool(recipe.frozen) and name.startswith(recipe.frozen)
            parameter.requires_grad_(not frozen)
            if not frozen:
                trained[name] = parameter
        self.names, self.parameters = list(trained), list(trained.values())
        self.optimizer = Optimizer(self.parameters, recipe)
        self.average = [p.detach().clone() for p in self.parameters]
        self.taken = 0

    def differentiate(
        self, trace: Trace, labels: Labels, free: Tensor | None, weight: float = 1.0
    ) -> Tensor:
        """The loss times a weight, whose gradient is added to that in the parameters."""
        loss = weight * self.objective(trace, labels, free)
        # Nothing is computed for other leaves, such as the points of fixed points.
        loss.backward(inputs=self.parameters)
        return loss.detach()

    def clipped(self) -> Tensor:
        """Clip the gradient in the parameters; the norm that it had."""
        return torch.nn.utils.clip_grad_norm_(self.parameters, self.clip)

    def take(self, share: float) -> None:
        """Move the weights at a share of the peak rates, and the averaged ones after them."""
        self.optimizer.step(share)
        self.taken += 1
        # Early on the window of the average is shorter.
        decay = min(self.ema, (1 + self.taken) / (10 + self.taken))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1 - decay)

    def averaged_weights(self) -> dict[str, Tensor]:
        """The state of the model with the averaged weights in place."""
        state = dict(self.model.state_dict())
        return {**state, **dict(zip(self.names, self.average, strict=True))}

    def restart_average(self) -> None:
        """Begin the average anew at the present weights."""
        self.average = [p.detach().clone() for p in self.parameters]

    def state_dict(self) -> dict[str, Any]:
        """Weights, averaged weights, optimizer; no copies."""
        return {
            "model": self.model.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.model.load_state_dict(saved["model"])
        # An optimizer takes tensors over as they are, and would go on writing into them.
        self.optimizer.load_state_dict(copy.deepcopy(saved["optimizer"]))
        for mine, theirs in zip(self.average, saved["average"], strict=True):
            mine.copy_(theirs)
