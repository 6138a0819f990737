"""Scores of the possible neighbours of each node, and graphs drawn from them.

A small transformer, whose last attention head scores all pairs of nodes:

    x_i    = e_i (+ features of the node's fields)
    x     <- x + attention(norm(x)),  x <- x + perceptron(norm(x))            for each layer
    l_ij   = (W_q x_i) . (W_k x_j) / sqrt(H) + 10 A_ij

e_i is an embedding of the node's number, or the sum of embeddings of its positions, axis by axis. A
is a table with an entry for each pair of nodes, a learned attention bias. Without it, a graph whose
evidence lies in the conjunction of two axes is a saddle point: see docs/learned_graphs.md. W_q and
A begin at zero, so every graph is equally likely at first.

Every node then draws a list of k neighbours from its scores. The logits are (B, N, N), B = 1 where
all instances share them, or (B, N, N + 1): the last entry is "no more", which ends the list, so
that a graph may have fewer than k neighbours per node.

Shapes: B instances, N nodes, H width, k neighbours, S graphs per instance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttc_agents.models.base import Batch
from ttc_agents.models.node_inputs import NodeInputs, ranks
from ttc_agents.stochastic import (
    chosen_logs,
    gumbel_top_k,
    log_left,
    sample_subset,
    straight_through,
    subset_marginals,
)
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


# Draws


@dataclass(frozen=True)
class Drawn:
    """Graphs, and what is needed to learn from them.

    Args:
        neighbours: (S, B, N, k) int64, -1 behind the end of a list.
        log_prob: (S, B, N), of each list; 0 where a node had no choice.
        weights: (S, B, N, N), 1 for edges and else 0, with a derivative; None if there is only the
            log-probability to learn from.
    """

    neighbours: Tensor
    log_prob: Tensor
    weights: Tensor | None = None

    @property
    def graphs(self) -> Tensor:
        """What an inner model takes: the S * B graphs one after the other."""
        graphs = self.neighbours if self.weights is None else self.weights
        return graphs.flatten(0, 1)


def score_lists(logits: Tensor, index: Tensor, num_nodes: int) -> tuple[Tensor, Tensor]:
    """Draws (..., k) from logits (..., N or N + 1), broadcast, as lists with log-probabilities.

    A list (..., k) is -1 from "no more" (index N) on; what was drawn after that does not count.
    """
    chosen = chosen_logs(logits, index)
    stops = (index == num_nodes).cumsum(-1)
    counted = (stops == 0) | ((stops == 1) & (index == num_nodes))
    log_prob = ((chosen - log_left(chosen)) * counted).sum(-1)
    return index.masked_fill(stops > 0, -1), log_prob


def most_likely(logits: Tensor, k: int, rows: int) -> Drawn:
    """The most likely lists of `rows` instances, as one graph each."""
    num_nodes = logits.shape[-2]
    lists, log_prob = score_lists(logits, logits.detach().topk(k, -1).indices, num_nodes)
    return Drawn(lists.expand(1, rows, -1, -1), log_prob.expand(1, rows, -1))


def draw_lists(logits: Tensor, k: int, count: int, rows: int, free: Tensor | None) -> Drawn:
    """`count` graphs of `rows` instances each.

    Nodes that are not free (B, N) keep their most likely list: their draws cost time, and no loss
    is theirs. None frees all.
    """
    num_nodes = logits.shape[-2]
    if free is None:
        free = torch.ones(rows, num_nodes, dtype=torch.bool, device=logits.device)
    instance, node = free.nonzero(as_tuple=True)
    own = logits[instance if len(logits) > 1 else 0, node]  # (R, N or N + 1)
    index = gumbel_top_k(own.detach().expand(count, -1, -1), k)
    lists, logs = score_lists(own, index, num_nodes)
    likely = most_likely(logits.detach(), k, rows)
    neighbours = likely.neighbours.repeat(count, 1, 1, 1)
    neighbours[:, instance, node] = lists
    graph = torch.arange(count, device=logits.device)[:, None]
    log_prob = logs.new_zeros(count, rows, num_nodes)
    return Drawn(neighbours, log_prob.index_put((graph, instance, node), logs))


def draw_weighted(logits: Tensor, k: int, count: int, rows: int, exact: bool) -> Drawn:
    """The same for all nodes, with weights whose derivative is biased.

    It is that of the marginals of k-subsets (SIMPLE) if `exact`, else that of k times the softmax
    (plain straight-through).
    """
    shared = len(logits) == 1
    if exact:
        soft = subset_marginals(logits, k)
        sets = sample_subset(logits, k, count * rows if shared else count)
        index = sets.view(count, rows, *sets.shape[-2:])
    else:
        soft = k * logits.softmax(-1)
        index = gumbel_top_k(logits.detach().expand(count, rows, -1, -1), k)
    weights = straight_through(index, soft)
    return Drawn(index, weights.new_zeros(index.shape[:-1]), weights)


# Several graphs of each instance


def entropy(logits: Tensor) -> Tensor:
    """(..., N) nats of logits (..., N, M), some of which may be minus infinity."""
    logs = logits.log_softmax(-1)
    return -(logs.exp() * logs.clamp_min(torch.finfo(logs.dtype).min)).sum(-1)


def repeated(batch: Batch, count: int) -> Batch:
    """The instances `count` times, one copy of all after the other."""
    return {name: values.repeat(count, *[1] * (values.ndim - 1)) for name, values in batch.items()}


def folded(z: Tensor, count: int) -> Tensor:
    """States (S * B, ...) of S graphs -> (B, S, ...); of one graph they stay (B, ...)."""
    return z if count == 1 else z.unflatten(0, (count, -1)).transpose(0, 1)


def unfolded(z: Tensor, count: int) -> Tensor:
    """The inverse of `folded`."""
    return z if count == 1 else z.transpose(0, 1).flatten(0, 1)
