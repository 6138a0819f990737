"""What an answer costs: floating-point operations of a model by refinement step.

The x-axis on which models of different sizes can be compared at test time; `training.flops` counts,
also the updates of trainings.
"""

from __future__ import annotations

from dataclasses import dataclass

from ttc_agents.inference.refine import refine
from ttc_agents.models import RefinementModel
from ttc_agents.training.flops import counted
from ttc_envs import Instances, Task

COSTED = 16
"""Instances over which the cost of an answer is a mean, at most."""


@dataclass(frozen=True)
class AnswerCost:
    """Floating-point operations per instance.

    Args:
        once: Before the first step.
        step: Of each step with its readout.
    """

    once: float
    step: float

    def of(self, steps: float, starts: float = 1) -> float:
        """Of an answer after so many steps, for which a model has begun so many times."""
        return starts * self.once + steps * self.step


def answer_cost(model: RefinementModel, task: Task, instances: Instances) -> AnswerCost:
    """The cost of a model in evaluation mode, from runs of one and of two steps.

    Args:
        model: Its steps must cost the same each.
        task: The task.
        instances: Typical ones, of which the first `COSTED` are refined.
    """
    few = instances[:COSTED]

    def work(steps: int) -> float:
        return counted(lambda: list(refine(model, task, few, steps)))[1]

    one, two = work(1), work(2)
    return AnswerCost((2 * one - two) / len(few), (two - one) / len(few))
