"""The recurrent relational network of Palm et al. 2018 (arXiv 1711.08028) on the graph of a spec.

Each node i of the answer has an input x_i, a hidden state h_i and a cell c_i. One refinement step:

    x_i      = e([embeddings of the node's fields and position])     once per instance
    m_i      = sum_{j in N(i)} f([h_i ; h_j])
    h_i, c_i = LSTM(g([x_i ; m_i]), (h_i, c_i))                      h_i = x_i, c_i = 0 at first
    logits_i = W h_i + b

e, f and g are perceptrons of ReLU layers with a linear last one. Two modules compute m, equal up
to rounding: `EdgeMessages`, the equation as it stands, an operator of `torch_geometric` on an edge
list, for graphs whose nodes differ in degree; and `NeighbourMessages`, the same factored, for
tables (N, D) of neighbours.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttc_agents.models.base import Batch, Context, RefinementModel
from ttc_agents.models.neighbour_messages import NeighbourMessages, Perceptron, linear
from ttc_envs import Field as FieldSpec
from ttc_envs import TaskSpec

if TYPE_CHECKING:
    from ttc_agents.models.edge_messages import EdgeMessages

GRAPH_FIELD = "neighbours"
"""The instance field (B, N, D) that holds the graph where the spec has none."""


class RelationalNetwork(RefinementModel):
    """Recurrent relational network (see the module for the equations).

    The defaults are the dimensions of the paper's Sudoku network, as its authors' code has them:
    embeddings of 16; e, f and g with three hidden layers of 96 and a linear layer of 96; an LSTM of
    96; sums over neighbours; h = x at first; Glorot weights and a forget bias of 1. What differs:
    the LSTM's own first input is x too (there zero), the readout has no class for an open node, and
    there is no edge input (there constant). The paper embeds row and column, that code multiplies
    these embeddings by zero: `positions` chooses. With `message_layers=1` no matrix product per
    edge is left, and training is several times faster.

    Args:
        spec: A task with class choices, node fields, and neighbours (or the field `neighbours`,
            indices of nodes per neighbour; masks per neighbour say which of them count).
        width: H, of states, messages and hidden layers.
        embedding: Width of the embedding of each field and of each axis of the positions.
        message_layers: Hidden layers of f.
        node_layers: Hidden layers of e and g.
        positions: Embed the positions of the spec; without it, node permutations that keep the
            graph permute the logits.
        messages: `dense` for `NeighbourMessages`, `edges` for `EdgeMessages`, `auto` for dense
            unless the spec's graph pads or masks neighbours. Weights of one fit the other.

    Shapes: state (B, N, 2H), hidden and cell; logits (B, N, C); neighbours (N, D) or (B, N, D),
        -1 where there is none.
    """

    neighbours: Tensor | None

    def __init__(
        self,
        spec: TaskSpec,
        width: int = 96,
        embedding: int = 16,
        message_layers: int = 3,
        node_layers: int = 3,
        positions: bool = True,
        messages: Literal["auto", "dense", "edges"] = "auto",
    ) -> None:
        super().__init__(spec)
        if min(message_layers, node_layers) < 1:
            raise ValueError(
                "message_layers and node_layers must be at least 1, "
                f"got {message_layers} and {node_layers}"
            )
        self.inputs = NodeInputs(spec, embedding, positions)
        self.encoder = Perceptron(self.inputs.width, width, node_layers)
        self.messages = message_module(messages, spec)(Perceptron(2 * width, width, message_layers))
        self.update = Perceptron(2 * width, width, node_layers)
        self.gates = linear(2 * width, 4 * width)
        nn.init.ones_(self.gates.bias.data[width : 2 * width])  # remember, until taught otherwise
        self.logits = linear(width, spec.num_choices)
        table = None if spec.neighbours is None else torch.as_tensor(spec.neighbours).long()
        self.full = table is not None and check_neighbours(table, 1, spec.num_nodes)
        self.register_buffer("neighbours", table, persistent=False)

    @classmethod
    def supports(cls, spec: TaskSpec) -> str | None:
        """It needs class choices, a graph, and no fields but such as it reads."""
        if spec.choices != "class":
            return f"its choices are pointers ({spec.choices}), not classes"
        if spec.neighbours is None and GRAPH_FIELD not in spec.fields:
            return f"it has neither neighbours nor a field {GRAPH_FIELD!r}"
        unread = [name for name, f in spec.fields.items() if not (is_input(f) or is_graph(name, f))]
        if unread:
            return f"this model does not read the fields {sorted(unread)}"
        if not any(is_input(f) for f in spec.fields.values()):
            return "it has no node fields"
        return None

    def encode(self, batch: Batch, graph: Tensor | None = None) -> Context:
        """The inputs x, their share of the first layer of g, and the graph.

        Raises:
            ValueError: The graph has another number of nodes, or indices that are none.
        """
        inputs = self.inputs(batch).to(self.logits.weight)
        x = self.encoder(inputs.flatten(0, 1)).to(inputs)  # the state is not in half precision
        neighbours, valid = self.graph(batch, graph)
        own, _ = self.update.halves()
        return {
            "x": x.unflatten(0, inputs.shape[:2]),
            "update": F.linear(x, own, self.update.first.bias),
            "links": self.messages.links(neighbours, valid, len(inputs)),
        }

    def graph(self, batch: Batch, graph: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Neighbours (N, D) or (B, N, D), and which of them count (None: all).

        The masks of the instances belong to their own graph, so they are not put on another.
        """
        masks = neighbour_masks(self.spec) if graph is None else []
        if graph is None and self.neighbours is not None:
            neighbours, full = self.neighbours, self.full
        else:
            neighbours = batch[GRAPH_FIELD] if graph is None else graph
            rows = len(next(iter(batch.values())))
            full = check_neighbours(neighbours, rows, self.spec.num_nodes)
        if full and not masks:
            return neighbours, None
        valid = neighbours >= 0
        for name in masks:
            valid = valid & (batch[name] > 0)
        return neighbours, valid

    def initial_state(self, context: Context, generator: torch.Generator | None = None) -> Tensor:
        """The inputs as hidden state and no memory, or both uniform in (-1, 1)."""
        x = context["x"]
        if generator is None:
            return torch.cat([x, torch.zeros_like(x)], dim=-1)
        shape = (*x.shape[:-1], 2 * x.shape[-1])
        return 2 * torch.rand(shape, generator=generator, device=generator.device).to(x) - 1

    def step(self, context: Context, z: Tensor, t: Tensor) -> Tensor:
        """One refinement step; the number of steps taken does not matter to it."""
        h, c = z.flatten(0, 1).chunk(2, dim=-1)
        messages = self.messages(h, context["links"])
        _, other = self.update.halves()
        u = self.update.last(self.update.hidden(context["update"] + F.linear(messages, other)))
        # Autocast may give gates in half precision; the state is kept in its own.
        gates = self.gates(torch.cat([u, h.to(u)], dim=-1)).to(z.dtype)
        enter, forget, leave, new = gates.chunk(4, dim=-1)
        c = forget.sigmoid() * c + enter.sigmoid() * new.tanh()
        return torch.cat([leave.sigmoid() * c.tanh(), c], dim=-1).view(z.shape)

    def readout(self, context: Context, z: Tensor) -> Tensor:
        """The logits of a state."""
        return self.logits(z.chunk(2, dim=-1)[0])


