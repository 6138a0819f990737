"""Energy-based refinement: descent on a learned energy of (instance, relaxed answer).

The answer is a point y of the simplices, one per node, with logits u as coordinates. A body
(another refinement model) reads it, takes R steps of its own, and gives a score s of each choice:

    y_i   = softmax(u_i)                              over the choices that are possible
    h_0   = x + y W_y                                 x the body's first state, then R steps
    s     = readout(h_R)
    E(u)  = sum_i sum_c y_ic (T log y_ic - s_ic)      over the nodes i that are free

T is a learned temperature: entropy keeps the minimum inside of the simplices. One refinement step
is one step of mirror descent (exponentiated gradient, Beck and Teboulle 2003),

    u <- u - a (dE/dy - its mean over the choices of a node),      y <- y exp(-a dE/dy) / Z

For small a the energy falls: dE/da = -sum_i Var_y(dE/dy_i). Unlike dE/du, dE/dy does not vanish
where y is certain, so a wrong answer that is sure of itself can still be left.

Training differentiates through the gradient (double backward; Du et al. 2022, arXiv 2206.15448; Du
et al. 2024, IRED, arXiv 2406.11179). Every step begins at a detached answer: the loss at each of T
steps reaches the weights through that step alone. So an update may take its gradient step by step
(`backward_every=1` of a recipe), in the memory of one step.

With `landscapes` > 1 the energy is conditioned on a level, which the state counts: each level has
its own W_y and T, from smooth to sharp, and `steps_per_landscape` steps are taken on each (IRED).

When to use it: where a score of whole answers is wanted: which of several is best, is this one
right? Also where descent has to be stopped anywhere, or to add energies that were learned apart.
For the share of solved instances per second of training, the body alone is better.

Shapes: B instances, N nodes, C choices; state (B, N, C), with landscapes (B, N, C + 1).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from ttc_agents.models.base import (
    Batch,
    Context,
    Energies,
    Linearized,
    Observe,
    RefinementModel,
    Trace,
    check_name,
    noise,
    present_nodes,
    shows_answer,
    to_batch,
)
from ttc_agents.models.readout import ABSENT
from ttc_agents.models.wrapper import Wrapper
from ttc_envs import UNDECIDED, TaskSpec

CHANGING = "what a body reads changes with the answer, so there is no one energy"
WRITES = "it reads only the likeliest choices of its state, which have no gradient"
STEPS = ("learned", "fixed", "search")
HALVINGS = 6
"""How often a line search halves a step at most."""


class Energy(Wrapper):
    """A learned energy and descent on it (see the module for the equations).

    Args:
        spec: Of the task.
        inner: The body. It must not read the answer by itself.
        rounds: R, steps of the body in one energy.
        temperature: T at first.
        step: Of the size a: `learned`; `fixed`; or `search`, a line search that halves a learned
            step, row by row, until the energy does not rise. It costs a few more energies a step.
            A row whose energy always rises stays.
        step_size: a at first.
        landscapes: Levels of an annealed energy; 1 has none.
        steps_per_landscape: Steps on each level, but for the last.
        stop: At test time, a row keeps its state where no slope is larger than this (adaptive
            compute).
        start_spread: Standard deviation of random first logits. Where it is large, a search begins
            at wrong answers that are sure of themselves, and training teaches to leave them.
        rise_weight: Weight of the mean rise of the energy from step to step, which joins the loss.
            It needs two steps in a backward pass.

    Raises:
        ValueError: An option is out of range, or the body reads the answer.
    """

    has_energy = True
    not_exported = "its step is the derivative of an energy"
    training_defaults: ClassVar[dict[str, Any]] = {
        "model_options": {"inner": {"model": "factor_graph_network", "options": {}}},
        "optimizer": "muon",
        "matrix_learning_rate": 0.015,
        "random_start": 0.5,
        "precision": "float32",
    }

    def __init__(
        self,
        spec: TaskSpec,
        inner: RefinementModel,
        rounds: int = 2,
        temperature: float = 1.0,
        step: Literal["learned", "fixed", "search"] = "learned",
        step_size: float = 0.5,
        landscapes: int = 1,
        steps_per_landscape: int = 4,
        stop: float = 0.0,
        rise_weight: float = 0.0,
        start_spread: float = 1.0,
    ) -> None:
        super().__init__(spec, inner)
        reason = CHANGING if inner.reads_answer else self.cannot_wrap(type(inner))
        if reason is not None:
            raise ValueError(f"Energy does not support {type(inner).__name__}: {reason}")
        check_name(step, STEPS, "step")
        if min(rounds, landscapes, steps_per_landscape) < 1:
            raise ValueError(
                "rounds, landscapes and steps_per_landscape must be at least 1, "
                f"got {rounds}, {landscapes} and {steps_per_landscape}"
            )
        if not all(value > 0 for value in (step_size, temperature, start_spread)):
            raise ValueError(
                "step_size, temperature and start_spread must be positive, "
                f"got {step_size}, {temperature} and {start_spread}"
            )
        self.rounds, self.landscapes = rounds, landscapes
        self.steps_per_landscape, self.rise_weight = steps_per_landscape, rise_weight
        self.start_spread = start_spread
        self.search, self.stop = step == "search", stop
        self.counts_steps = landscapes > 1
        self.log_step = nn.Parameter(torch.tensor(float(step_size)).log(), step != "fixed")
        self.log_temperature = nn.Parameter(torch.full((landscapes,), float(temperature)).log())
        inputs, width = self._sizes()
        self.lift = nn.Parameter(torch.randn(landscapes, inputs, width) / inputs**0.5)  # W_y

    @classmethod
    def supports(cls, spec: TaskSpec) -> str | None:
        """What the task shows must not change with the answer; the body has its own say."""
        return CHANGING if shows_answer(spec) else None

    @classmethod
    def cannot_wrap(cls, inner: type[RefinementModel]) -> str | None:
        """A body has to pass gradients on to the answer that it is told."""
        return WRITES if inner.autoregressive else None

    @torch.no_grad()
    def _sizes(self) -> tuple[int, int]:
        """Features of a choice as the body is told of it, and the width of the body's state."""
        fields = {n: np.zeros((1, *f.shape), f.dtype) for n, f in self.spec.fields.items()}
        context = self.inner.encode(to_batch(fields))
        x = self.inner.initial_state(context)
        if self.inner.per_choice:
            return 1, x[0].numel() // (self.spec.num_nodes * self.spec.num_choices)
        y = torch.zeros(1, self.spec.num_nodes, self.spec.num_choices)
        return self.inner.expected_choice(context, y).shape[-1], x.shape[-1]

    # The contract

    def encode(self, batch: Batch, graph: Tensor | None = None) -> Context:
        """The body's context and first state, and which choices are possible, (B, N, C) bool.

        Also under `torch.inference_mode` these are tensors that gradients can pass through.
        """
        with _ordinary():
            batch = {name: values.clone() for name, values in batch.items()}
            inner = super().encode(batch, graph)["inner"]
            x = self.inner.initial_state(inner)
            possible = self.inner.possible_choices(inner)
            if possible is None:
                possible = self.inner.readout(inner, x) > ABSENT / 2
            free = torch.ones(possible.shape[:2], dtype=torch.bool, device=possible.device)
            if self.spec.given_field is not None:
                given = batch[str(self.spec.given_field)]
                free = given == UNDECIDED
                choices = torch.arange(self.spec.num_choices, device=given.device)
                possible = torch.where(free[..., None], possible, given[..., None] == choices)
            present = present_nodes(self.spec, batch)
            free = free if present is None else free & present
            return {"inner": inner, "x": x, "possible": possible, "free": free}

    def initial_state(self, context: Context, generator: torch.Generator | None = None) -> Tensor:
        """Logits 0, the centre of the simplices; or random ones."""
        possible = context["possible"]
        u = torch.zeros(possible.shape, dtype=self.lift.dtype, device=possible.device)
        if generator is not None:
            u = self.start_spread * noise(u, generator)
        if self.landscapes == 1:
            return u
        return torch.cat([u, u.new_zeros(*u.shape[:2], 1)], -1)

    def step(self, context: Context, z: Tensor) -> Tensor:
        """One step of descent from a detached answer."""
        return self.descended(context, z)[0]

    def readout(self, context: Context, z: Tensor) -> Tensor:
        """The logits, those of choices that are not possible at `ABSENT`."""
        # `where` keeps the one mask that all steps share; `masked_fill` would keep one of each.
        u = self.coordinates(z)
        return torch.where(context["possible"], u, u.new_full((), ABSENT))

    def forward(
        self,
        batch: Batch,
        num_steps: int,
        state: Tensor | None = None,
        observe: Observe | None = None,
    ) -> Trace:
        """As in the base, with the energies and, with a weight, the penalty of their rises."""
        if num_steps < 1:
            raise ValueError(f"num_steps must be at least 1, got {num_steps}")
        if self.rise_weight and self.training and num_steps < 2:
            raise ValueError("rise_weight compares two steps of a backward pass, there is only 1")
        context = self.encode(batch)
        z = self.initial_state(context) if state is None else state
        logits, energies = [], []
        for _ in range(num_steps):
            z, energy = self.descended(context, z)
            logits.append(self.readout(context, z))
            energies.append(energy)
        before = torch.stack(energies)
        penalty = None
        if self.rise_weight and num_steps > 1:
            penalty = self.rise_weight * before.diff(dim=0).relu().mean()
        landscape = Energies(
            before,
            lambda u: self.energy(context, self.at(u, z)),
            lambda u: self.readout(context, self.step(context, self.at(u, z))),
        )
        return Trace(torch.stack(logits), z, penalty, energies=landscape)

    def linearized(self, context: Context, z: Tensor) -> Linearized:
        """The step as a map that is not cut at its answer."""
        return lambda state: self._moved(context, state, torch.is_grad_enabled())[0], z

    # The energy

    def energy(self, context: Context, z: Tensor) -> Tensor:
        """(B,) the energy of a state per free node, so that instances can be compared."""
        with _ordinary():
            u = self.coordinates(_usable(z))
            y, log_y = self.point(context, u)
            return self.per_node(context, self.total(context, y, log_y, self.level(z)))

    def point(self, context: Context, u: Tensor) -> tuple[Tensor, Tensor]:
        """The point of the simplices (B, N, C) with these coordinates, and its logarithm."""
        log_y = u.masked_fill(~context["possible"], ABSENT).log_softmax(-1)
        return log_y.exp(), log_y

    def total(self, context: Context, y: Tensor, log_y: Tensor, level: Tensor) -> Tensor:
        """(B,) E of the module, a sum over the free nodes.

        Args:
            context: Of `encode`.
            y: (B, N, C), the point.
            log_y: (B, N, C), its logarithm.
            level: (B,) int64, of the landscape.
        """
        inner, x = context["inner"], context["x"]
        told = y[..., None] if self.inner.per_choice else self.inner.expected_choice(inner, y)
        lifted = torch.einsum("bn...i,bih->bn...h", told, self.lift[level])
        h = x + lifted.reshape(x.shape)
        # Of the kernels of attention, only the plain one has second derivatives.
        with sdpa_kernel(SDPBackend.MATH):
            for _ in range(self.rounds):
                h = self.inner.step(inner, h)
            scores = self.inner.readout(inner, h)
        temperature = self.log_temperature.exp()[level, None, None]
        each = y * (temperature * log_y - scores)
        live = context["possible"] & context["free"][..., None]
        return each.masked_fill(~live, 0.0).sum((1, 2))

    def coordinates(self, z: Tensor) -> Tensor:
        """The logits (B, N, C) in a state."""
        return z[..., : self.spec.num_choices] if self.landscapes > 1 else z

    def at(self, u: Tensor, z: Tensor) -> Tensor:
        """The state with the coordinates u (B, N, C) and the level of the state z."""
        return torch.cat([u, z[..., -1:]], -1) if self.landscapes > 1 else u

    def level(self, z: Tensor) -> Tensor:
        """(B,) int64, the landscape on which a state is."""
        if self.landscapes == 1:
            return torch.zeros(len(z), dtype=torch.int64, device=z.device)
        return (z[:, 0, -1].detach() / self.steps_per_landscape).long()

    def slope(self, context: Context, z: Tensor, create_graph: bool) -> tuple[Tensor, Tensor]:
        """dE/dy (B, N, C) less its mean over the choices of each node, and E per free node (B,).

        It is 0 where there is nothing to choose. Gradients are on inside, also under `no_grad`.
        """
        with torch.inference_mode(False), torch.enable_grad():
            y, log_y = self.point(context, self.coordinates(z))
            y = y if y.requires_grad else y.requires_grad_()
            total = self.total(context, y, log_y, self.level(z))
            (slope,) = torch.autograd.grad(total.sum(), y, create_graph=create_graph)
            return self.centred(context, slope), self.per_node(context, total)

    def centred(self, context: Context, slope: Tensor) -> Tensor:
        """A slope (B, N, C) less its mean over the choices of each node; 0 without a choice."""
        live: Tensor = context["possible"] & context["free"][..., None]
        slope = slope.masked_fill(~live, 0.0)
        mean = slope.sum(-1, keepdim=True) / live.sum(-1, keepdim=True).clamp(min=1)
        return (slope - mean).masked_fill(~live, 0.0)

    def per_node(self, context: Context, total: Tensor) -> Tensor:
        """(B,) a sum over the free nodes, per free node."""
        return total / context["free"].sum(1).clamp(min=1)

    def descended(self, context: Context, z: Tensor) -> tuple[Tensor, Tensor]:
        """The state one step of descent after a detached one, and the energy (B,) before it."""
        return self._moved(context, _usable(z).detach(), torch.is_grad_enabled())

    def _moved(self, context: Context, z: Tensor, create_graph: bool) -> tuple[Tensor, Tensor]:
        """One step of descent, and the energy before it."""
        slope, energy = self.slope(context, z, create_graph)
        size = self.log_step.exp()
        if self.search:
            size = size * self._halved(context, z, slope, energy)[:, None, None]
        if self.stop and not create_graph:
            slope = slope * (slope.abs().amax((1, 2), keepdim=True) > self.stop)
        new = self.coordinates(z) - size * slope
        if self.landscapes > 1:
            last = float((self.landscapes - 1) * self.steps_per_landscape)
            new = torch.cat([new, (z[..., -1:] + 1).clamp(max=last)], -1)
        return new, energy

    @torch.no_grad()
    def _halved(self, context: Context, z: Tensor, slope: Tensor, energy: Tensor) -> Tensor:
        """(B,) shares of a step at which the energy does not rise; 0 where it always does."""
        share = torch.ones_like(energy)
        for _ in range(HALVINGS + 1):
            u = self.coordinates(z) - self.log_step.exp() * share[:, None, None] * slope
            rises = self.energy(context, self.at(u, z)) > energy
            if not rises.any():
                return share
            share = torch.where(rises, share / 2, share)
        return share.masked_fill(rises, 0.0)


@contextmanager
def _ordinary() -> Iterator[None]:
    """Tensors that gradients can pass through, also under `torch.inference_mode`."""
    enabled = torch.is_grad_enabled()
    with torch.inference_mode(False), torch.set_grad_enabled(enabled):
        yield


def _usable(z: Tensor) -> Tensor:
    """The tensor, or a copy that gradients can pass through."""
    if not z.is_inference():
        return z
    with _ordinary():
        return z.clone()
