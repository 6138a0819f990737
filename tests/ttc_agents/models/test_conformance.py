"""The checks of the contract find what breaks it."""

import pytest
import torch

from ttc_agents.models import ChoiceNetwork, FactorGraphNetwork, RelationalNetwork
from ttc_agents.models.conformance import check_model
from ttc_envs import SortingTask, SudokuTask

TASK = SudokuTask(4)


class Leaking(FactorGraphNetwork):
    """Rows see each other."""

    def readout(self, context, z):
        logits = super().readout(context, z)
        return logits + logits.mean(0)


class Counting(FactorGraphNetwork):
    """What a step does depends on the steps before it, which the state does not know."""

    def encode(self, batch):
        return {**super().encode(batch), "steps": [0]}

    def step(self, context, z):
        context["steps"][0] += 1
        return super().step(context, z) / context["steps"][0]


class Drawing(FactorGraphNetwork):
    """Its own first state is random."""

    def initial_state(self, context, generator=None):
        z = super().initial_state(context, generator)
        return z + torch.rand(1)


class Deaf(ChoiceNetwork):
    """Says that it takes a graph, and takes another one."""

    def encode(self, batch, graph=None):
        return super().encode(batch, None if graph is None else graph.roll(1, -2))


@pytest.mark.parametrize(
    ("model_class", "message"),
    [
        (Leaking, r"the logits of the rows \[2, 0, 1\] alone|the logits of the rows \[1\] alone"),
        (Counting, "3 steps and 2 more, or 5"),
        (Drawing, "of forward and iterate"),
        (Deaf, "the graph of the spec, given"),
    ],
)
def test_a_broken_model_is_found_out(model_class, message):
    with pytest.raises(AssertionError, match=message):
        check_model(model_class, TASK)


class Misshapen(FactorGraphNetwork):
    """Its step multiplies matrices that do not fit."""

    def step(self, context, z):
        return z @ z.flatten(1)


def test_a_model_that_fails_is_told_so_in_one_line():
    with pytest.raises(AssertionError) as found:
        check_model(Misshapen, TASK)
    (message,) = str(found.value).splitlines()
    assert message.startswith(
        "Misshapen fails where a trace has finite logits (T, B, N, C), which are those of "
        "`iterate`: RuntimeError: "
    )
    assert message.endswith(", step)")
    assert f"({__file__}:" in message
    assert isinstance(found.value.__cause__, RuntimeError)


@pytest.mark.parametrize(
    ("model_class", "task"),
    [(FactorGraphNetwork, TASK), (RelationalNetwork, SortingTask(size=4, view="adjacent"))],
)
def test_a_sound_model_passes(model_class, task):
    check_model(model_class, task)


def test_a_task_that_is_not_supported_is_an_error():
    with pytest.raises(ValueError, match="does not support"):
        check_model(FactorGraphNetwork, SortingTask(size=4))
