"""A refinement model in continuous time (Chen et al. 2018, arXiv 1806.07366).

The state follows a differential equation whose resting points are the fixed points of another
refinement model:

    dz/dt = step(z) - z,   with the step of that model

One refinement step follows the equation for a fixed time, so time is the budget at test time. It is
integrated by the classical Runge-Kutta method of `torchdiffeq` (extra `ode`). Adaptive methods are
not used: they choose one step size for a whole batch, so a row would depend on the other rows.

When to use it: to study continuous time. A step costs four inner steps for each of its substeps;
`equilibrium` finds the same resting points for less.

Shapes: state that of the inner model.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from ttc_agents.models.base import Context, RefinementModel
from ttc_agents.models.wrapper import Wrapper
from ttc_envs import TaskSpec


class NeuralODE(Wrapper):
    """Refinement in continuous time (see the module for the equation).

    Args:
        spec: Of the task.
        inner: The model whose step drives the state.
        time_per_step: Time that one refinement step stands for.
        substeps: Runge-Kutta steps in it, of four inner steps each.

    Raises:
        ValueError: `torchdiffeq` is missing.
    """

    training_defaults: ClassVar[dict[str, Any]] = {
        "model_options": {"inner": {"model": "factor_graph_network", "options": {}}},
        "optimizer": "muon",
        "matrix_learning_rate": 0.015,
    }

    def __init__(
        self, spec: TaskSpec, inner: RefinementModel, time_per_step: float = 1.0, substeps: int = 1
    ) -> None:
        super().__init__(spec, inner)
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
        self.time_per_step, self.substeps = time_per_step, substeps

    def step(self, context: Context, z: Tensor) -> Tensor:
        """Follow the equation for `time_per_step`."""

        def velocity(time: Tensor, state: Tensor) -> Tensor:
            return self.inner.step(context["inner"], state) - state

        times = torch.tensor([0.0, self.time_per_step], dtype=z.dtype, device=z.device)
        size = self.time_per_step / self.substeps
        path: Tensor = self.integrate(velocity, z, times, method="rk4", options={"step_size": size})
        return path[-1]
