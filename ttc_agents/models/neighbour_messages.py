"""Messages of neighbours over tables of neighbours, computed once per node as far as possible.

A node receives the sum or the elementwise maximum of its neighbours' messages:

    m_i = sum_{j in N(i)} f(i, j)       (Palm et al. 2018, arXiv 1711.08028, equations 1 and 2), or
    m_i = W_2 max_{j in N(i)} u(i, j) + b_2

with f = W_2 u + b_2. u is the last hidden layer of a perceptron that reads both nodes, the features
of the edge and the difference of potentials: [v_i ; v_j ; e_ij ; p_j - p_i]. Most of the work can
be done per node instead of per edge:

    W_1 [...] = (A v_i - P p_i) + (B v_j + P p_j) + E e_ij      the brackets once per node
    sum_j (W_2 u_ij + b_2) = W_2 sum_j u_ij + D b_2
    max_j relu(w_ij) = relu(max_j w_ij)

Shapes: B instances, N nodes, D neighbours per node, V width of v, K potentials, F features per
edge, H width, R = B * N rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttc_agents.implicit.rows import free_to_look
from ttc_agents.models.neighbour_graph import Links

CHUNK = 2**21
"""Largest number of values in one table of hidden units on a CPU: beyond some 32 MB the allocator
asks the kernel for fresh pages each time, which costs more than the arithmetic."""


class Perceptron(nn.Module):
    """Hidden layers with ReLU and a linear layer, all of one width.

    Args:
        inputs: Width of the inputs.
        width: Of the hidden layers and of the output.
        hidden_layers: 0 makes it one linear layer.

    Shapes: (R, inputs) -> (R, width).
    """

    def __init__(self, inputs: int, width: int, hidden_layers: int) -> None:
        super().__init__()
        self.hidden_layers = hidden_layers
        self.first = linear(inputs, width)
        self.inner = nn.ModuleList(linear(width, width) for _ in range(hidden_layers - 1))
        self.last = linear(width, width) if hidden_layers else nn.Identity()

    def hidden(self, x: Tensor) -> Tensor:
        """The last hidden layer from what the first layer gives, which is overwritten."""
        if self.hidden_layers:
            x = F.relu(x, inplace=True)
        for layer in self.inner:
            x = F.relu(layer(x), inplace=True)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """The output."""
        return self.last(self.hidden(self.first(x)))


class PairPerceptron(Perceptron):
    """A perceptron of [v_i ; v_j ; e_ij ; p_j - p_i].

    Args:
        node: V.
        features: F.
        potentials: K.
        width: H.
        hidden_layers: 0 makes it one linear layer.
    """

    def __init__(
        self, node: int, features: int, potentials: int, width: int, hidden_layers: int
    ) -> None:
        super().__init__(2 * node + features + potentials, width, hidden_layers)
        self.sizes = [node, node, features, potentials]

    def per_node(self, v: Tensor, p: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A v - P p + b_1 (R, H), B v + P p (R, H) and E (H, F)."""
        own, other, edge, potential = self.first.weight.split(self.sizes, dim=1)
        mine, theirs = F.linear(v, own, self.first.bias), F.linear(v, other)
        if p.shape[-1]:
            shift = F.linear(p, potential)
            mine, theirs = mine - shift, theirs + shift
        return mine, theirs, edge

    def pair(self, v_i: Tensor, v_j: Tensor, e: Tensor, p_i: Tensor, p_j: Tensor) -> Tensor:
        """What the first layer gives for each of E edges, rows (E, ...)."""
        return self.first(torch.cat([v_i, v_j, e, p_j - p_i], dim=-1))


@dataclass(frozen=True)
class Prepared:
    """Links as messages use them: rows (R, D), valid (R, D) or None, edges (R, D, F), nodes N."""

    rows: Tensor
    valid: Tensor | None
    edges: Tensor
    nodes: int


