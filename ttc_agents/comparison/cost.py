"""What an answer costs: floating-point operations of a model by refinement step.

The x-axis on which models of different sizes can be compared at test time; `training.flops` counts,
also the updates of trainings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ttc_agents.inference.refine import refine
from ttc_agents.models import RefinementModel
from ttc_agents.training.flops import counted
from ttc_envs import Task

COSTED = 16
"""Instances over which the cost of an answer is a mean."""


@dataclass(frozen=True)
class AnswerCost:
    """Floating-point operations per instance.

    Args:
        once: Before the first step.
        step: Of each step with its readout.
    """

    once: float
    step: float

    def of(self, steps: int) -> float:
        """Of an answer after so many steps."""
        return self.once + steps * self.step


def answer_cost(model: RefinementModel, task: Task, level: str, rows: int = COSTED) -> AnswerCost:
    """The cost of a model in evaluation mode, from runs of one and of two steps.

    Args:
        model: Its steps must cost the same each.
        task: The task.
        level: Of typical instances.
        rows: How many of them.
    """
    instances = task.sample(np.arange(rows, dtype=np.uint64), level)

    def work(steps: int) -> float:
        return counted(lambda: list(refine(model, task, instances, steps)))[1]

    one, two = work(1), work(2)
    return AnswerCost((2 * one - two) / rows, (two - one) / rows)
