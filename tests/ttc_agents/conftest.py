"""Models whose every answer is known beforehand."""

import numpy as np
import pytest
import torch

from ttc_agents.models.base import RefinementModel
from ttc_envs import Instances, SudokuTask

RIGHT, WRONG = 4.0, 0.2


class Scripted(RefinementModel):
    """Fills one more blank cell with its right digit at every step; the others hold a wrong one.

    The state (B, 1) counts steps. A generator lets it begin at 0..4. After `collapse` steps all
    cells are wrong; where the first cell is blank, logits are NaN from step `broken` on.
    """

    def __init__(self, task, collapse=1000, broken=None):
        super().__init__(task.spec)
        self.task, self.collapse, self.broken = task, collapse, broken
        self.scale = torch.nn.Parameter(torch.ones(()))

    @classmethod
    def supports(cls, spec):
        return None

    def encode(self, batch):
        givens = batch["givens"]
        instances = self.task.from_fields({"givens": givens.numpy().astype("int8")})
        blank = givens < 0
        return {
            "solution": torch.from_numpy(instances.labels["answer"]).long(),
            "rank": blank.cumsum(1),
            "first_is_blank": blank[:, 0],
        }

    def initial_state(self, context, generator=None):
        z = torch.zeros(len(context["solution"]), 1)
        if generator is not None:
            z += torch.randint(0, 5, z.shape, generator=generator)
        return z

    def step(self, context, z):
        return z + 1

    def readout(self, context, z):
        right = (context["rank"] <= z) & (z <= self.collapse)
        choices = self.spec.num_choices
        digit = (context["solution"] + ~right) % choices
        height = torch.where(right, RIGHT, WRONG) * self.scale
        logits = torch.nn.functional.one_hot(digit, choices) * height[..., None]
        if self.broken is not None:
            lost = context["first_is_blank"] & (z[:, 0] >= self.broken)
            logits[lost] = float("nan")
        return logits


class Improving(RefinementModel):
    """Repeats `Task.improve`, ever surer of it; for any task that does not hide its graph.

    The state (B, 1) counts steps.
    """

    def __init__(self, task):
        super().__init__(task.spec)
        self.task = task
        self.scale = torch.nn.Parameter(torch.ones(()))

    @classmethod
    def supports(cls, spec):
        return None

    def encode(self, batch):
        fields = {
            name: batch[name].numpy().astype(field.dtype)
            for name, field in self.spec.fields.items()
        }
        keys = np.zeros(len(next(iter(fields.values()))), dtype=np.uint64)
        instances = Instances(keys, fields, {})
        return {"instances": instances, "answers": [self.task.initial_answer(instances)]}

    def initial_state(self, context, generator=None):
        return torch.zeros(len(context["instances"]), 1)

    def step(self, context, z):
        answers = context["answers"]
        answers.append(self.task.improve(context["instances"], answers[-1]))
        return z + 1

    def readout(self, context, z):
        answer = torch.from_numpy(np.maximum(context["answers"][int(z[0])], 0)).long()
        logits = torch.nn.functional.one_hot(answer, self.spec.num_choices).float()
        return logits * (1 + 0.5 * z[..., None]) * self.scale


@pytest.fixture(scope="session")
def task():
    return SudokuTask(4, "test")


@pytest.fixture
def scripted(task):
    """Makes scripted models."""
    return lambda **options: Scripted(task, **options)


@pytest.fixture(scope="session")
def improving():
    """Makes models that repeat a task's `improve`."""
    return Improving
