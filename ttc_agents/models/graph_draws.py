"""Graphs drawn from the logits of edges: every node draws a list of k neighbours.

Logits (B, N, N), B = 1 where all instances share them, or (B, N, N + 1): the last entry is "no
more", which ends the list, so that a graph may have fewer than k neighbours per node.

Shapes: B instances, N nodes, k neighbours, S graphs per instance.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ttc_agents.stochastic import (
    chosen_logs,
    gumbel_top_k,
    log_left,
    sample_subset,
    straight_through,
    subset_marginals,
)


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
