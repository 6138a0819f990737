"""A small transformer whose last attention head scores the possible neighbours of each node.

    x_i    = e_i (+ features of the node's fields)
    x     <- x + attention(norm(x)),  x <- x + perceptron(norm(x))            for each layer
    l_ij   = (W_q x_i) . (W_k x_j) / sqrt(H) + 10 A_ij

e_i is an embedding of the node's number, or the sum of embeddings of its positions, axis by axis. A
is a table with an entry for each pair of nodes, a learned attention bias. Without it, a graph whose
evidence lies in the conjunction of two axes is a saddle point: see docs/learned_graphs.md. W_q and
A begin at zero, so every graph is equally likely at first.

Shapes: B instances, N nodes, H width; logits (B, N, N), or (1, N, N) where they do not depend on
the instance.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttc_agents.models.base import Batch
from ttc_agents.models.node_inputs import NodeInputs, ranks
from ttc_envs import TaskSpec

TABLE_SCALE = 10.0
"""Multiplies the table, so that it learns this much faster than other weights at one rate."""
FIELD_EMBEDDING = 8


class EdgeLogits(nn.Module):
    """Logits of the neighbours of every node (see the module for the equations).

    Args:
        spec: Of the task; its constraint structure is read only with `positions`.
        width: H.
        layers: Of the transformer.
        heads: Of each layer.
        per_instance: Read the instance, so that every instance has its own graph. Otherwise all
            instances have the same one.
        table: Have the table A.
        positions: Embed the positions of the spec, axis by axis, in place of the nodes' numbers.
            They give structure away: for comparison only.
        field_scale: Scale of what is read of an instance, beside the embedding of its node. If it
            is small, the graphs of all instances begin alike.
    """

    place: Tensor

    def __init__(
        self,
        spec: TaskSpec,
        width: int = 16,
        layers: int = 1,
        heads: int = 4,
        per_instance: bool = False,
        table: bool = True,
        positions: bool = False,
        field_scale: float = 0.01,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width must be a multiple of heads, got {width} and {heads}")
        if positions and spec.positions is None:
            raise ValueError(f"{spec.name} has no positions to embed")
        num_nodes = spec.num_nodes
        axes = list(spec.positions.T) if positions and spec.positions is not None else []
        self.register_buffer("place", ranks(axes or [np.arange(num_nodes)]), persistent=False)
        self.axes = nn.ModuleList(nn.Embedding(int(r.max()) + 1, width) for r in self.place)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.zeros_(self.query.weight)
        nn.init.zeros_(self.query.bias)
        self.table = nn.Parameter(torch.zeros(num_nodes, num_nodes)) if table else None
        self.inputs = self.reader = None
        self.field_scale = field_scale
        if per_instance:
            self.inputs = NodeInputs(spec.without_structure(), FIELD_EMBEDDING, False)
            self.reader = nn.Linear(self.inputs.width, width)

    def forward(self, batch: Batch) -> Tensor:
        """The logits, minus infinity between a node and itself."""
        x = torch.stack([e(r) for e, r in zip(self.axes, self.place, strict=True)]).sum(0)[None]
        if self.inputs is not None and self.reader is not None:
            x = x + self.field_scale * self.reader(self.inputs(batch).to(x))
        for block in self.blocks:
            x = block(x)
        logits = self.query(x) @ self.key(x).mT / x.shape[-1] ** 0.5
        if self.table is not None:
            logits = logits + TABLE_SCALE * self.table
        own = torch.eye(logits.shape[-1], dtype=torch.bool, device=logits.device)
        return logits.masked_fill(own, -torch.inf)


class Block(nn.Module):
    """A layer of a transformer that is the identity at first.

    Shapes: (B, N, H) -> the same.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.first = nn.Linear(width, 2 * width)
        self.last = nn.Linear(2 * width, width)
        for layer in (self.out, self.last):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Attention among the nodes, then a perceptron at each."""
        qkv = self.qkv(F.rms_norm(x, x.shape[-1:])).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.out(mixed)
        return x + self.last(F.silu(self.first(F.rms_norm(x, x.shape[-1:]))))
