"""Losses. Labels reach objectives, never models.

Labels are {name: tensor}: `answer`, one right choice per node, (B, N), or (T, B, N) where each step
has its own; and where a task says so, `right` (B, N, C) bool, all right choices per node (a node
without any does not count).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ttc_agents.models import Trace
from ttc_agents.stochastic import Cost, StochasticNode, leave_one_out, surrogate_loss

Labels = dict[str, Tensor]
PENALTIES = ("jacobian_penalty", "ponder_penalty")
Objective = Callable[[Trace, Labels, Tensor | None], Tensor]
"""(trace, labels, free nodes (B, N) bool or None for all) -> the loss, a scalar."""


def cross_entropy(trace: Trace, labels: Labels, free: Tensor | None = None) -> Tensor:
    """`stepwise_cross_entropy` of a trace, and the penalties that it has."""
    loss = stepwise_cross_entropy(trace.logits, labels, free)
    for name in PENALTIES:
        if name in trace.extras:
            loss = loss + trace.extras[name]
    return loss


def sampled_graphs(trace: Trace, labels: Labels, free: Tensor | None = None) -> Tensor:
    """The surrogate loss of a model that draws graphs (`AdjacencyLearner`), node by node.

    A node's draw is held to account for the node's own losses at all steps and for its edges, with
    the mean over the other graphs of the same instance as baseline. What it does to the later
    losses of other nodes is left out, which is exact for one step and a small bias for more, and
    keeps the variance from growing with the number of nodes.
    """
    losses, weight, log_prob = graph_losses(trace, labels, free)
    node = StochasticNode(log_prob, leave_one_out)
    loss = surrogate_loss([Cost(weight * losses, (node,))])
    return loss + graph_penalty(trace, weight)


def graph_losses(
    trace: Trace, labels: Labels, free: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Of S graphs per instance: losses with edge costs (S, B, N), weights, log-probabilities.

    The weights (B, N) are alike for all nodes that count, and sum up to 1 over all graphs.
    """
    logits = trace.extras["graph_logits"]
    graphs, _, rows, nodes, _ = logits.shape
    several = {name: v.repeat(graphs, *[1] * (v.ndim - 1)) for name, v in labels.items()}
    losses, counted = choice_losses(logits.transpose(0, 1).flatten(1, 2), several)
    losses = losses.mean(0).view(graphs, rows, nodes)
    counted = counted.view(-1, graphs, rows, nodes)[0, 0]
    if free is not None:
        counted = counted & free
    weight = counted / (graphs * counted.sum().clamp(min=1))
    return losses + trace.extras["edge_cost"], weight, trace.extras["log_prob"]


def graph_penalty(trace: Trace, weight: Tensor) -> Tensor:
    """The mean of the penalty of the scores, such as an entropy bonus, over nodes that count."""
    penalty = trace.extras.get("penalty")
    return (
        weight.new_zeros(())
        if penalty is None
        else len(trace.extras["log_prob"]) * (weight * penalty).sum()
    )


OBJECTIVES: dict[str, Objective] = {
    "cross_entropy": cross_entropy,
    "sampled_graphs": sampled_graphs,
}


def stepwise_cross_entropy(logits: Tensor, labels: Labels, free: Tensor | None = None) -> Tensor:
    """Cross-entropy of the right choices, at every refinement step alike (Palm et al. 2018, eq. 4).

    Where several choices of a node are right, their probabilities are added up.

    Args:
        logits: (T, B, N, C).
        labels: See the module.
        free: (B, N) bool, the nodes that count; None counts all. Each instance weighs the same.

    Returns:
        The mean over steps, instances and the nodes of each that count.
    """
    losses, counted = choice_losses(logits, labels)
    if free is not None:
        counted = counted & free
    weight = counted / counted.sum(-1, keepdim=True).clamp(min=1)
    return (losses * weight).sum(-1).mean()


def choice_losses(logits: Tensor, labels: Labels) -> tuple[Tensor, Tensor]:
    """Logits (T, B, N, C) -> -log p(right) (T, B, N); which nodes count, (B, N) or (T, B, N)."""
    if "right" in labels:
        right = labels["right"]
        scores = logits.float().log_softmax(-1)
        hidden = scores.masked_fill(~right, torch.finfo(scores.dtype).min)
        counted = right.any(-1)
        return torch.where(counted, -hidden.logsumexp(-1), 0), counted
    steps, rows, nodes, choices = logits.shape
    wanted = labels["answer"].expand(steps, rows, nodes)
    counted = wanted >= 0
    losses = F.cross_entropy(
        logits.reshape(-1, choices).float(), wanted.reshape(-1).clamp(min=0), reduction="none"
    )
    return losses.view(steps, rows, nodes), counted


def solved_rows(logits: Tensor, labels: Labels) -> Tensor:
    """(B,) bool: the choice of every node that counts is right, and all logits are finite.

    Args:
        logits: (B, N, C).
        labels: See the module; of an `answer` per step the last counts.
    """
    finite = torch.isfinite(logits).flatten(1).all(1)
    chosen = logits.argmax(-1)
    if "right" in labels:
        right = labels["right"].gather(2, chosen[..., None])[..., 0]
        return (right | ~labels["right"].any(-1)).all(1) & finite
    answer = labels["answer"] if labels["answer"].ndim == 2 else labels["answer"][-1]
    return ((chosen == answer) | (answer < 0)).all(1) & finite
