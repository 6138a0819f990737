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
SHARPNESS = 8.0
"""Of pointers to nodes. Cross-entropy is least where points are spread a little too widely, by a
share that falls as 1 / SHARPNESS; much sharper pointers give no derivatives to learn from."""


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
        for f in range(edge.shape[1]):
            u = torch.addcmul(u, links.edges.flatten(0, 1)[:, :, f, None].to(edge), edge[:, f])
        hidden, direct = u.split([POINTER_WIDTH, 1], dim=-1)
        logits = (self.score(F.relu(hidden)) + direct).view(links.neighbours.shape)
        return logits if links.valid is None else logits.masked_fill(~links.valid, ABSENT)


class NodePointer(nn.Module):
    """A place takes the node whose point is nearest to it: -SHARPNESS |y_j - x_i|^2.

        y_j = x_j + W_p p_j + W_h h_j

    x are the positions, so that at first each node stands at its own place; potentials and states
    move it. The scale is fixed: if it were learned it would grow until small errors cost nothing,
    and they would then never be corrected, although they grow with the number of nodes.

    Args:
        spec: With node choices and positions (N, p).
        width: H.
        potentials: K.

    Shapes: h (B, N, H), p (B, N, K), present (B, N) bool or None -> (B, N, N).
    """

    positions: Tensor

    def __init__(self, spec: TaskSpec, width: int, potentials: int) -> None:
        super().__init__()
        positions = torch.as_tensor(spec.positions)
        self.register_buffer("positions", positions, persistent=False)
        axes = positions.shape[1]
        self.shift = linear(width, axes)
        nn.init.zeros_(self.shift.weight)
        self.potential = nn.Linear(potentials, axes, bias=False) if potentials else None

    def forward(self, h: Tensor, p: Tensor, present: Tensor | None) -> Tensor:
        """The logits. An absent node is at its own place and at no other's."""
        places = self.positions.to(h)
        points = places + self.shift(h)
        if self.potential is not None:
            points = points + self.potential(p)
        # The square is not expanded: that would lose the digits that count.
        logits = -SHARPNESS * (places[:, None] - points[:, None]).square().sum(-1)
        if present is None:
            return logits
        own = torch.eye(h.shape[1], dtype=torch.bool, device=h.device)
        return logits.masked_fill(~(present[:, None] & present[:, :, None] | own), ABSENT)


def in_order_of_choices(logits: Tensor, answer: Tensor) -> Tensor:
    """Logits (B, N, N) over nodes that show item answer[j] -> over items.

    An item that no node shows is absent.
    """
    out = torch.full_like(logits, ABSENT)
    return out.scatter(2, answer[:, None].expand_as(logits), logits)
