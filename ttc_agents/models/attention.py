"""Blocks of transformers that may be repeated any number of times.

A block normalises after each of its parts, so the size of its output does not grow with depth:

    a_i = sum_j softmax_j(q_i . k_j / sqrt(d) + b_ij) v_j,   [q, k, v] = W h
    u   = norm(h + W_o a)
    h  <- norm(u + W_2 silu(W_1 u))                 or a memory in place of the perceptron

(Vaswani et al. 2017, arXiv 1706.03762) with norm(x) = x / rms(x). Where nodes have positions,
queries and keys are rotated by angles proportional to them (rotary positions, Su et al. 2021, arXiv
2104.09864), so attention depends on differences of positions alone.

Shapes: B rows, N nodes, H width, A heads, d = H / A, p axes of the positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

BASE = 100.0
"""Base of the rotation rates: the slowest angle makes a full turn in about 600 positions."""
HIDDEN = 4
"""Hidden width of the perceptrons, as a multiple of H."""


class Rotary(nn.Module):
    """Rotates queries and keys by their positions; each axis rotates its share of the components.

    Args:
        positions: (N, p).
        size: d.

    Shapes: (B, A, n, d) -> the same, of the n nodes that begin at `start`.
    """

    turn: Tensor

    def __init__(self, positions: np.ndarray, size: int) -> None:
        super().__init__()
        nodes, axes = positions.shape
        each = size // 2 // axes
        if not each or size % 2:
            raise ValueError(
                f"rotary positions of {axes} axes need an even head width of at least {2 * axes}, "
                f"got {size}"
            )
        rates = BASE ** (-np.arange(each) / each)
        angles = np.zeros((nodes, size // 2))
        angles[:, : axes * each] = (positions[:, :, None] * rates).reshape(nodes, -1)
        turn = np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
        self.register_buffer("turn", torch.from_numpy(turn), persistent=False)

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        """The rotated vectors."""
        cos, sin = self.turn[:, start : start + x.shape[2]].to(x)
        a, b = x.chunk(2, dim=-1)
        return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


@dataclass
class KeyValues:
    """Keys and values of the nodes so far, for attention to what came before.

    Args:
        keys: (B, A, L, d), of which the first `length` nodes are filled.
        values: (B, A, L, d).
        length: Nodes so far.
    """

    keys: Tensor
    values: Tensor
    length: int = 0

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add n nodes (B, A, n, d); keys and values of all nodes so far."""
        end = self.length + keys.shape[2]
        self.keys[:, :, self.length : end] = keys
        self.values[:, :, self.length : end] = values
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def select(self, rows: Tensor) -> None:
        """Go on with these B of the rows, which may repeat; only what is filled is moved."""
        for kept in (self.keys, self.values):
            kept[:, :, : self.length] = kept[rows, :, : self.length]


class Attention(nn.Module):
    """Attention of every node to every node, or of each to those before it.

    Args:
        width: H, a multiple of `heads`.
        heads: A.

    Shapes: h (B, N, H), bias broadcast to (B, A, N, N) -> (B, N, H).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise ValueError(f"width must be a multiple of heads, got {width} and {heads}")
        self.heads = heads
        self.read = nn.Linear(width, 3 * width, bias=False)
        self.write = nn.Linear(width, width, bias=False)

    def forward(
        self,
        h: Tensor,
        rotary: Rotary | None = None,
        bias: Tensor | None = None,
        causal: bool = False,
        cache: KeyValues | None = None,
    ) -> Tensor:
        """What each node gathers; with a cache, each of the new nodes h also from those before."""
        q, k, v = self.read(h).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if rotary is not None:
            start = 0 if cache is None else cache.length
            q, k = rotary(q, start), rotary(k, start)
        if cache is not None:
            k, v = cache.extend(k, v)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, is_causal=causal)
        return self.write(out.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention and a perceptron, or a memory, each added and normalised.

    Args:
        width: H.
        heads: A.
        memory: In place of the perceptron, (B, N, H) -> (B, N, H).

    Shapes: (B, N, H) -> (B, N, H), each vector of mean square 1.
    """

    def __init__(self, width: int, heads: int, memory: nn.Module | None = None) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.perceptron = memory or nn.Sequential(
            nn.Linear(width, HIDDEN * width), nn.SiLU(), nn.Linear(HIDDEN * width, width)
        )

    def forward(self, h: Tensor, **seen: Any) -> Tensor:
        """The next states of all nodes; `seen` are arguments of `Attention`."""
        h = unit(h + self.attention(h, **seen))
        return unit(h + self.perceptron(h))


def unit(x: Tensor) -> Tensor:
    """(..., H) divided by its root mean square."""
    return F.rms_norm(x, x.shape[-1:])
