"""The simplest network on a graph: it counts how often the neighbours hold each choice.

    z_i <- b + sum_{j in N(i)} (p_j M + f_j M_f),      p_j = softmax(z_j), or one-hot where given

with tables M (C, C) and M_f that begin at zero. The state is the logits. The first step counts the
givens among the neighbours: a linear table learns from them within some hundred updates even on a
random graph. Further steps also count the beliefs about the other neighbours (a mean field).

When to use it: as the inner model of `AdjacencyLearner`, whose default it is.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttc_agents.models.base import (
    Batch,
    Context,
    RefinementModel,
    fields_of,
    first_reason,
    noise,
    rows_of,
)
from ttc_agents.models.neighbour_graph import EdgeWeights, width
from ttc_agents.models.node_inputs import is_input
from ttc_envs import Field as FieldSpec
from ttc_envs import TaskSpec

TABLE_SCALE = 20.0
"""Multiplies the tables, so that they learn this much faster than the bias at one learning rate."""


class CountNetwork(RefinementModel):
    """Sums of tables over neighbours (see the module for the equations).

    Args:
        spec: A task with class choices, node fields and neighbours.

    Shapes: state and logits (B, N, C); graph as `EdgeWeights` takes it.
    """

    takes_graph = True
    weighted = True

    def __init__(self, spec: TaskSpec) -> None:
        super().__init__(spec)
        self.given = fields_of(spec, "given", "node")
        self.read = [name for name in spec.fields if name not in self.given]
        choices = spec.num_choices
        features = sum(values_of(spec.fields[n]) * width(spec.fields[n], 1) for n in self.read)
        self.table = nn.Parameter(torch.zeros(choices, choices))
        self.features = nn.Parameter(torch.zeros(features, choices)) if features else None
        self.bias = nn.Parameter(torch.zeros(choices))
        self.graph = EdgeWeights(spec)

    @classmethod
    def supports(cls, spec: TaskSpec) -> str | None:
        """It needs class choices, node fields and a graph."""
        others = [f for f in spec.fields.values() if not is_input(f) or f.per != "node"]
        return first_reason(
            (spec.choices != "class", f"its choices are pointers ({spec.choices}), not classes"),
            (spec.neighbours is None, "it has no neighbours"),
            (bool(others), "it has fields that are not of its nodes"),
        )

    def encode(self, batch: Batch, graph: Tensor | None = None) -> Context:
        """What is known of the nodes, and the graph as weights (B, N, N)."""
        rows = rows_of(batch)
        weights = self.graph(graph, rows).to(self.table)
        fixed, known = self.table.new_zeros(rows, self.spec.num_nodes, self.spec.num_choices), None
        if self.given:
            values = batch[self.given[0]]
            known = values >= 0
            fixed = F.one_hot(values.clamp(min=0), self.spec.num_choices).to(fixed)
        bias: Tensor = self.bias
        if self.features is not None:
            parts = [feature(self.spec.fields[name], batch[name]) for name in self.read]
            vectors = torch.cat(parts, dim=-1).to(self.table) @ self.features
            bias = bias + TABLE_SCALE * (weights @ vectors)
        return {"weights": weights, "fixed": fixed, "known": known, "bias": bias}

    def initial_state(self, context: Context, generator: torch.Generator | None = None) -> Tensor:
        """No belief, or a random one."""
        fixed = context["fixed"]
        return torch.zeros_like(fixed) if generator is None else noise(fixed, generator)

    def step(self, context: Context, z: Tensor) -> Tensor:
        """One round of counting."""
        beliefs = z.softmax(-1)
        if context["known"] is not None:
            beliefs = torch.where(context["known"][..., None], context["fixed"], beliefs)
        counts = context["weights"] @ beliefs
        return context["bias"] + TABLE_SCALE * counts @ self.table

    def readout(self, context: Context, z: Tensor) -> Tensor:
        """The state is the logits."""
        return z


def values_of(field: FieldSpec) -> int:
    """The features that stand for an entry of a field: one, or one for each class."""
    return 1 if field.kind == "real" else int(field.high - field.low) + 1


def feature(field: FieldSpec, values: Tensor) -> Tensor:
    """Values (B, N, ...) as features (B, N, F): reals as they are, classes one-hot."""
    if field.kind != "real":
        values = F.one_hot(values.long() - int(field.low), values_of(field))
    return values[..., None].flatten(2)
