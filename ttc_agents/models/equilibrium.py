"""The equilibrium of another refinement model: its steps are solved for a fixed point.

Bai et al. 2019 (arXiv 1909.01377). The inner model's step becomes a map with injected input,

    f(z) = x + g (step(z) - x),   x the inner model's first state,   g = sigmoid(gate) in (0, 1)

which contracts as long as g times the Lipschitz constant of the step is below 1; g begins small.
In training, `forward` solves z* = f(z*) and differentiates it by one of `ttc_agents.implicit`'s
gradients, in memory that does not depend on the number of steps. At test time one step is one step
of the solver, damped Picard unless asked otherwise: z <- z + damping (f(z) - z).

When to use it: where memory must not grow with depth, or where an answer has to stay for however
many steps; where neither matters the inner model alone is easier to train.

Shapes: state as the inner model's (B, ...) with `picard`; other solvers carry their memory in it,
(B, W), W numbers a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ttc_agents.implicit import GRADIENTS, SOLVERS, BackwardReport, Implicit, Solution, solve
from ttc_agents.implicit.diagnostics import jacobian_penalty
from ttc_agents.implicit.solvers import Map, like
from ttc_agents.models.base import Batch, Context, RefinementModel, Trace
from ttc_envs import TaskSpec

UNKNOWN = 1e18
"""A memory's norms before the first step, infinite there: a state that is carried is finite."""


