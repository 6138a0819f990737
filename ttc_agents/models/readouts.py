"""From the states of the nodes to the logits of pointers to neighbours or nodes.

Pointers have no parameter per choice, so that N and D are free: a model trained on short lists or
small maps can be run on long and large ones.

Shapes: B instances, N nodes, C choices, D neighbours per node, H width, K potentials.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttc_agents.models.neighbour_graph import Links
from ttc_agents.models.neighbour_messages import PairPerceptron, linear
from ttc_envs import TaskSpec

ABSENT = -1e4
"""Logit of a choice that is padding; finite, since rows that are not finite count as failed."""
POINTER_WIDTH = 16
PLACE_WIDTH = 4


class NeighbourPointer(nn.Module):
    """A score of each neighbour: w . relu(u) + u_0, with (u, u_0) linear in all that f reads.

    Shapes: h (B, N, H), p (B, N, K) -> (B, N, D).
    """

    def __init__(self, width: int, features: int, potentials: int) -> None:
        super().__init__()
        self.pair = PairPerceptron(width, features, potentials, POINTER_WIDTH + 1, 0)
        self.score = nn.Linear(POINTER_WIDTH, 1, bias=False)

    def forward(self, h: Tensor, p: Tensor, links: Links) -> Tensor:
        """The logits."""
        rows = links.rows()
        mine, theirs, edge = self.pair.per_node(h.flatten(0, 1), p.flatten(0, 1))
        # index_select adds up its derivatives as they come; other ways of indexing sort them first.
        u = theirs.index_select(0, rows.flatten()).unflatten(0, rows.shape) + mine[:, None]
        if edge.shape[1]:
            u = u + F.linear(links.edges.flatten(0, 1).to(edge), edge)
        hidden, direct = u.split([POINTER_WIDTH, 1], dim=-1)
        logits = (self.score(F.relu(hidden)) + direct).view(links.neighbours.shape)
        return logits if links.valid is None else logits.masked_fill(~links.valid, ABSENT)


class NodePointer(nn.Module):
    """A place takes the node that is nearest to it: -|k_j - q_i|^2.

        q_i = W_x x_i + W_q h_i,    k_j = W_x x_j + W_p p_j + W_k h_j

    x are the positions, so at first each node stands at its own place; states and potentials move
    it.

    Args:
        spec: With node choices.
        width: H.
        potentials: K.

    Shapes: h (B, N, H), p (B, N, K), present (B, N) bool or None -> (B, N, N).
    """

    def __init__(self, spec: TaskSpec, width: int, potentials: int) -> None:
        super().__init__()
        positions = torch.zeros(spec.num_nodes, 0)
        if spec.positions is not None:
            positions = torch.as_tensor(spec.positions)
        self.register_buffer("positions", positions, persistent=False)
        self.place = unbiased(positions.shape[1], PLACE_WIDTH)
        self.potential = unbiased(potentials, PLACE_WIDTH)
        self.query = linear(width, PLACE_WIDTH)
        self.key = linear(width, PLACE_WIDTH)

    def forward(self, h: Tensor, p: Tensor, present: Tensor | None) -> Tensor:
        """The logits. An absent node is at its own place and at no other's."""
        query, key = self.query(h), self.key(h)
        if self.place is not None:
            place = self.place(self.positions.to(h))
            query, key = query + place, key + place
        if self.potential is not None:
            key = key + self.potential(p)
        # One coordinate after the other: expanding the square would lose the digits that count.
        logits = -sum(
            (k[:, None] - q[:, :, None]).square()
            for q, k in zip(query.unbind(-1), key.unbind(-1), strict=True)
        )
        if present is None:
            return logits
        own = torch.eye(h.shape[1], dtype=torch.bool, device=h.device)
        return logits.masked_fill(~(present[:, None] & present[:, :, None] | own), ABSENT)


def unbiased(inputs: int, outputs: int) -> nn.Linear | None:
    """A linear layer without bias; None without inputs."""
    return nn.Linear(inputs, outputs, bias=False) if inputs else None


def in_order_of_choices(logits: Tensor, answer: Tensor) -> Tensor:
    """Logits (B, N, N) over nodes that show item answer[j] -> over items.

    An item that no node shows is absent.
    """
    out = torch.full_like(logits, ABSENT)
    return out.scatter(2, answer[:, None].expand_as(logits), logits)
