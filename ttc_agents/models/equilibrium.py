"""The equilibrium of another refinement model: the fixed point of its steps is solved for.

Bai et al. 2019 (arXiv 1909.01377). The inner model's step becomes a map into which the first state
is injected again,

    f(z) = x + g (step(z) - x),   x the inner model's first state,   g = sigmoid(gate) in (0, 1)

The map contracts as long as g times the Lipschitz constant of the step is below 1. In training,
`forward` solves z* = f(z*) and differentiates the solution by one of the gradients of
`ttc_agents.implicit`, in memory that does not depend on the number of steps. At test time one step
is one step of the solver. The default solver is damped Picard: z <- z + damping (f(z) - z).

When to use it: to train a deep model in little memory, or to get answers that stay the same for any
number of further steps. Otherwise the inner model alone is easier to train.

Shapes: with `picard` the state is that of the inner model (B, ...), D numbers a row. Other solvers
carry their memory in it, (B, W). With `warm_backward` the states of training end with the adjoint
of their row, (B, W + D).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ttc_agents.implicit import GRADIENTS, SOLVERS, Implicit, Mixed, Solution, carrying, solve
from ttc_agents.implicit.diagnostics import jacobian_penalty
from ttc_agents.implicit.gradients.phantom import moved
from ttc_agents.implicit.rows import like
from ttc_agents.implicit.solvers import Map, careful
from ttc_agents.models.base import (
    Batch,
    Context,
    Observe,
    RefinementModel,
    Trace,
    check_name,
    first_reason,
    shows_answer,
)
from ttc_agents.models.wrapper import Wrapper
from ttc_envs import TaskSpec

Taken = tuple[list[Tensor], Tensor, Solution]
"""Logits (B, N, C) of some states, the last state, how it was solved for."""
CHANGING = "what a step reads changes with the answer, so there is no one map to solve"
COUNTING = "its state counts the steps, so it never rests"


class Equilibrium(Wrapper):
    """Equilibrium of a refinement model (see the module for the equations).

    In training, `num_steps` is the number of logits in the trace. `gradient` says what they are of:

    - `implicit`: of the equilibrium; before it, of `num_steps - 1` iterates of the solver, each
      with the gradient of one step (fixed-point correction, arXiv 2204.08442).
    - `phantom`: of `num_steps` damped steps from the equilibrium, which are differentiated.
    - `mixed`: of the same steps; in rows that are at rest, the gradient at the first of them is
      implicit. It pays without any solve (`depths=[0]`), on states that are carried.
    - `unrolled`: of `num_steps` damped steps from the first state; nothing is solved.

    The trace's `solver` reports on the solve, and after the backward pass on the backward solve.
    With a Jacobian weight, its `penalty` is the weighted penalty of the Jacobian.

    Args:
        spec: Of the task.
        inner: The model to wrap. It must not read the answer, since the map has to stay the same.
        solver: Key of `SOLVERS`.
        solver_options: Its options; None is a damping of 0.5 for `picard`, nothing for the others.
        gradient: Key of `GRADIENTS`.
        backward_solver: Key of `SOLVERS`, for `implicit` and `mixed`.
        backward_tol: Residual at which the backward equation counts as solved.
        discard_above: Rows whose backward residual is larger give no gradient, with `mixed` that of
            the steps; None keeps all.
        settled: Residual below which a row is at rest, for `mixed`.
        tol: Residual at which a row's solve stops in training.
        max_steps: Largest number of steps of a solve.
        backward_max_steps: The same of the backward solve; None: as many.
        warm_backward: A backward solve begins at what the last update has found for the same row,
            which its state carries along; a fresh row begins at dL/dz*. It saves steps where rows
            are carried from update to update.
        depths: Used in turn in place of `max_steps`, one number per forward pass; 0 solves nothing.
            Few deep passes among shallow ones show the model its own late states.
        gate: g at first.
        jacobian_weight: Weight of Hutchinson's estimate of |J|_F^2 / D at the solution.
        jacobian_every: Only every so many passes have the penalty, which then weighs as many times
            more: it costs as much as four calls of f.
        stop: At test time, a row whose residual is below this value keeps its state (adaptive
            compute).
    """

    training_defaults: ClassVar[dict[str, Any]] = {
        "model_options": {
            "inner": {"model": "factor_graph_network", "options": {}},
            "solver_options": {"damping": 1.0},
            "gradient": "mixed",
            "depths": [0],
            "gate": 0.9,
            "backward_solver": "picard",
            "backward_max_steps": 2,
            "warm_backward": True,
            "backward_tol": 0.1,
            "discard_above": 0.3,
        },
        "optimizer": "muon",
        "matrix_learning_rate": 0.015,
        "restart": 0.15,
    }

    calls: Tensor

    def __init__(
        self,
        spec: TaskSpec,
        inner: RefinementModel,
        solver: str = "picard",
        solver_options: dict[str, Any] | None = None,
        gradient: str = "implicit",
        backward_solver: str = "anderson",
        backward_tol: float = 1e-3,
        discard_above: float | None = None,
        settled: float = 0.05,
        tol: float = 1e-3,
        max_steps: int = 60,
        backward_max_steps: int | None = None,
        warm_backward: bool = False,
        depths: Sequence[int] | None = None,
        gate: float = 0.5,
        jacobian_weight: float = 0.0,
        jacobian_every: int = 1,
        stop: float = 0.0,
    ) -> None:
        super().__init__(spec, inner)
        reason = self.cannot_solve(inner)
        if reason is not None:
            raise ValueError(f"Equilibrium does not support {type(inner).__name__}: {reason}")
        check_name(solver, SOLVERS, "solver")
        check_name(backward_solver, SOLVERS, "backward_solver")
        check_name(gradient, GRADIENTS, "gradient")
        if not 0 < gate < 1:
            raise ValueError(f"gate must be in (0, 1), got {gate}")
        if depths is not None and (not depths or min(depths) < 0):
            raise ValueError(f"depths must be numbers of steps, at least one, got {depths}")
        if warm_backward and gradient not in ("implicit", "mixed"):
            raise ValueError(f"warm_backward is for implicit and mixed gradients, not {gradient}")
        if jacobian_every < 1:
            raise ValueError(f"jacobian_every must be at least 1, got {jacobian_every}")
        if solver_options is None:
            solver_options = {"damping": 0.5} if solver == "picard" else {}
        self.solver = SOLVERS[solver](**solver_options)
        self.damping: float = getattr(self.solver, "damping", 1.0)
        self.gradient = gradient
        backward_steps = max_steps if backward_max_steps is None else backward_max_steps
        backward = SOLVERS[backward_solver]()
        self.implicit = Implicit(backward, backward_steps, backward_tol, discard_above)
        self.mixed = Mixed(1, self.damping, settled, self.implicit)
        self.tol, self.max_steps, self.depths = tol, max_steps, depths
        self.jacobian_weight, self.jacobian_every = jacobian_weight, jacobian_every
        self.stop, self.warm_backward = stop, warm_backward
        self.gate = nn.Parameter(torch.logit(torch.tensor(float(gate))))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self._passes: int | None = None

    @classmethod
    def supports(cls, spec: TaskSpec) -> str | None:
        """What the task shows must not change with the answer; the inner model has its own say."""
        return CHANGING if shows_answer(spec) else None

    @classmethod
    def cannot_wrap(cls, inner: type[RefinementModel]) -> str | None:
        """Its steps have to be one map, and training must need nothing but steps."""
        return first_reason(
            (inner.autoregressive, "it writes an answer slot by slot, so no step is a whole map"),
            (inner.has_energy, "it descends an energy, and is trained by that"),
            (inner.learns_graph, "it draws graphs in training; its inner model can be one"),
            (issubclass(inner, cls), "it is an equilibrium already"),
        )

    @classmethod
    def cannot_solve(cls, inner: RefinementModel) -> str | None:
        """The same of a model with its options, on its task."""
        return cls.cannot_wrap(type(inner)) or first_reason(
            (inner.reads_answer, f"it reads the answer: {CHANGING}"),
            (inner.counts_steps, COUNTING),
        )

    def encode(self, batch: Batch, graph: Tensor | None = None) -> Context:
        """The inner model's context, and the state to inject."""
        context = super().encode(batch, graph)
        return {**context, "x": super().initial_state(context)}

    def map(self, context: Context) -> Map:
        """The f of the module, on states of the inner model."""
        inner, gate = context["inner"], self.gate.sigmoid()
        x = self.first_part(context)

        def f(z: Tensor) -> Tensor:
            new = self.inner.compact(inner, self.inner.step(inner, z))
            return self.inner.spread(inner, torch.lerp(x, new.to(x), gate.to(x)))

        return f

    def first_part(self, context: Context) -> Tensor:
        """What `compact` makes of the first state; without gradients it is made once."""
        if torch.is_grad_enabled():
            return self.inner.compact(context["inner"], context["x"])
        if "part" not in context:
            context["part"] = self.inner.compact(context["inner"], context["x"])
        part: Tensor = context["part"]
        return part

    def initial_state(self, context: Context, generator: torch.Generator | None = None) -> Tensor:
        """The inner model's first state, or a random one."""
        z = context["x"] if generator is None else super().initial_state(context, generator)
        state, warm = carrying.begin(self.solver, z), self.warm_backward and self.training
        return carrying.with_zero_adjoint(state, z) if warm else state

    def unpack(self, context: Context, state: Tensor) -> Any:
        """The solver's memory that a state carries."""
        return carrying.unpack(self.solver, state, context["x"])

    def step(self, context: Context, z: Tensor) -> Tensor:
        """One step of the solver; a row that fails becomes NaN rather than look converged."""
        memory = self.solver.step(careful(self.map(context)), self.unpack(context, z))
        new = carrying.pack(self.solver, memory)
        failed = ~memory.residual.isfinite()
        new = torch.where(like(failed, new), torch.nan, new)
        return torch.where(like(memory.residual < self.stop, new), z, new) if self.stop else new

    def readout(self, context: Context, z: Tensor) -> Tensor:
        """The inner model's logits."""
        return super().readout(context, carrying.point(z, context["x"]))

    def forward(
        self,
        batch: Batch,
        num_steps: int,
        state: Tensor | None = None,
        observe: Observe | None = None,
    ) -> Trace:
        """As in the base; in training as the class says."""
        if not self.training:
            return super().forward(batch, num_steps, state)
        if num_steps < 1:
            raise ValueError(f"num_steps must be at least 1, got {num_steps}")
        context = self.encode(batch)
        packed = self.initial_state(context) if state is None else state
        z0 = self.unpack(context, packed).z
        f = self.map(context)
        taken = self.at_equilibrium if self.gradient == "implicit" else self.along_steps
        logits, z, solution = taken(f, z0, num_steps, partial(self.inner.readout, context["inner"]))
        penalty, every = None, self.jacobian_every
        if self.jacobian_weight and self.passes % every == 0:
            penalty = every * self.jacobian_weight * self.penalty(f, z)
        self._passes = self.passes + 1
        self.calls += 1
        last = carrying.begin(self.solver, z)
        if self.warm_backward:
            last = carrying.with_adjoint(last, packed, z, solution.backward)
        return Trace(torch.stack(logits), last, penalty, replace(solution, trajectory=None))

    def training_depth(self, segment_steps: int) -> int:
        """The steps of a solve."""
        return self.max_steps

    def linearized(self, context: Context, z: Tensor) -> tuple[Map, Tensor]:
        """The map without damping, at the point that the solver is to evaluate next."""
        return self.map(context), self.unpack(context, z).z

    @property
    def passes(self) -> int:
        """What `calls` holds, as the host knows it: it is read where the weights were loaded."""
        if self._passes is None:
            self._passes = int(self.calls)
        return self._passes

    def _load_from_state_dict(self, *arguments: Any) -> None:
        """As in the base; the host's number is read anew."""
        super()._load_from_state_dict(*arguments)
        self._passes = None

    def cap(self) -> int:
        """Steps of this forward pass's solve at most."""
        if self.gradient == "unrolled":
            return 0
        if self.depths is None:
            return self.max_steps
        return self.depths[self.passes % len(self.depths)]

    def at_equilibrium(self, f: Map, z0: Tensor, count: int, read: Map) -> Taken:
        """Some iterates after one step each, and the equilibrium with its implicit gradient."""
        cap = max(1, self.cap())
        kept = sorted({(i + 1) * cap // count for i in range(min(count, cap) - 1)})
        solution = solve(self.solver, f, z0, cap, self.tol, kept, self.implicit)
        points = [] if solution.trajectory is None else list(solution.trajectory)
        points += [solution.value.detach()] * (count - 1 - len(points))
        # A state that has just been made is at hand in its compact form, so it is read at once.
        logits = [read(f(point)) for point in points] + [read(solution.value)]
        return logits, solution.value, solution

    def along_steps(self, f: Map, z0: Tensor, count: int, read: Map) -> Taken:
        """The states after damped steps with a gradient, from the equilibrium or else from z0."""
        cap, logits = self.cap(), []
        solution = solve(self.solver, f, z0.detach(), cap, self.tol) if cap else unsolved(z0)
        z = solution.value
        if self.gradient == "mixed":
            solution = self.mixed.first(f, solution)
            z = solution.value
            logits.append(read(z))
        for _ in range(count - len(logits)):
            z = moved(z, f(z), self.damping)
            logits.append(read(z))
        return logits, z, solution

    def penalty(self, f: Map, z: Tensor) -> Tensor:
        """The mean Jacobian penalty at z, with random signs that depend on the calls so far."""
        generator = torch.Generator(z.device).manual_seed(self.passes)
        return jacobian_penalty(f, z, 1, generator).mean()


def unsolved(z0: Tensor) -> Solution:
    """Where nothing was solved."""
    unknown = torch.full((len(z0),), torch.inf, dtype=z0.dtype, device=z0.device)
    return Solution(z0, unknown, torch.zeros_like(unknown).long(), unknown < 0)
