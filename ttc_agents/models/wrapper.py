"""The base of models that wrap another one: what they do not override is the inner model's."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ttc_agents.models.base import Batch, Context, RefinementModel
from ttc_envs import TaskSpec


class Wrapper(RefinementModel):
    """A model around another one.

    `supports` speaks of the wrapper alone; whether the inner model works on a task is seen when it
    is made.

    Args:
        spec: Of the task.
        inner: The model to wrap, made for `inner_spec(spec, options)`.

    Shapes: state that of the inner model (B, ...).
    """

    def __init__(self, spec: TaskSpec, inner: RefinementModel) -> None:
        nn.Module.__init__(self)  # the inner model was made, so the task is supported
        self.spec, self.inner = spec, inner
        self.reads_answer, self.takes_graph = inner.reads_answer, inner.takes_graph
        self.not_exported = self.not_exported or inner.not_exported

    @classmethod
    def supports(cls, spec: TaskSpec) -> str | None:
        """The inner model has its own say."""
        return None

    @classmethod
    def cannot_wrap(cls, inner: type[RefinementModel]) -> str | None:
        """None, or the reason why no model of that class can be the inner one."""
        return None

    def encode(self, batch: Batch, graph: Tensor | None = None) -> Context:
        """The inner model's context, as `inner`; only one that `takes_graph` can be given one."""
        given = () if graph is None else (graph,)
        return {"inner": self.inner.encode(batch, *given)}

    def initial_state(self, context: Context, generator: torch.Generator | None = None) -> Tensor:
        """The inner model's first state."""
        return self.inner.initial_state(context["inner"], generator)

    def readout(self, context: Context, z: Tensor) -> Tensor:
        """The inner model's logits."""
        return self.inner.readout(context["inner"], z)

    def possible_choices(self, context: Context) -> Tensor | None:
        """By the inner model's constraints."""
        return self.inner.possible_choices(context["inner"])

    def expected_choice(self, context: Context, chances: Tensor) -> Tensor:
        """As the inner model has it."""
        return self.inner.expected_choice(context["inner"], chances)

    @property
    def layouts(self) -> tuple[str, ...]:
        """The inner model's."""
        return self.inner.layouts

    def lay_out(self, layout: str) -> None:
        """Of the inner model."""
        self.inner.lay_out(layout)

    def training_depth(self, segment_steps: int) -> int:
        """The inner model's."""
        return self.inner.training_depth(segment_steps)

    def choice_embeddings(self) -> Tensor | None:
        """The inner model's."""
        return self.inner.choice_embeddings()
