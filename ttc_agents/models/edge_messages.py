"""Sums of pairwise messages on an edge list, as an operator of `torch_geometric`.

    m_i = sum_{j in N(i)} f([h_i ; h_j])

Equations 1 and 2 of Palm et al. 2018 (arXiv 1711.08028) as they stand, for graphs whose nodes
differ in degree. Imported only where it is wanted, since `torch_geometric` takes seconds.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing


class EdgeMessages(MessagePassing):
    """Sums of messages along edges.

    Args:
        mlp: f, of 2H inputs.

    Shapes: h (B * N, H), links (2, E), the rows from and to -> (B * N, H).
    """

    def __init__(self, mlp: nn.Module) -> None:
        super().__init__(aggr="add")
        self.mlp = mlp

    def links(self, neighbours: Tensor, valid: Tensor | None, rows: int) -> Tensor:
        """The edges of a batch from neighbours (N, D) or (B, N, D) and the slots that count."""
        nodes = neighbours.shape[-2]
        neighbours = neighbours.expand(rows, -1, -1)
        first_node = nodes * torch.arange(rows, device=neighbours.device)[:, None, None]
        to = torch.arange(nodes, device=neighbours.device)[:, None] + first_node
        pairs = torch.stack([neighbours + first_node, to.expand_as(neighbours)])
        return pairs.flatten(1) if valid is None else pairs[:, valid.expand(rows, -1, -1)]

    def forward(self, h: Tensor, links: Tensor) -> Tensor:
        """The sum of the messages to each node."""
        sums: Tensor = self.propagate(links, x=h)
        return sums

    def message(self, x_i: Tensor, x_j: Tensor) -> Tensor:
        """The message to i from j, for all edges at once."""
        out: Tensor = self.mlp(torch.cat([x_i, x_j], dim=-1))
        return out