class NodeInputs(nn.Module):
    """What is known of each node, as one vector.

    Classes (kinds `given`, `symbol` and `mask`) and positions are embedded, reals taken as they
    are.

    Args:
        spec: Of the task.
        embedding: Width of each embedding.
        positions: Embed the positions of the spec, each axis by itself.

    Shapes: fields (B, N, ...) -> (B, N, `width`).
    """

    place: Tensor

    def __init__(self, spec: TaskSpec, embedding: int, positions: bool) -> None:
        super().__init__()
        self.fields = {name: field for name, field in spec.fields.items() if is_input(field)}
        self.classes = nn.ModuleList(
            nn.Embedding(int(field.high - field.low) + 1, embedding)
            for field in self.fields.values()
            if field.kind != "real"
        )
        axes = [] if spec.positions is None or not positions else list(spec.positions.T)
        ranks = [np.unique(axis, return_inverse=True)[1] for axis in axes]
        self.axes = nn.ModuleList(nn.Embedding(int(rank.max()) + 1, embedding) for rank in ranks)
        place = torch.as_tensor(np.array(ranks, dtype=np.int64))  # (p, N)
        self.register_buffer("place", place, persistent=False)
        self.width = embedding * len(axes) + sum(
            math.prod(field.shape[1:]) * (1 if field.kind == "real" else embedding)
            for field in self.fields.values()
        )

    def forward(self, batch: Batch) -> Tensor:
        """The vectors of all nodes."""
        parts, tables = [], iter(self.classes)
        for name, field in self.fields.items():
            values = batch[name]
            if field.kind != "real":
                values = next(tables)(values.long() - int(field.low))
            parts.append(values.flatten(2) if values.dim() > 2 else values[..., None])
        rows = len(parts[0])
        places = [table(rank) for table, rank in zip(self.axes, self.place, strict=True)]
        return torch.cat([*parts, *(p.expand(rows, -1, -1) for p in places)], dim=-1)


