"""Messages of neighbours on an edge list, as an operator of `torch_geometric`.

The equations of `neighbour_messages` as they stand, for graphs whose nodes differ much in degree.
Imported only where it is wanted, since `torch_geometric` takes seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.nn import MessagePassing

from ttc_agents.models.neighbour_graph import Links
from ttc_agents.models.neighbour_messages import PairPerceptron


@dataclass(frozen=True)
class EdgeList:
    """Edges: pairs (2, E) of the rows from and to, features (E, F)."""

    pairs: Tensor
    features: Tensor


class EdgeMessages(MessagePassing):
    """Messages along edges.

    Args:
        mlp: f.
        aggregation: `sum` or `max`.

    Shapes: v (R, V), p (R, K) -> (R, H).
    """

    def __init__(self, mlp: PairPerceptron, aggregation: str) -> None:
        super().__init__(aggr=aggregation)
        self.mlp, self.greatest = mlp, aggregation == "max"

    def prepare(self, links: Links) -> EdgeList:
        """The links as a list of edges."""
        start = links.rows()
        to = torch.arange(len(start), device=start.device)[:, None].expand_as(start)
        pairs, features = torch.stack([start, to]), links.edges.flatten(0, 1)
        if links.valid is None:
            return EdgeList(pairs.flatten(1), features.flatten(0, 1))
        valid = links.valid.flatten(0, 1)
        return EdgeList(pairs[:, valid], features[valid])

    def forward(self, v: Tensor, p: Tensor, links: EdgeList) -> Tensor:
        """What each node is told."""
        told: Tensor = self.propagate(links.pairs, v=v, p=p, e=links.features.to(v))
        return self.mlp.last(told) if self.greatest else told

    def message(self, v_i: Tensor, v_j: Tensor, p_i: Tensor, p_j: Tensor, e: Tensor) -> Tensor:
        """The message to i from j, for all edges at once."""
        hidden = self.mlp.hidden(self.mlp.pair(v_i, v_j, e, p_i, p_j))
        return hidden if self.greatest else self.mlp.last(hidden)