class Equilibrium(RefinementModel):
    """Equilibrium of a refinement model (see the module for the equations).

    In training, `num_steps` is the number of logits that the trace has:

    - `implicit`: of the equilibrium, and before it of `num_steps - 1` of the solver's iterates,
      each with the gradient of one step (fixed-point correction, arXiv 2204.08442).
    - `phantom`: of so many damped steps from the equilibrium, differentiated as they are.
    - `unrolled`: of so many steps from the first state; nothing is solved.

    The trace's extras are `residual`, `converged` and `solver_steps`, (B,), of the solve, and with
    a Jacobian weight `jacobian_penalty`, to be added to any loss. `backward` reports on the last
    backward pass.

    Args:
        spec: Of the task.
        inner: The model to wrap. Its step must not depend on the number of steps taken, which is
            always 0 here.
        solver: Key of `SOLVERS`.
        solver_options: Its options; None is a damping of 0.5 for `picard`, nothing for the others.
        gradient: Key of `GRADIENTS`.
        backward_solver: Key of `SOLVERS`, for `implicit`.
        backward_tol: Residual at which the backward equation counts as solved.
        discard_above: Rows whose backward residual is larger give no gradient; None keeps all.
        tol: Residual at which a row's solve stops in training.
        max_steps: Steps of a solve at most.
        backward_max_steps: Of the backward one; None: as many.
        depths: Caps of the forward solve that take turns in place of `max_steps`, 0 for none at all
            (late-state anchoring: some batches from the start, some very deep).
        gate: g at first.
        jacobian_weight: Of Hutchinson's estimate of |J|_F^2 / D at the solution.
        stop: At test time, rows whose residual is below it stay where they are: adaptive compute.
    """

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
        tol: float = 1e-3,
        max_steps: int = 60,
        backward_max_steps: int | None = None,
        depths: Sequence[int] | None = None,
        gate: float = 0.5,
        jacobian_weight: float = 0.0,
        stop: float = 0.0,
    ) -> None:
        super().__init__(spec)
        check_options(solver, backward_solver, gradient, gate, depths)
        if inner.reads_answer:
            raise ValueError(f"{type(inner).__name__} reads the answer, so its map is not fixed")
        if solver_options is None:
            solver_options = {"damping": 0.5} if solver == "picard" else {}
        self.inner = inner
        self.solver = SOLVERS[solver](**solver_options)
        self.damping: float = getattr(self.solver, "damping", 1.0)
        self.gradient = gradient
        backward_steps = max_steps if backward_max_steps is None else backward_max_steps
        backward = SOLVERS[backward_solver]()
        self.implicit = Implicit(backward, backward_steps, backward_tol, discard_above)
        self.tol, self.max_steps, self.depths = tol, max_steps, depths
        self.jacobian_weight, self.stop = jacobian_weight, stop
        self.gate = nn.Parameter(torch.logit(torch.tensor(float(gate))))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.backward: BackwardReport | None = None

    @classmethod
    def inner_spec(cls, spec: TaskSpec, options: dict[str, Any]) -> TaskSpec:
        """The inner model works on the task itself."""
        return spec

    @classmethod
    def supports(cls, spec: TaskSpec) -> str | None:
        """What is shown must not change with the answer; the inner model has its own say."""
        if any(field.per == "answer" for field in spec.fields.values()):
            return "what it shows changes with the answer, so there is no one map to solve"
        return None

    def encode(self, batch: Batch, graph: Tensor | None = None) -> Context:
        """The inner model's context, and the state to inject."""
        context = self.inner.encode(batch, graph)
        return {"inner": context, "x": self.inner.initial_state(context)}

    def map(self, context: Context) -> Map:
        """The f of the module, on states of the inner model."""
        x, gate = context["x"], self.gate.sigmoid()
        t = torch.zeros(len(x), dtype=torch.int64, device=x.device)

        def f(z: Tensor) -> Tensor:
            return torch.lerp(x, self.inner.step(context["inner"], z, t).to(x), gate.to(x))

        return f

    def initial_state(self, context: Context, generator: torch.Generator | None = None) -> Tensor:
        """The inner model's first state, or a random one."""
        z = context["x"]
        if generator is not None:
            z = self.inner.initial_state(context["inner"], generator)
        return self.pack(self.solver.init(self.map(context), z))

    def pack(self, memory: Any) -> Tensor:
        """The fields of a solver's memory that its next step reads, as one tensor."""
        fields = [getattr(memory, name) for name in self.solver.carried]
        if len(fields) == 1:
            return fields[0]
        rows = [values.reshape(len(values), -1) for values in fields]
        return torch.cat([r.clamp(max=UNKNOWN) if r.shape[1] == 1 else r for r in rows], 1)

    def unpack(self, context: Context, state: Tensor) -> Any:
        """The memory that `pack` has packed."""
        x = context["x"]
        memory = self.solver.init(self.map(context), x)
        names = self.solver.carried
        if len(names) == 1:
            return type(memory)(state, state, memory.residual, memory.change)
        shapes = [getattr(memory, name).shape for name in names]
        parts = state.split([shape[1:].numel() for shape in shapes], 1)
        parts = [p.where(p < UNKNOWN, torch.inf) if p.shape[1] == 1 else p for p in parts]
        fields = {n: part.view(s) for n, part, s in zip(names, parts, shapes, strict=True)}
        return type(memory)(**{**vars(memory), **fields})

    def step(self, context: Context, z: Tensor, t: Tensor) -> Tensor:
        """One step of the solver; a row that fails becomes NaN rather than look converged."""
        memory = self.solver.step(self.map(context), self.unpack(context, z))
        new = self.pack(memory)
        failed = ~memory.residual.isfinite()
        new = torch.where(like(failed, new), torch.nan, new)
        return torch.where(like(memory.residual < self.stop, new), z, new) if self.stop else new

    def readout(self, context: Context, z: Tensor) -> Tensor:
        """The inner model's logits."""
        x = context["x"]
        if len(self.solver.carried) > 1:
            z = z[:, : x[0].numel()].view_as(x)
        return self.inner.readout(context["inner"], z)

    def forward(
        self,
        batch: Batch,
        num_steps: int,
        state: Tensor | None = None,
        generator: torch.Generator | None = None,
        graph: Tensor | None = None,
        observe: Any = None,
    ) -> Trace:
        """As in the base; in training as the class says."""
        if not self.training:
            return super().forward(batch, num_steps, state, generator, graph)
        if num_steps < 1:
            raise ValueError(f"num_steps must be at least 1, got {num_steps}")
        context = self.encode(batch, graph)
        packed = self.initial_state(context, generator) if state is None else state
        z0 = self.unpack(context, packed).z
        f = self.map(context)
        methods = {"implicit": self.solved, "phantom": self.anchored, "unrolled": self.unrolled}
        states, solution = methods[self.gradient](f, z0, num_steps)
        logits = torch.stack([self.inner.readout(context["inner"], z) for z in states])
        extras = {name: getattr(solution, name) for name in ("residual", "converged")}
        extras["solver_steps"] = solution.num_steps
        if self.jacobian_weight:
            extras["jacobian_penalty"] = self.jacobian_weight * self.penalty(f, states[-1])
        self.calls += 1
        last = self.pack(self.solver.init(f, states[-1]))
        return Trace(logits, last, extras)

    def cap(self) -> int:
        """Steps of this forward pass at most."""
        if self.depths is None:
            return self.max_steps
        return self.depths[int(self.calls) % len(self.depths)]

    def solved(self, f: Map, z0: Tensor, count: int) -> tuple[list[Tensor], Solution]:
        """Some iterates after one step each, and the equilibrium with its implicit gradient."""
        solution = solve(
            self.solver,
            f,
            z0,
            max(1, self.cap()),
            self.tol,
            trajectory=count > 1,
            gradient=self.implicit,
        )
        self.backward = solution.backward
        states = [solution.value]
        if solution.trajectory is not None:
            length = len(solution.trajectory)
            chosen = [(i + 1) * length // count for i in range(count - 1)]
            states = [f(solution.trajectory[min(i, length - 1)]) for i in chosen] + states
        return states, solution

    def anchored(self, f: Map, z0: Tensor, count: int) -> tuple[list[Tensor], Solution]:
        """Damped steps with a gradient, from the equilibrium."""
        cap = self.cap()
        solution = solve(self.solver, f, z0.detach(), cap, self.tol) if cap else unsolved(z0)
        return self.damped_steps(f, solution.value, count), solution

    def unrolled(self, f: Map, z0: Tensor, count: int) -> tuple[list[Tensor], Solution]:
        """Damped steps with a gradient, from the first state."""
        return self.damped_steps(f, z0, count), unsolved(z0)

    def damped_steps(self, f: Map, z: Tensor, count: int) -> list[Tensor]:
        """The states after each of `count` steps."""
        states = []
        for _ in range(count):
            z = f(z) if self.damping == 1 else torch.lerp(z, f(z), self.damping)
            states.append(z)
        return states

    def penalty(self, f: Map, z: Tensor) -> Tensor:
        """The mean Jacobian penalty at z, with random signs that depend on the calls so far."""
        generator = torch.Generator(z.device).manual_seed(int(self.calls))
        return jacobian_penalty(f, z, 1, generator).mean()


def unsolved(z0: Tensor) -> Solution:
    """Where nothing was solved."""
    unknown = torch.full((len(z0),), torch.inf, dtype=z0.dtype, device=z0.device)
    return Solution(z0, unknown, torch.zeros_like(unknown).long(), unknown < 0)


def check_options(
    solver: str, backward_solver: str, gradient: str, gate: float, depths: Sequence[int] | None
) -> None:
    """Refuse unknown names and numbers out of range."""
    for name, table in ((solver, SOLVERS), (backward_solver, SOLVERS), (gradient, GRADIENTS)):
        if name not in table:
            raise ValueError(f"expected one of {', '.join(table)}, got {name!r}")
    if not 0 < gate < 1:
        raise ValueError(f"gate must be in (0, 1), got {gate}")
    if depths is not None and (not depths or min(depths) < 0):
        raise ValueError(f"depths must be numbers of steps, at least one, got {depths}")
