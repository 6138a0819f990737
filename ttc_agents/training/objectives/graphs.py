"""Losses of models that draw graphs."""

from __future__ import annotations

from torch import Tensor

from ttc_agents.models import Trace
from ttc_agents.stochastic import Cost, StochasticNode, leave_one_out, surrogate_loss
from ttc_agents.training.objectives.steps import Labels, choice_losses


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
    drawn = trace.graphs
    if drawn is None or drawn.logits is None:
        raise ValueError("objective='sampled_graphs' trains models that draw graphs")
    logits = drawn.logits
    graphs, _, rows, nodes, _ = logits.shape
    several = {name: v.repeat(graphs, *[1] * (v.ndim - 1)) for name, v in labels.items()}
    losses, counted = choice_losses(logits.transpose(0, 1).flatten(1, 2), several)
    losses = losses.mean(0).view(graphs, rows, nodes)
    counted = counted.view(-1, graphs, rows, nodes)[0, 0]
    if free is not None:
        counted = counted & free
    weight = counted / (graphs * counted.sum().clamp(min=1))
    if drawn.edge_cost is not None:
        losses = losses + drawn.edge_cost
    return losses, weight, drawn.log_prob


def graph_penalty(trace: Trace, weight: Tensor) -> Tensor:
    """The mean of the penalty of the scores, such as an entropy bonus, over nodes that count."""
    if trace.graphs is None or trace.graphs.penalty is None:
        return weight.new_zeros(())
    return len(trace.graphs.log_prob) * (weight * trace.graphs.penalty).sum()
