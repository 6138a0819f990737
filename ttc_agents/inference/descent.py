"""Answers of an energy model by any optimizer, and energies that are added.

An energy model (`ttc_agents.models.Energy`) says of every relaxed answer how bad it is. Its own
step is descent with the step size that it was trained with. Other ways down the same landscape:

    gradient    u <- u - a g                                       g the slope dE/dy of the model
    momentum    v <- m v + g,  u <- u - a v
    langevin    u <- u - a g + sqrt(2 a T_t) noise                 T_t falls to 0 at the last step
    annealed    u <- (u - a g) / (1 + a S_t)                       S_t falls to 0 before the end
    adam        any method of `torch.optim`, on dE/du
    lbfgs       `torch.optim.LBFGS` with a line search, on dE/du, row by row
    scipy       any method of `scipy.optimize.minimize`, on dE/du, row by row

`Descent` is a refinement model, so sweeps, films and policies take it like every other. Several
energy models may share the answer: their energies are added, with weights, and they need not have
been trained together (Du, Li and Mordatch 2020, arXiv 2004.06030). A term of the caller's own may
join them (`landscape`).

`annealed` is mirror descent on E - S_t H, H the entropy of the answer, with an implicit step for H
(deterministic annealing, Rose 1998, Proc. IEEE 86): the landscape is smooth at first.

When to use it: `annealed`, or `langevin` with more steps, where one descent ends in a local
minimum; `momentum` for fewer steps; the others to see how far a landscape depends on the optimizer
that it was trained for.

Shapes: B instances, N nodes, C choices; coordinates u (B, N, C).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ttc_agents.inference.landscape import Landscape, Term, encoded
from ttc_agents.models.base import Batch, Context, Observe, RefinementModel
from ttc_agents.models.wrapper import Wrapper

if TYPE_CHECKING:
    from ttc_agents.models import Energy

NOISE_SEED = 0
SMOOTH = 0.9
"""Share of the steps of an annealed descent in which entropy counts."""


class Optimizer(Protocol):
    """A way down: yields the coordinates after each of some steps."""

    def descend(
        self, landscape: Landscape, u: Tensor, num_steps: int, generator: torch.Generator
    ) -> Iterator[Tensor]:
        """Yield u (B, N, C) after each step; a method that ends before stays where it is."""


@dataclass(frozen=True)
class Gradient:
    """Descent in the geometry of the model, with momentum, noise and annealing if wanted.

    Args:
        size: a; None takes what the first model has learned.
        momentum: m.
        temperature: T_0 of Langevin noise, which falls linearly to 0 at the last step.
        smoothing: S_0, the weight of the entropy, which falls linearly to 0 at nine tenths of the
            steps.
    """

    size: float | None = None
    momentum: float = 0.0
    temperature: float = 0.0
    smoothing: float = 0.0

    def descend(
        self, landscape: Landscape, u: Tensor, num_steps: int, generator: torch.Generator
    ) -> Iterator[Tensor]:
        """Yield u after each step."""
        size = landscape.size if self.size is None else self.size
        velocity = torch.zeros_like(u)
        for step in range(1, num_steps + 1):
            velocity = self.momentum * velocity + landscape.slope(u)
            smoothing = self.smoothing * max(0.0, 1 - step / (SMOOTH * num_steps))
            u = (u - size * velocity) / (1 + size * smoothing)
            temperature = self.temperature * (1 - step / num_steps)
            if temperature > 0:
                noise = torch.randn(u.shape, generator=generator, device=generator.device).to(u)
                u = u + (2 * size * temperature) ** 0.5 * noise
            yield u


@dataclass(frozen=True)
class Torch:
    """A method of `torch.optim` on dE/du.

    Args:
        name: Of the class.
        options: Its arguments.
        alone: Each instance by itself, for methods that look at all numbers together.
    """

    name: str = "Adam"
    options: dict[str, Any] = field(default_factory=lambda: {"lr": 0.5})
    alone: bool = False

    def descend(
        self, landscape: Landscape, u: Tensor, num_steps: int, generator: torch.Generator
    ) -> Iterator[Tensor]:
        """Yield u after each step."""
        if not self.alone:
            yield from self._descend(landscape, u, num_steps)
            return
        rows = zip(landscape.rows(), u.split(1), strict=True)
        yield from _together([self._descend(own, start, num_steps) for own, start in rows], u)

    def _descend(self, landscape: Landscape, u: Tensor, num_steps: int) -> Iterator[Tensor]:
        with torch.inference_mode(False):
            point = u.detach().clone().requires_grad_()
        optimizer = getattr(torch.optim, self.name)([point], **self.options)

        def closure() -> float:
            energy, gradient = landscape.gradient(point.detach())
            with torch.inference_mode(False):
                point.grad = gradient.clone()
            return float(energy.sum())

        for _ in range(num_steps):
            with torch.inference_mode(False):
                optimizer.step(closure)
            yield point.detach().clone()


@dataclass(frozen=True)
class Scipy:
    """A method of `scipy.optimize.minimize` on dE/du, each instance by itself.

    Args:
        method: One that takes gradients and reports each iterate.
    """

    method: str = "L-BFGS-B"

    def descend(
        self, landscape: Landscape, u: Tensor, num_steps: int, generator: torch.Generator
    ) -> Iterator[Tensor]:
        """Yield u after each step."""
        rows = zip(landscape.rows(), u.split(1), strict=True)
        yield from _together([self._descend(own, start, num_steps) for own, start in rows], u)

    def _descend(self, landscape: Landscape, u: Tensor, num_steps: int) -> Iterator[Tensor]:
        from scipy.optimize import minimize

        def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
            energy, gradient = landscape.gradient(torch.as_tensor(flat).to(u).view_as(u))
            return float(energy), gradient.double().flatten().numpy()

        seen: list[np.ndarray] = []
        minimize(
            value,
            u.double().flatten().numpy(),
            jac=True,
            method=self.method,
            callback=lambda flat: seen.append(flat.copy()),
            options={"maxiter": num_steps},
        )
        for step in range(num_steps):
            if step < len(seen):
                u = torch.as_tensor(seen[step]).to(u).view_as(u)
            yield u


def _together(rows: Sequence[Iterator[Tensor]], u: Tensor) -> Iterator[Tensor]:
    """The steps of all instances side by side."""
    if not rows:
        yield u
    for parts in zip(*rows, strict=True):
        yield torch.cat(parts)


DESCENTS: dict[str, Optimizer] = {
    "gradient": Gradient(),
    "momentum": Gradient(momentum=0.5),
    "langevin": Gradient(temperature=0.5),
    "annealed": Gradient(smoothing=0.5),
    "adam": Torch(),
    "lbfgs": Torch("LBFGS", {"lr": 1.0, "max_iter": 1, "line_search_fn": "strong_wolfe"}, True),
    "scipy": Scipy(),
}


class Descent(Wrapper):
    """Energy models as one refinement model, whose steps are those of an optimizer.

    Args:
        models: Energy models of tasks that have their answers in common; the first says what the
            instances are, and where answers begin. The others find their fields among its own.
        optimizer: See the module.
        weights: Of the energies; None: 1 each.
        term: An energy that is not learned, to be added (see `Term`); None: none.

    Raises:
        ValueError: A model has no energy, or other answers than the first.

    Shapes: state as that of the first model.
    """

    def __init__(
        self,
        models: RefinementModel | Sequence[RefinementModel],
        optimizer: Optimizer | None = None,
        weights: Sequence[float] | None = None,
        term: Term | None = None,
    ) -> None:
        models = [models] if isinstance(models, RefinementModel) else list(models)
        for model in models:
            if not model.has_energy:
                raise ValueError(f"expected models with an energy, got a {type(model).__name__}")
        super().__init__(models[0].spec, models[0])
        self.models = torch.nn.ModuleList(models)
        self.optimizer, self.term = optimizer or Gradient(), term
        self.weights = [1.0] * len(models) if weights is None else list(weights)
        shape = (self.spec.num_nodes, self.spec.num_choices)
        for model in models[1:]:
            other = (model.spec.num_nodes, model.spec.num_choices)
            if other != shape:
                raise ValueError(f"expected answers of {shape} nodes and choices, got {other}")

    has_energy = True

    def encode(self, batch: Batch, graph: Tensor | None = None) -> Context:
        """The contexts of all models, and the batch."""
        with torch.inference_mode(False):  # a term takes gradients through what it reads of it
            batch = {name: values.clone() for name, values in batch.items()}
        parts = encoded(self.parts, batch)
        return {"inner": parts[0], "parts": parts, "batch": batch}

    def initial_state(self, context: Context, generator: torch.Generator | None = None) -> Tensor:
        """That of the first model; the generator goes on to draw the noise of steps."""
        context["generator"] = generator
        return super().initial_state(context, generator)

    def step(self, context: Context, z: Tensor) -> Tensor:
        """One step of the optimizer, which begins anew."""
        ((_, new),) = self.steps(context, z, 1)
        return new

    def steps(
        self, context: Context, z: Tensor, num_steps: int, observe: Observe | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (logits, state) after each step of one run of the optimizer."""
        if num_steps < 1:
            raise ValueError(f"num_steps must be at least 1, got {num_steps}")
        first = self.parts[0]
        generator = context.get("generator") or torch.Generator(z.device).manual_seed(NOISE_SEED)
        landscape = self.landscape(context, z)
        start = first.coordinates(z).detach().clone()
        for u in self.optimizer.descend(landscape, start, num_steps, generator):
            after = first.at(u, z)
            yield self.readout(context, after), after

    def linearized(self, context: Context, z: Tensor) -> None:
        """Optimizers begin at detached coordinates."""

    def energy(self, context: Context, z: Tensor) -> Tensor:
        """(B,) the sum of the energies."""
        first = self.parts[0]
        return self.landscape(context, z).energy(first.coordinates(z))

    def landscape(self, context: Context, z: Tensor) -> Landscape:
        """The landscape of the instances."""
        where = context["parts"], context["batch"], z
        return Landscape(self.parts, self.weights, *where, self.term)

    @property
    def parts(self) -> list[Energy]:
        """The models."""
        return list(self.models)  # type: ignore[arg-type]
