"""Messages that mean the same for any number of neighbours: edges are counted, nodes are averaged.

A node receives, with k_ij the kind of the edge from i to its neighbour j (which of its comparisons
say "less", "equal" and "greater"; S comparisons make 3^S kinds):

    m_i = A v_i + b + mean_{j in N(i) + i} [B v_j + P (p_j - p_i)] + sum_{j in N(i)} E onehot(k_ij)

The real features of an edge are summed up beside the kinds. A sum of everything, as in
`neighbour_messages`, also adds up what the states of the nodes say: an error of 1e-3 in it, which
no loss shows among 16 neighbours, is one whole place among 1,024. Here only counts grow with the
number of neighbours, and each kind of edge has a weight of its own, so that one comparison can
decide where another one says "equal". The mean includes the node itself, since then it moves all
potentials towards their mean by the same share whatever their number.

Counts do not change from step to step. They are taken once per instance, and a step costs one
product of matrices.

Shapes: B instances, N nodes, D neighbours per node, V width of v, K potentials, H width,
R = B * N rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttc_agents.models.neighbour_graph import Links, as_weights
from ttc_agents.models.neighbour_messages import PairPerceptron

MOST_SIGNS = 4
"""More comparisons per edge would make more than 81 kinds, and are refused."""


@dataclass(frozen=True)
class Counted:
    """Links as these messages use them: weights (B, N, N) of the mean, sums over edges (R, H)."""

    weights: Tensor
    counts: Tensor


class CountMessages(nn.Module):
    """Counts of edges and means of nodes (see the module for the equation).

    When to use it: where something is to be counted exactly among more neighbours than in training.

    Args:
        mlp: Of A, B, E, P and b: without hidden layers, for `count_features` features.
        signs: S, the number of features, the last ones of an edge, that are comparisons.

    Shapes: v (R, V), p (R, K) -> (R, H).

    Raises:
        ValueError: The perceptron has hidden layers, or there are too many comparisons.
    """

    def __init__(self, mlp: PairPerceptron, signs: int) -> None:
        super().__init__()
        if mlp.hidden_layers:
            raise ValueError(f"counts take no message layers, got {mlp.hidden_layers}")
        self.mlp, self.signs = mlp, signs

    def prepare(self, links: Links) -> Counted:
        """The weights of the mean, and what the edges of each node add up to."""
        edge = self.mlp.first.weight.split(self.mlp.sizes, dim=1)[2]
        there = torch.ones_like(links.neighbours, dtype=edge.dtype)
        if links.valid is not None:
            there = links.valid.to(edge)
        sums = edge_sums(links.edges.to(edge), there, self.signs)
        neighbours = links.neighbours.masked_fill(there == 0, -1)
        nodes = neighbours.shape[1]
        closed = as_weights(neighbours, nodes).to(edge) + torch.eye(nodes, device=edge.device)
        weights = closed / closed.sum(-1, keepdim=True)
        return Counted(weights, F.linear(sums.flatten(0, 1), edge))

    def forward(self, v: Tensor, p: Tensor, links: Counted) -> Tensor:
        """What each node is told."""
        mine, theirs, _ = self.mlp.per_node(v, p)
        mean = links.weights @ theirs.view(*links.weights.shape[:2], -1)
        return mine + mean.flatten(0, 1) + links.counts


def edge_sums(edges: Tensor, there: Tensor, signs: int) -> Tensor:
    """(B, N, F): the sums of the real features, and the number of edges of each kind.

    Args:
        edges: (B, N, D, F) features, the last `signs` of them -1, 0 or 1.
        there: (B, N, D) 1 where there is an edge, 0 where there is none.
        signs: S.
    """
    reals, compared = edges.split([edges.shape[-1] - signs, signs], dim=-1)
    powers = 3 ** torch.arange(signs, device=edges.device)
    kinds = ((compared + 1) @ powers.to(compared)).long()
    counts = there.new_zeros(*there.shape[:2], 3**signs).scatter_add_(2, kinds, there)
    return torch.cat([(reals * there[..., None]).sum(2), counts], dim=-1)


def count_features(features: int, signs: int) -> int:
    """The number of values that `edge_sums` makes of so many features, `signs` of them comparisons.

    Raises:
        ValueError: There are too many comparisons.
    """
    if signs > MOST_SIGNS:
        raise ValueError(f"counts take at most {MOST_SIGNS} comparisons per edge, got {signs}")
    return features - signs + 3**signs
