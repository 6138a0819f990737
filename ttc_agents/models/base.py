"""The one contract of all refinement models.

A model reads instances once (`encode`), holds a state z, improves it step by step (`step`) and
can be asked for an answer at any time (`readout`). `iterate` is the loop that sweeps and policies
use; `forward` stacks it for training.

Shapes: logits (B, N, C), state (B, ...), t (B,) int64, the steps already taken.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ttc_envs import TaskSpec

Batch = dict[str, Tensor]
Context = dict[str, Any]


@dataclass
class Trace:
    """What T refinement steps gave: logits (T, B, N, C), final state (B, ...), extras by name."""

    logits: Tensor
    state: Tensor
    extras: dict[str, Tensor] = field(default_factory=dict)


class RefinementModel(nn.Module, ABC):
    """Base of the models that refine an answer.

    Args:
        spec: The task that the model is made for.

    Raises:
        ValueError: The model does not support the task; the message says why.
    """

    reads_answer: ClassVar[bool] = False

    def __init__(self, spec: TaskSpec) -> None:
        """Refuse a task that the model does not support."""
        super().__init__()
        reason = self.supports(spec)
        if reason is not None:
            raise ValueError(f"{type(self).__name__} does not support {spec.name}: {reason}")
        self.spec = spec

    @classmethod
    @abstractmethod
    def supports(cls, spec: TaskSpec) -> str | None:
        """None, or the reason why this model cannot work on the task."""

    @abstractmethod
    def encode(self, batch: Batch, graph: Tensor | None = None) -> Context:
        """Everything that stays fixed while the answer is refined.

        Args:
            batch: The instance fields as tensors, (B, ...) each; models with `reads_answer` also
                find `answer` (B, N).
            graph: (B, N, D) or (N, D) neighbours that replace the spec's.
        """

    @abstractmethod
    def initial_state(self, context: Context, generator: torch.Generator | None = None) -> Tensor:
        """The first state; a generator draws it at random, without one it is always the same."""

    @abstractmethod
    def step(self, context: Context, z: Tensor, t: Tensor) -> Tensor:
        """One refinement step."""

    @abstractmethod
    def readout(self, context: Context, z: Tensor) -> Tensor:
        """The logits (B, N, C) of a state."""

    def iterate(
        self,
        batch: Batch,
        num_steps: int,
        state: Tensor | None = None,
        generator: torch.Generator | None = None,
        graph: Tensor | None = None,
        start: int = 0,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (logits, state) after each of `num_steps` steps.

        Args:
            batch: The instance fields, and `answer` for models that read it.
            num_steps: How many steps to take.
            state: Where to go on from; None begins anew.
            generator: Draws the first state at random.
            graph: Neighbours that replace the spec's.
            start: The number of steps that `state` has already taken.
        """
        if num_steps < 1:
            raise ValueError(f"num_steps must be at least 1, got {num_steps}")
        context = self.encode(batch, graph)
        z = self.initial_state(context, generator) if state is None else state
        rows = next(iter(batch.values())).shape[0]
        for i in range(num_steps):
            t = torch.full((rows,), start + i, device=z.device)
            z = self.step(context, z, t)
            logits = self.readout(context, z)
            yield logits, z
            if self.reads_answer and i + 1 < num_steps:
                context = self.encode({**batch, "answer": logits.argmax(-1)}, graph)

    def forward(
        self,
        batch: Batch,
        num_steps: int,
        state: Tensor | None = None,
        generator: torch.Generator | None = None,
        graph: Tensor | None = None,
    ) -> Trace:
        """The steps of `iterate`, stacked."""
        steps = []
        for logits, z in self.iterate(batch, num_steps, state, generator, graph):
            steps.append(logits)
            state = z
        assert state is not None
        return Trace(torch.stack(steps), state)
