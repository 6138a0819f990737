"""Objectives beside `sampled_graphs`, which recipes name `objectives:reinforce` and so on.

Shapes: B instances, N nodes, S graphs of each instance.
"""

from __future__ import annotations

from torch import Tensor

from ttc_agents.models import Trace
from ttc_agents.stochastic import Baseline, Cost, StochasticNode, leave_one_out, surrogate_loss
from ttc_agents.training.objectives import Labels, Objective
from ttc_agents.training.objectives.graphs import graph_losses, graph_penalty


def scored(per_node: bool, baseline: Baseline | None) -> Objective:
    """An objective with another credit or baseline than `sampled_graphs`.

    Args:
        per_node: Whether a draw is credited with the loss of its own node, or with that of all
            nodes of its instance.
        baseline: Of the credit, such as `leave_one_out`.
    """

    def objective(trace: Trace, labels: Labels, free: Tensor | None = None) -> Tensor:
        losses, weight, log_prob = graph_losses(trace, labels, free)
        costs = weight * losses
        node = StochasticNode(log_prob, baseline)
        credit = Cost(costs if per_node else costs.sum(-1, keepdim=True), (node,))
        return surrogate_loss([credit])

    return objective


reinforce = scored(False, None)
reinforce_per_node = scored(True, None)
one_reward_per_graph = scored(False, leave_one_out)


def weighted_graphs(trace: Trace, labels: Labels, free: Tensor | None = None) -> Tensor:
    """The losses alone: the edges' weights carry a derivative of their own."""
    losses, weight, _ = graph_losses(trace, labels, free)
    return (weight * losses).sum()


def sampled_graphs_of_items(trace: Trace, labels: Labels, free: Tensor | None = None) -> Tensor:
    """`sampled_graphs` where answers point to nodes: a draw is credited with its item's loss."""
    losses, weight, log_prob = graph_losses(trace, labels, free)
    place = labels["answer"].argsort(-1)
    costs = (weight * losses).gather(-1, place.expand_as(losses))
    loss = surrogate_loss([Cost(costs, (StochasticNode(log_prob, leave_one_out),))])
    return loss + graph_penalty(trace, weight)
