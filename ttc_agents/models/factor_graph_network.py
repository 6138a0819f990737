"""Message passing between the open choices of a constraint problem and its groups.

Every (node, choice) pair that the givens leave open is a variable with a state h in R^H; every
constraint group ("exactly one of these holds") is a factor. One refinement step, for a variable v
in groups g of kinds k:

    u_v = relu(h_v V)                              one message of width U per kind
    s_g = 1/3 sum_{v in g} u_v[k(g)]
    z_v = b + h_v W_h + sum_{g with v in g} s_g W_k(g)
    h_v <- rms_norm(h_v + silu(z_v) W_2)
    logit_v = h_v . w

It is the recurrent relational network of Palm et al. 2018 (arXiv 1711.08028) moved to the factor
graph (Kschischang et al. 2001) of the open choices. Choices have no features of their own, so
relabelling them permutes the logits: equivariance by construction. The groups come from the
`TaskSpec`, so the model knows nothing of the task. Choices that are given, or excluded by a given,
take no part at all, which leaves about a third of a 9x9 Sudoku.

When to use it: where the task has constraint groups ("exactly one of these holds"). There it learns
faster than every other model of this package.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttc_agents.implicit.rows import free_to_look
from ttc_agents.models.base import (
    Batch,
    Context,
    RefinementModel,
    check_name,
    fields_of,
    first_reason,
    noise,
)
from ttc_agents.models.layers import GroupTables, OpenGraph, scaled
from ttc_envs import TaskSpec

CERTAIN = 20.0
"""Logit of a given choice, and minus that of an excluded one: finite, beyond learned ones."""
MESSAGE_SCALE = 1 / 3
"""Groups have about three open members, so sums of a third keep unit size and still count them."""


LAYOUTS = ("dense", "ragged")


class FactorGraphNetwork(RefinementModel):
    """Factor-graph network over open choices (see the module for the equations).

    Args:
        spec: A task with constraint groups.
        width: H, the state of a choice.
        message_width: U, a message to a group.
        hidden_width: Z, the inner width of the update.
        layout: `ragged` computes the open choices alone, which a CPU does in a third of the time;
            `dense` computes all and masks the closed ones, so that shapes stand still and no
            device is waited for. `auto` is ragged on a CPU and dense elsewhere; a training of
            given seconds on another device times both and takes the faster. They agree up to
            rounding; random first states are other ones.

    Shapes: state (B, N * C, H), zero where a choice is not open; logits (B, N, C).
    """

    training_defaults: ClassVar[dict[str, Any]] = {
        "optimizer": "muon",
        "matrix_learning_rate": 0.015,
    }

    per_choice = True
    start: Tensor

    def __init__(
        self,
        spec: TaskSpec,
        width: int = 32,
        message_width: int = 32,
        hidden_width: int = 64,
        layout: Literal["auto", "ragged", "dense"] = "auto",
    ) -> None:
        """Make the weights."""
        super().__init__(spec)
        check_name(layout, ("auto", *LAYOUTS), "layout")
        self.layout: str = layout
        self.width, self.message_width = width, message_width
        self.given = fields_of(spec, "given", "node")[0]
        self.tables = GroupTables(spec)
        kinds = self.tables.num_kinds
        self.to_message = scaled(width, kinds * message_width)  # V
        self.to_hidden = scaled(width, hidden_width)  # W_h
        self.from_group = scaled(kinds, message_width, hidden_width)  # W_k
        self.bias = nn.Parameter(torch.zeros(hidden_width))  # b
        self.to_update = nn.Parameter(0.5 * scaled(hidden_width, width).data)  # W_2
        self.to_logit = nn.Parameter(torch.zeros(width))  # w
        self.register_buffer("start", F.rms_norm(torch.randn(width), (width,)))

    @classmethod
    def supports(cls, spec: TaskSpec) -> str | None:
        """It needs class choices, constraint groups and a field of givens."""
        return first_reason(
            (spec.choices != "class", f"its choices are pointers ({spec.choices}), not classes"),
            (not spec.groups, "it has no constraint groups"),
            (not fields_of(spec, "given", "node"), "it has no field of givens"),
        )

    def encode(self, batch: Batch) -> Context:
        """The open choices."""
        givens = batch[self.given]
        choices = torch.arange(self.spec.num_choices, device=givens.device)
        given = (givens[..., None] == choices).flatten(1)
        is_open = self.tables.open_choices(given) & (givens < 0).repeat_interleave(
            self.spec.num_choices, 1
        )
        certain = CERTAIN * (2.0 * given.to(self.bias.dtype) - 1.0)
        return {"is_open": is_open, "certain": certain, "open": is_open | given}

    def graph(self, context: Context) -> OpenGraph:
        """The graph of the open choices, made when first asked for: first states need none.

        In the dense layout it is that of all choices.
        """
        if "graph" not in context:
            tables, is_open = self.tables, context["is_open"]
            dense = self.dense(context)
            context["graph"] = tables.whole(is_open) if dense else tables.graph(is_open)
        graph: OpenGraph = context["graph"]
        return graph

    def dense(self, context: Context) -> bool:
        """Whether all choices are computed; always, where the model is exported."""
        may_look = free_to_look(context["is_open"])
        return self.layout == "dense" or (self.layout == "auto" and not may_look)

    @property
    def layouts(self) -> tuple[str, ...]:
        """Both, until one is named."""
        return LAYOUTS if self.layout == "auto" else ()

    def lay_out(self, layout: str) -> None:
        """Compute the open choices alone (`ragged`), or all (`dense`)."""
        check_name(layout, LAYOUTS, "layout")
        self.layout = layout

    def possible_choices(self, context: Context) -> Tensor:
        """Those that are given, or that no given of their groups excludes."""
        possible: Tensor = context["open"]
        return possible.view(-1, self.spec.num_nodes, self.spec.num_choices)

    def initial_state(self, context: Context, generator: torch.Generator | None = None) -> Tensor:
        """The same unit state at every open choice, or an independent random one each."""
        if generator is None:
            return torch.where(context["is_open"][..., None], self.start, 0.0)
        states = self.start.expand(len(self.graph(context).rows), -1)
        return self.spread(context, F.rms_norm(noise(states, generator), (self.width,)))

    def compact(self, context: Context, z: Tensor) -> Tensor:
        """(B, N * C, H) -> (R, H), the states of the open choices.

        What `spread` made last is not gathered again: a loop of steps and readouts would do so
        twice a step.
        """
        made, states = context.get("last", (None, None))
        if made is z:
            return states
        rows = z.reshape(-1, self.width)
        return rows if self.dense(context) else rows.index_select(0, self.graph(context).rows)

    def spread(self, context: Context, states: Tensor) -> Tensor:
        """(R, H) -> (B, N * C, H)."""
        size, choices = context["certain"].shape
        if self.dense(context):
            states = torch.where(context["is_open"].reshape(-1, 1), states, 0.0)
            context["last"] = states.view(size, choices, self.width), states
            return context["last"][0]
        full = states.new_zeros(size * choices, self.width)
        full = full.index_copy_(0, self.graph(context).rows, states)
        context["last"] = full.view(size, choices, self.width), states
        return context["last"][0]

    def advance(self, graph: OpenGraph, h: Tensor) -> Tensor:
        """One refinement step on packed states (R, H)."""
        messages = torch.relu(h @ self.to_message).view(-1, self.message_width)
        sums = graph.gather_groups(messages) * MESSAGE_SCALE
        by_kind = sums.split(graph.group_sizes)
        answers = [s @ w for s, w in zip(by_kind, self.from_group, strict=True)]
        z = h @ self.to_hidden + self.bias + graph.gather_rows(torch.cat(answers))
        return self.normalised(h + F.silu(z) @ self.to_update)

    def normalised(self, h: Tensor) -> Tensor:
        """Packed states (R, H) at unit size. Without this they may grow from step to step."""
        return F.rms_norm(h, (self.width,))

    def logits(self, context: Context, h: Tensor) -> Tensor:
        """(R, H) -> (B, N, C)."""
        certain = context["certain"]
        open_logits = (h @ self.to_logit).to(certain.dtype)
        if self.dense(context):
            full = torch.where(context["is_open"], open_logits.view_as(certain), certain)
            return full.view(certain.shape[0], self.spec.num_nodes, self.spec.num_choices)
        full = certain.flatten().index_copy(0, self.graph(context).rows, open_logits)
        return full.view(certain.shape[0], self.spec.num_nodes, self.spec.num_choices)

    def step(self, context: Context, z: Tensor) -> Tensor:
        """One refinement step."""
        return self.spread(context, self.advance(self.graph(context), self.compact(context, z)))

    def readout(self, context: Context, z: Tensor) -> Tensor:
        """The logits of a state."""
        return self.logits(context, self.compact(context, z))
