"""Sums of pairwise messages over tables of neighbours, factored.

    m_i = sum_{j in N(i)} f([h_i ; h_j]),    f = W_2 u([h_i ; h_j]) + b_2

where u are the hidden layers of a perceptron (Palm et al. 2018, arXiv 1711.08028, equations 1 and
2). Two of its layers need not be computed per edge:

    W_1 [h_i ; h_j] = A h_i + B h_j             A h and B h once per node, then gathered
    sum_j (W_2 u_ij + b_2) = W_2 sum_j u_ij + D b_2

Shapes: B instances, N nodes, D neighbours per node, H width, R = B * N rows.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttc_agents.models.base import Context

CHUNK = 2**21
"""Largest number of values in one table of hidden units on a CPU: beyond some 32 MB the allocator
asks the kernel for fresh pages each time, which costs more than the arithmetic."""


class Perceptron(nn.Module):
    """Hidden layers with ReLU and a linear layer, all of one width.

    Args:
        inputs: Width of the inputs.
        width: Of the hidden layers and of the output.
        hidden_layers: At least 1.

    Shapes: (R, inputs) -> (R, width).
    """

    def __init__(self, inputs: int, width: int, hidden_layers: int) -> None:
        super().__init__()
        self.first = linear(inputs, width)
        self.inner = nn.ModuleList(linear(width, width) for _ in range(hidden_layers - 1))
        self.last = linear(width, width)

    def halves(self) -> tuple[Tensor, Tensor]:
        """A and B of the first layer: W [u ; v] = A u + B v."""
        own, other = self.first.weight.chunk(2, dim=1)
        return own, other

    def hidden(self, x: Tensor) -> Tensor:
        """The last hidden layer from what the first layer gives, which is overwritten."""
        x = F.relu(x, inplace=True)
        for layer in self.inner:
            x = F.relu(layer(x), inplace=True)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """The output."""
        out: Tensor = self.last(self.hidden(self.first(x)))
        return out


class NeighbourMessages(nn.Module):
    """Sums of messages over tables of neighbours, with as little as possible done per edge.

    Args:
        mlp: f, of 2H inputs.

    Shapes: h (B * N, H), links: see the method -> (B * N, H).
    """

    def __init__(self, mlp: Perceptron) -> None:
        super().__init__()
        self.mlp = mlp

    def links(self, neighbours: Tensor, valid: Tensor | None, rows: int) -> Context:
        """The graph of a batch: `neighbours` and `valid` (B, N, D), and `degree` (B * N, 1) or D.

        Padding points at node 0 and does not count.
        """
        tables = neighbours.clamp(min=0).expand(rows, -1, -1)
        if valid is None:
            return {"neighbours": tables, "valid": None, "degree": tables.shape[-1]}
        valid = valid.expand(rows, -1, -1)
        degree = valid.flatten(0, 1).sum(1, keepdim=True)
        return {"neighbours": tables, "valid": valid, "degree": degree}

    def forward(self, h: Tensor, links: Context) -> Tensor:
        """The sum of the messages to each node."""
        own, other = self.mlp.halves()
        neighbours, valid = links["neighbours"], links["valid"]
        rows, nodes, slots = neighbours.shape
        if h.device.type == "cpu":
            rows = max(1, CHUNK // (nodes * slots * h.shape[-1]))
        tables = [F.linear(h, own, self.mlp.first.bias), F.linear(h, other)]
        parts = [table.split(rows * nodes) for table in tables] + [neighbours.split(rows)]
        parts.append([None] * len(parts[0]) if valid is None else valid.split(rows))
        sums = [self.hidden_sums(*part) for part in zip(*parts, strict=True)]
        last = self.mlp.last
        return F.linear(torch.cat(sums), last.weight) + links["degree"] * last.bias

    def hidden_sums(self, a: Tensor, b: Tensor, neighbours: Tensor, valid: Tensor | None) -> Tensor:
        """The last hidden layer of f, summed over neighbours, from A h and B h."""
        rows, nodes, slots = neighbours.shape
        first_node = nodes * torch.arange(rows, device=a.device)[:, None, None]
        u = F.embedding((neighbours + first_node).flatten(0, 1), b)  # (B * N, D, H)
        u += a[:, None]
        u = self.mlp.hidden(u.flatten(0, 1)).unflatten(0, (-1, slots))
        if valid is not None:
            u = u * valid.flatten(0, 1)[..., None]
        return u.sum(1)


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer with Glorot weights and no bias at first."""
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
