"""What thinking costs: floating-point operations of a model by refinement step.

The x-axis on which models of different sizes can be compared at test time; `training.flops` counts,
also the updates of trainings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch

from ttc_agents.models import RefinementModel
from ttc_agents.models.base import Batch
from ttc_agents.training.flops import counted


@dataclass(frozen=True)
class ForwardCost:
    """Floating-point operations of a forward pass, per instance.

    Args:
        once: Before the first step.
        step: Of each step with its readout.
    """

    once: float
    step: float

    def of(self, steps: int) -> float:
        """Of a pass of so many steps."""
        return self.once + steps * self.step


def forward_cost(model: RefinementModel, batch: Batch) -> ForwardCost:
    """The cost of a model in evaluation mode, from passes of one and of two steps.

    Args:
        model: Its steps must cost the same each.
        batch: Typical instances.
    """
    rows = len(next(iter(batch.values())))
    with torch.no_grad():
        one, two = (counted(partial(model, batch, steps))[1] for steps in (1, 2))
    return ForwardCost((2 * one - two) / rows, (two - one) / rows)