class NeighbourMessages(nn.Module):
    """Messages over tables of neighbours, with as little as possible done per edge.

    Args:
        mlp: f. The greatest takes at most one hidden layer.
        aggregation: `sum` or `max`; a node without neighbours gets 0 of either, before W_2.

    Shapes: v (R, V), p (R, K) -> (R, H).
    """

    def __init__(self, mlp: PairPerceptron, aggregation: str) -> None:
        super().__init__()
        if aggregation == "max" and mlp.hidden_layers > 1:
            raise ValueError(
                "max aggregation of dense messages takes at most one message layer, "
                f"got {mlp.hidden_layers}"
            )
        self.mlp, self.aggregation = mlp, aggregation

    def prepare(self, links: Links) -> Prepared:
        """The links laid end to end."""
        valid = None if links.valid is None else links.valid.flatten(0, 1)
        nodes = links.neighbours.shape[1]
        return Prepared(links.rows(), valid, links.edges.flatten(0, 1), nodes)

    def forward(self, v: Tensor, p: Tensor, links: Prepared) -> Tensor:
        """What each node is told."""
        mine, theirs, edge = self.mlp.per_node(v, p)
        if self.aggregation == "max":
            greatest = mine + greatest_neighbour(theirs, edge, links)
            if links.valid is not None:
                greatest = greatest.masked_fill(~links.valid.any(1, keepdim=True), 0)
            return self.mlp.last(self.mlp.hidden(greatest))
        sums = self.sums(mine, theirs, edge, links)
        last, slots = self.mlp.last, links.rows.shape[1]
        if not isinstance(last, nn.Linear):
            return sums
        degree = slots if links.valid is None else links.valid.sum(1, keepdim=True)
        return F.linear(sums, last.weight) + degree * last.bias

    def sums(self, mine: Tensor, theirs: Tensor, edge: Tensor, links: Prepared) -> Tensor:
        """The last hidden layer of f, summed over neighbours, some instances at a time."""
        each = links.nodes * links.rows.shape[1] * mine.shape[1]
        size = links.nodes * max(1, CHUNK // each)
        if not free_to_look(mine) or len(mine) <= size:
            return self.sums_of(slice(None), mine, theirs, edge, links)
        parts = [slice(start, start + size) for start in range(0, len(mine), size)]
        return torch.cat([self.sums_of(part, mine, theirs, edge, links) for part in parts])

    def sums_of(
        self, part: slice, mine: Tensor, theirs: Tensor, edge: Tensor, links: Prepared
    ) -> Tensor:
        """The same of some rows."""
        u = F.embedding(links.rows[part], theirs)  # (R, D, H)
        u += mine[part, None]
        if edge.shape[1]:
            u = u + F.linear(links.edges[part].to(edge), edge)
        u = self.mlp.hidden(u.flatten(0, 1)).unflatten(0, (-1, links.rows.shape[1]))
        if links.valid is not None:
            u = u * links.valid[part, :, None]
        return u.sum(1)


def greatest_neighbour(theirs: Tensor, edge: Tensor, links: Prepared) -> Tensor:
    """(R, H): max over neighbours j of theirs_j + E e_ij; of no neighbours, of the first slot.

    Which neighbour is the greatest is found without derivatives, and only its value computed with
    them: what an edge costs is then a sum and a comparison.
    """
    edges = links.edges.to(edge)
    absent = None if links.valid is None else torch.where(links.valid, 0, -torch.inf).to(theirs)
    with torch.no_grad():
        best = theirs.new_full((links.rows.shape[0], theirs.shape[1]), -torch.inf)
        slot = torch.zeros_like(best, dtype=torch.int64)
        for d in range(links.rows.shape[1]):
            value = theirs[links.rows[:, d]]
            for f in range(edge.shape[1]):
                value.addcmul_(edges[:, d, f, None], edge[:, f])
            if absent is not None:
                value += absent[:, d, None]
            slot = torch.where(value > best, d, slot)
            torch.maximum(best, value, out=best)
    out = theirs.gather(0, links.rows.gather(1, slot))
    for f in range(edge.shape[1]):
        out = out + edges[:, :, f].gather(1, slot) * edge[:, f]
    return out


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer with Glorot weights and no bias at first."""
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
