"""The simplest network that can use a graph: it counts what the neighbours are believed to be.

    z_i <- b + sum_{j in N(i)} (p_j M + f_j M_f),      p_j = softmax(z_j), or one-hot where given

with tables M (C, C) and M_f that begin at zero. The state is the logits. One step from nothing
counts the givens among the neighbours, evidence that a linear table finds within some hundred
updates even in a random graph; more steps are a recurrent network of beliefs (a mean field).

It is what `AdjacencyLearner` learns a graph with unless told otherwise, so that class choices and
a graph are all it asks for.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttc_agents.models.base import Batch, Context, RefinementModel
from ttc_agents.models.node_inputs import is_input
from ttc_envs import Field as FieldSpec
from ttc_envs import TaskSpec

TABLE_SCALE = 20.0
"""Of the tables: with one learning rate for all weights, they move this much faster."""


class CountNetwork(RefinementModel):
    """Sums of tables over neighbours (see the module for the equations).

    Args:
        spec: A task with class choices, node fields and neighbours.

    Shapes: state and logits (B, N, C); graph (N, D) or (B, N, D) neighbours, -1 where there is
        none, or (B, N, N) weights of edges from a node's neighbours to it, a tensor of reals.
    """

    weighted = True
    neighbours: Tensor

    def __init__(self, spec: TaskSpec) -> None:
        super().__init__(spec)
        self.given = [name for name, field in spec.fields.items() if field.kind == "given"]
        self.read = [name for name, f in spec.fields.items() if is_input(f) and f.kind != "given"]
        choices = spec.num_choices
        features = sum(feature_width(spec.fields[name]) for name in self.read)
        self.table = nn.Parameter(torch.zeros(choices, choices))
        self.features = nn.Parameter(torch.zeros(features, choices)) if features else None
        self.bias = nn.Parameter(torch.zeros(choices))
        self.register_buffer(
            "neighbours", torch.as_tensor(spec.neighbours).long(), persistent=False
        )

    @classmethod
    def supports(cls, spec: TaskSpec) -> str | None:
        """It needs class choices, node fields and a graph."""
        if spec.choices != "class":
            return f"its choices are pointers ({spec.choices}), not classes"
        if spec.neighbours is None:
            return "it has no neighbours"
        if not all(is_input(field) and field.per == "node" for field in spec.fields.values()):
            return "it has fields that are not of its nodes"
        return None

    def encode(self, batch: Batch, graph: Tensor | None = None) -> Context:
        """What is known of the nodes, and the graph as weights (B, N, N)."""
        rows = len(next(iter(batch.values())))
        graph = self.neighbours if graph is None else graph
        if not graph.is_floating_point():
            graph = as_weights(graph.expand(rows, -1, -1), self.spec.num_nodes)
        weights = graph.to(self.table)
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
        z = torch.zeros_like(context["fixed"])
        if generator is None:
            return z
        return torch.randn(z.shape, generator=generator, device=generator.device).to(z)

    def step(self, context: Context, z: Tensor, t: Tensor) -> Tensor:
        """One round of counting; the number of steps taken does not matter to it."""
        beliefs = z.softmax(-1)
        if context["known"] is not None:
            beliefs = torch.where(context["known"][..., None], context["fixed"], beliefs)
        counts = context["weights"] @ beliefs
        return context["bias"] + TABLE_SCALE * counts @ self.table

    def readout(self, context: Context, z: Tensor) -> Tensor:
        """The state is the logits."""
        return z


def as_weights(neighbours: Tensor, num_nodes: int) -> Tensor:
    """Neighbours (..., N, D), -1 where there is none -> weights (..., N, N) of 0 and 1."""
    valid = (neighbours >= 0).to(torch.get_default_dtype())
    weights = valid.new_zeros(*neighbours.shape[:-1], num_nodes)
    return weights.scatter_add_(-1, neighbours.clamp(min=0), valid)


def feature_width(field: FieldSpec) -> int:
    """Features per node of a field."""
    each = 1 if field.kind == "real" else int(field.high - field.low) + 1
    return each * int(torch.Size(field.shape[1:]).numel())


def feature(field: FieldSpec, values: Tensor) -> Tensor:
    """Values (B, N, ...) as features (B, N, F): reals as they are, classes one-hot."""
    if field.kind != "real":
        values = F.one_hot(values.long() - int(field.low), int(field.high - field.low) + 1)
    return values.reshape(*values.shape[:2], -1)