def message_module(messages: str, spec: TaskSpec) -> type[NeighbourMessages | EdgeMessages]:
    """The class that computes messages; `torch_geometric` is imported only where it is wanted."""
    if messages not in ("auto", "dense", "edges"):
        raise ValueError(f"messages must be 'auto', 'dense' or 'edges', got {messages!r}")
    if messages == "dense" or (messages == "auto" and is_regular(spec)):
        return NeighbourMessages
    from ttc_agents.models.edge_messages import EdgeMessages

    return EdgeMessages


def is_regular(spec: TaskSpec) -> bool:
    """Whether all nodes of the spec's graph have D neighbours, as far as the spec can say."""
    if neighbour_masks(spec):
        return False
    if spec.neighbours is not None:
        return bool((spec.neighbours >= 0).all())
    return spec.fields[GRAPH_FIELD].low >= 0


def neighbour_masks(spec: TaskSpec) -> list[str]:
    """The fields that say which neighbours count."""
    return [n for n, f in spec.fields.items() if (f.per, f.kind) == ("neighbour", "mask")]


def is_input(field: FieldSpec) -> bool:
    """Whether a field is read as input of the nodes."""
    return field.per == "node" and field.kind != "node"


def is_graph(name: str, field: FieldSpec) -> bool:
    """Whether a field describes the graph."""
    return field.per == "neighbour" and (
        field.kind == "mask" or (field.kind == "node" and name == GRAPH_FIELD)
    )


def check_neighbours(neighbours: Tensor, rows: int, num_nodes: int) -> bool:
    """Whether every slot of neighbours (N, D) or (B, N, D) is filled.

    Raises:
        ValueError: Another shape, or indices outside -1..N-1.
    """
    shape = tuple(neighbours.shape)
    if shape[:-1] not in ((num_nodes,), (rows, num_nodes)) or shape[-1] == 0:
        raise ValueError(
            f"neighbours must be (N, D) or (B, N, D) with B = {rows}, N = {num_nodes} and D > 0, "
            f"got {shape}"
        )
    low, high = (int(bound) for bound in neighbours.aminmax())
    if low < -1 or high >= num_nodes:
        raise ValueError(
            f"neighbours must be -1 (none) or in 0..{num_nodes - 1}, got {low}..{high}"
        )
    return low >= 0
