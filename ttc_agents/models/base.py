"""The one contract of all refinement models.

A model reads instances once (`encode`), holds a state z, improves it step by step (`step`) and
can be asked for an answer at any time (`readout`). `iterate` is the loop that sweeps and policies
use; `forward` stacks it for training.

Shapes: logits (B, N, C), state (B, ...), t (B,) int64, the steps already taken.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ttc_envs import UNDECIDED, TaskSpec

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

    reads_answer: bool = False

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

    @classmethod
    def inner_spec(cls, spec: TaskSpec, options: dict[str, Any]) -> TaskSpec:
        """Of a model that wraps another: what that one is made for, by the wrapper's options."""
        return spec

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
        observe: Callable[[Tensor], Batch] | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (logits, state) after each of `num_steps` steps.

        Args:
            batch: The instance fields, and `answer` for models that read it.
            num_steps: How many steps to take.
            state: Where to go on from; None begins anew.
            generator: Draws the first state at random.
            graph: Neighbours that replace the spec's.
            start: The number of steps that `state` has already taken.
            observe: For models with `reads_answer`: the batch that the step after these logits
                reads. None puts the most likely choices into `batch`, even where the task keeps
                something else, such as givens.
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
                read = observe(logits) if observe else {**batch, "answer": logits.argmax(-1)}
                context = self.encode(read, graph)

    def forward(
        self,
        batch: Batch,
        num_steps: int,
        state: Tensor | None = None,
        generator: torch.Generator | None = None,
        graph: Tensor | None = None,
        observe: Callable[[Tensor], Batch] | None = None,
    ) -> Trace:
        """The steps of `iterate`, stacked."""
        steps = []
        for logits, z in self.iterate(batch, num_steps, state, generator, graph, observe=observe):
            steps.append(logits)
            state = z
        assert state is not None
        return Trace(torch.stack(steps), state)


def to_batch(fields: dict[str, np.ndarray], device: torch.device | str = "cpu") -> Batch:
    """Arrays (B, ...) as a model takes them: integers int64, reals float32, on its device."""
    return {name: to_tensor(values, device) for name, values in fields.items()}


def to_tensor(values: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """An array as int64 or float32 tensor."""
    dtype = torch.float32 if np.issubdtype(values.dtype, np.floating) else torch.int64
    return torch.from_numpy(np.ascontiguousarray(values)).to(device=device, dtype=dtype)


def free_nodes(spec: TaskSpec, batch: Batch) -> Tensor | None:
    """(B, N) bool: the nodes that no given decides; None where the task has no givens."""
    givens = [batch[name] for name, field in spec.fields.items() if field.kind == "given"]
    return torch.stack([given == UNDECIDED for given in givens]).all(0) if givens else None
