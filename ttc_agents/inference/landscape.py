"""The sum of energies as a function of the coordinates of an answer, for any optimizer.

    E(u) = sum_k w_k E_k(u) + t(y(u)) / n

E_k are learned energies per free node, of which there are n. The term t is the caller's own, such
as a preference among choices or a region that paths are to avoid. It needs no training.

Shapes: B instances, N nodes, C choices; coordinates u and the point y of the simplices (B, N, C).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ttc_agents.models.base import Batch, Context

if TYPE_CHECKING:
    from ttc_agents.models import Energy

Term = Callable[[Batch, Tensor], Tensor]
"""(instance fields, y (B, N, C)) -> (B,), differentiable in y. Fields that no model knows may be
among those of the batch."""


class Landscape:
    """The sum of the energies of some models on some instances, as a function of coordinates.

    Args:
        models: Energy models of one answer.
        weights: Of their energies.
        contexts: Of the models.
        batch: The instance fields, of which each model reads its own.
        z: A state of the first model, which says on what level of its landscapes u lies.
        term: Added to the energies; None: nothing.
    """

    def __init__(
        self,
        models: Sequence[Energy],
        weights: Sequence[float],
        contexts: Sequence[Context],
        batch: Batch,
        z: Tensor,
        term: Term | None = None,
    ) -> None:
        self.models, self.weights, self.contexts = models, weights, contexts
        self.batch, self.z, self.term = batch, z, term
        self.size = float(models[0].log_step.detach().exp())

    def energy(self, u: Tensor) -> Tensor:
        """(B,), per free node."""
        found = self._sum(lambda model, context: model.energy(context, self.at(model, u)))
        return found if self.term is None else found + self._added(self.term, u)[0]

    def slope(self, u: Tensor) -> Tensor:
        """(B, N, C): dE/dy less its mean over the choices of each node."""
        found = self._sum(lambda model, context: model.slope(context, self.at(model, u), False)[0])
        return found if self.term is None else found + self._added(self.term, u)[1]

    def gradient(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """E (B,) of all free nodes together, and dE/du (B, N, C) by the chain rule."""
        y, slope = self.models[0].point(self.contexts[0], u)[0], self.slope(u)
        count = self.contexts[0]["free"].sum(1)
        return count * self.energy(u), y * (slope - (y * slope).sum(-1, keepdim=True))

    def rows(self) -> Iterator[Landscape]:
        """The landscape of each instance alone."""
        for row in range(len(self.z)):
            batch = {name: values[row : row + 1] for name, values in self.batch.items()}
            contexts = encoded(self.models, batch)
            z = self.z[row : row + 1]
            yield Landscape(self.models, self.weights, contexts, batch, z, self.term)

    def at(self, model: Energy, u: Tensor) -> Tensor:
        """The state of a model at u, on its last level unless it is the first model."""
        if model is self.models[0]:
            return model.at(u, self.z)
        last = float((model.landscapes - 1) * model.steps_per_landscape)
        return model.at(u, torch.full_like(u[..., :1], last))

    def _sum(self, part: Callable[[Energy, Context], Tensor]) -> Tensor:
        parts = zip(self.models, self.contexts, self.weights, strict=True)
        total: Tensor = sum(weight * part(model, context) for model, context, weight in parts)  # type: ignore[assignment]
        return total.detach()

    def _added(self, term: Term, u: Tensor) -> tuple[Tensor, Tensor]:
        """The term per free node (B,), and its slope (B, N, C) as models have theirs."""
        first, context = self.models[0], self.contexts[0]
        with torch.inference_mode(False), torch.enable_grad():
            y = first.point(context, u.clone())[0].detach().requires_grad_()
            total = term(self.batch, y)
            (slope,) = torch.autograd.grad(total.sum(), y)
        return first.per_node(context, total.detach()), first.centred(context, slope)


def encoded(models: Sequence[Energy], batch: Batch) -> list[Context]:
    """The context of each model, by the fields that it reads.

    A choice that one of the models excludes is excluded for all of them.
    """
    contexts = [model.encode({name: batch[name] for name in model.spec.fields}) for model in models]
    possible = torch.stack([context["possible"] for context in contexts]).all(0)
    return [{**context, "possible": possible} for context in contexts]
