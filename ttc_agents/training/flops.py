"""Floating-point operations of matrix products, two per multiply-add, counted as they are done.

Those of a training are a budget (`FlopCounter`). Those of an answer (`answer_cost`) are the axis on
which models of different sizes can be compared at test time.

`torch.utils.flop_counter` knows products of matrices, convolutions and the attention of GPUs. LSTMs
and the attention of CPUs are operations of their own; they are added here. Additions, embeddings
and functions of single numbers do not count.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch.utils.flop_counter import (
    FlopCounterMode,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)

from ttc_agents.inference.refine import refine
from ttc_agents.models import RefinementModel
from ttc_envs import Instances, Task

Shape = tuple[int, ...]
Result = TypeVar("Result")
aten = torch.ops.aten
COSTED = 16
"""Instances over which the cost of an answer is a mean."""


def attention_flops(query: Shape, key: Shape, value: Shape, *rest: Any, **options: Any) -> int:
    """Of all pairs, those that a mask hides too."""
    return sdpa_flop_count(query, key, value)


def attention_backward_flops(
    grad: Shape, query: Shape, key: Shape, value: Shape, *rest: Any, **options: Any
) -> int:
    """With the scores, which are computed again."""
    return sdpa_backward_flop_count(grad, query, key, value)


def lstm_flops(x: Shape, w_x: Shape, w_h: Shape, *rest: Any, **options: Any) -> int:
    """Of one layer over inputs (L, B, I), with weights (4 H, I) and (4 H, H)."""
    return 2 * math.prod(x[:2]) * (math.prod(w_x) + math.prod(w_h))


def lstm_backward_flops(x: Shape, w_x: Shape, w_h: Shape, *rest: Any, **options: Any) -> int:
    """Gradients of inputs and of weights."""
    return 2 * lstm_flops(x, w_x, w_h)


def cudnn_flops(x: Shape, weights: list[Shape], *rest: Any, **options: Any) -> int:
    """Of an LSTM of some layers on a GPU: every matrix once for each of the L B inputs."""
    return 2 * math.prod(x[:2]) * sum(math.prod(shape) for shape in weights if len(shape) == 2)


def cudnn_backward_flops(x: Shape, weights: list[Shape], *rest: Any, **options: Any) -> int:
    """Gradients of inputs and of weights."""
    return 2 * cudnn_flops(x, weights)


ADDED = {
    aten._scaled_dot_product_flash_attention_for_cpu: attention_flops,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: attention_backward_flops,
    aten.mkldnn_rnn_layer: lstm_flops,
    aten.mkldnn_rnn_layer_backward: lstm_backward_flops,
    aten._cudnn_rnn: cudnn_flops,
    aten._cudnn_rnn_backward: cudnn_backward_flops,
}


def counted(work: Callable[[], Result]) -> tuple[Result, float]:
    """What `work` returns, and its floating-point operations."""
    with FlopCounterMode(display=False, custom_mapping=ADDED) as counter:
        result = work()
    return result, float(counter.get_total_flops())


class FlopCounter:
    """The floating-point operations of a training, whole updates at a time.

    Updates 1, 2, 4, 8, ... are counted; the others are taken to cost the mean of these, since
    counting slows an update down and most cost the same.
    """

    def __init__(self) -> None:
        self.total, self.updates = 0.0, 0
        self._measured: list[float] = []

    def run(self, update: Callable[[], Result]) -> Result:
        """Do one update, and add its operations, measured or estimated, to the total."""
        self.updates += 1
        if self.updates & (self.updates - 1):
            self.total += sum(self._measured) / len(self._measured)
            return update()
        result, flops = counted(update)
        self._measured.append(flops)
        self.total += flops
        return result


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
