"""A refinement model in continuous time (Chen et al. 2018, arXiv 1806.07366).

The state follows

    dz/dt = step(z) - z,   step that of another refinement model,

whose resting points are the fixed points of that model. One refinement step here is a stretch of
time, integrated by the classical Runge-Kutta method of `torchdiffeq` (extra `ode`), so that time is
the budget at test time. Adaptive methods would choose one step size for the whole batch, and the
result of a row would depend on its neighbours.

When to use it: to ask whether time could be continuous. A step costs four inner steps for each of
its substeps; `equilibrium` finds the same resting points for less.

Shapes: state as the inner model's.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ttc_agents.models.base import Batch, Context, RefinementModel
from ttc_envs import TaskSpec


class NeuralODE(RefinementModel):
    """Refinement in continuous time (see the module for the equation).

    Args:
        spec: Of the task.
        inner: The model whose step drives the state.
        time_per_step: Time that one refinement step stands for.
        substeps: Runge-Kutta steps in it, of four inner steps each.

    Raises:
        ValueError: `torchdiffeq` is missing.
    """

    def __init__(
        self, spec: TaskSpec, inner: RefinementModel, time_per_step: float = 1.0, substeps: int = 1
    ) -> None:
        super().__init__(spec)
        if not time_per_step > 0 or substeps < 1:
            raise ValueError(
                "time_per_step must be positive and substeps at least 1, "
                f"got {time_per_step} and {substeps}"
            )
        try:
            import torchdiffeq
        except ModuleNotFoundError as error:
            raise ValueError(
                'a NeuralODE needs torchdiffeq, which is missing: pip install "ttc-gym[ode]"'
            ) from error
        self.integrate = torchdiffeq.odeint
        self.inner = inner
        self.reads_answer = inner.reads_answer
        self.time_per_step, self.substeps = time_per_step, substeps

    @classmethod
    def inner_spec(cls, spec: TaskSpec, options: dict[str, Any]) -> TaskSpec:
        """The inner model works on the task itself."""
        return spec

    @classmethod
    def supports(cls, spec: TaskSpec) -> str | None:
        """The inner model has its own say."""
        return None

    def encode(self, batch: Batch, graph: Tensor | None = None) -> Context:
        """The inner model's context."""
        return self.inner.encode(batch, graph)

    def initial_state(self, context: Context, generator: torch.Generator | None = None) -> Tensor:
        """The inner model's first state."""
        return self.inner.initial_state(context, generator)

    def step(self, context: Context, z: Tensor, t: Tensor) -> Tensor:
        """Follow the equation for `time_per_step`."""

        def velocity(time: Tensor, state: Tensor) -> Tensor:
            return self.inner.step(context, state, t) - state

        times = torch.tensor([0.0, self.time_per_step], dtype=z.dtype, device=z.device)
        size = self.time_per_step / self.substeps
        path: Tensor = self.integrate(velocity, z, times, method="rk4", options={"step_size": size})
        return path[-1]

    def readout(self, context: Context, z: Tensor) -> Tensor:
        """The inner model's logits."""
        return self.inner.readout(context, z)
