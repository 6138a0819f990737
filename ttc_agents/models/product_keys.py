"""A memory of many slots of which each node reads a few (Lample et al. 2019, arXiv 1907.05242).

Head a turns the state x into a query of two halves, q = (q_1, q_2). The keys are all pairs of n
half-keys, so that the best k of n^2 are found among k^2 pairs of the best k halves:

    score(i, j) = q_1 . c_i + q_2 . d_j,   S = the k pairs of the highest score
    m(x) = sum_a sum_{(i, j) in S_a} softmax_{S_a}(score)_{ij} v_{n i + j}

n^2 values cost 2 n products of half-keys and k rows read per head: parameters without arithmetic.
The paper normalises queries over the batch; here each half is divided by its own root mean square,
so that instances do not see each other.

Shapes: B rows, N nodes, H width, A heads, n half-keys, d their width, k slots read.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ttc_agents.models.attention import unit


class ProductKeyMemory(nn.Module):
    """Multi-head memory with product keys, in place of a perceptron.

    Args:
        width: H.
        keys: n; there are n^2 slots.
        heads: A.
        top: k, at most n.
        key_width: d.

    Shapes: (B, N, H) -> (B, N, H).
    """

    def __init__(
        self, width: int, keys: int = 64, heads: int = 4, top: int = 8, key_width: int = 16
    ) -> None:
        super().__init__()
        if not 1 <= top <= keys or heads < 1:
            raise ValueError(
                f"expected 1 <= top <= keys and a head at least, got {top}, {keys} and {heads}"
            )
        self.num_keys, self.heads, self.top = keys, heads, top
        self.query = nn.Linear(width, heads * 2 * key_width)
        self.keys = nn.Parameter(torch.randn(2, heads, keys, key_width) / key_width**0.5)
        self.values = nn.EmbeddingBag(keys * keys, width, mode="sum")
        nn.init.normal_(self.values.weight, std=width**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """What is read."""
        weights, slots = self.chosen(x.flatten(0, -2))
        read = self.values(slots.flatten(1), per_sample_weights=weights.flatten(1))
        return read.view(x.shape).to(x)

    def chosen(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(R, H) -> weights and slots (R, A, k)."""
        halves = unit(self.query(x).unflatten(1, (self.heads, 2, -1)))
        scores = torch.einsum("rahd,hand->hran", halves, self.keys)
        best, half = scores.topk(self.top, dim=-1)  # (2, R, A, k)
        pairs = (best[0][..., :, None] + best[1][..., None, :]).flatten(-2)
        score, pair = pairs.topk(self.top, dim=-1)
        first = half[0].gather(-1, pair // self.top)
        second = half[1].gather(-1, pair % self.top)
        weights = score.softmax(-1).to(self.values.weight.dtype)
        return weights, first * self.num_keys + second
