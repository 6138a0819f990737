"""Adaptive computation time: each node decides when to stop (Graves 2016, arXiv 1603.08983).

    p_t = sigmoid(w . h_t + b),   N = the first step at which p_1 + ... + p_N >= 1 - epsilon
    output = sum_{t < N} p_t h_t + R h_N,   R = 1 - sum_{t < N} p_t
    ponder cost = N + R

b begins low, so nodes take many steps at first: a node that stops at once never learns what further
steps are good for. A node that has stopped keeps its state, and other nodes still read it.

Shapes: h (B, N, H); state (B, N, 2 H + 3): h, the sum of outputs so far, the sum of p before the
last step, whether the node has stopped, the steps that it took.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

EPSILON = 0.01
FIRST_BIAS = -3.0


class Halting(nn.Module):
    """The gate, and how states are packed.

    Args:
        width: H.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.sizes = [width, width, 1, 1, 1]
        self.gate = nn.Linear(width, 1)
        nn.init.constant_(self.gate.bias, FIRST_BIAS)

    def packed(self, h: Tensor) -> Tensor:
        """The first state, of nodes that have not taken a step."""
        return torch.cat([h, h.new_zeros(*h.shape[:2], sum(self.sizes[1:]))], dim=-1)

    def advance(self, z: Tensor, new: Tensor) -> Tensor:
        """The state after a step whose result is `new` (B, N, H)."""
        h, output, spent, stopped, steps = z.split(self.sizes, dim=-1)
        going = 1 - stopped
        p = self.gate(new).sigmoid().to(z)
        last = going * (spent + p >= 1 - EPSILON)
        output = output + going * torch.where(last > 0, 1 - spent, p) * new
        spent = spent + going * (1 - last) * p
        h = torch.where(stopped > 0, h, new)
        return torch.cat([h, output, spent, stopped + last, steps + going], dim=-1)

    def output(self, z: Tensor) -> Tensor:
        """(B, N, H), as if every node stopped now."""
        h, output, spent, stopped, _ = z.split(self.sizes, dim=-1)
        return output + (1 - stopped) * (1 - spent) * h

    def ponder(self, z: Tensor) -> Tensor:
        """(B, N), steps and remainder."""
        _, _, spent, _, steps = z.split(self.sizes, dim=-1)
        return (steps + 1 - spent)[..., 0]
