"""Losses, and what is reported beside them. Labels reach objectives, never models.

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
from ttc_agents.models.base import Energies
from ttc_agents.stochastic import Cost, StochasticNode, leave_one_out, surrogate_loss

Labels = dict[str, Tensor]
Objective = Callable[[Trace, Labels, Tensor | None], Tensor]
"""(trace, labels, free nodes (B, N) bool or None for all) -> the loss, a scalar."""


def cross_entropy(trace: Trace, labels: Labels, free: Tensor | None = None) -> Tensor:
    """`stepwise_cross_entropy` of a trace, and its penalty if it has one."""
    loss = stepwise_cross_entropy(trace.logits, labels, free)
    return loss if trace.penalty is None else loss + trace.penalty


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


SURE = 4.0
"""Logit of the choice of an answer that is shown to an energy, against 0 of the others."""


def denoising(trace: Trace, labels: Labels, free: Tensor | None = None) -> Tensor:
    """One step of descent from a corrupted right answer has to lead back to it.

    So the slope of the energy points from corrupted answers to the label (IRED, arXiv 2406.11179).
    Each instance has its own level of noise, from none to an answer without any trace of the label.
    The trace itself is not looked at: one step is enough for it.
    """
    logits = trace.logits[-1]
    start = corrupted(
        known(labels), logits.shape[-1], torch.rand(len(logits), device=logits.device)
    )
    found = landscape(trace).moved(start)[None]
    loss = stepwise_cross_entropy(found, labels, free)
    return loss if trace.penalty is None else loss + trace.penalty


def contrastive(trace: Trace, labels: Labels, free: Tensor | None = None) -> Tensor:
    """Cross-entropy of the steps, and right answers have to lie below wrong ones.

    Every right answer of the batch against every wrong one, of the same instance and of others, so
    that energies of different instances can be compared. Right are the labels; wrong are labels
    with a few nodes changed; the points that the descent has come to are what they are (mined
    negatives). Labels with a few nodes changed have to lie below those with many (a ranking by
    logistic loss; the areas under the ROC curve are what it raises).
    """
    of, logits = landscape(trace).of, trace.logits[-1].detach()
    label, choices = known(labels), logits.shape[-1]
    shares = torch.rand(len(logits), device=logits.device)
    answers = [label, changed(label, choices, shares / 4), changed(label, choices, shares)]
    right, few, many = (of(shown(answer, choices)) for answer in answers)
    found, wrong = of(logits), ((logits.argmax(-1) != label) & (label >= 0)).any(1)
    size = label.shape[1] if free is None else free.sum(1).float().mean()
    low, high = torch.cat([right, found]), torch.cat([few, found])
    all_rows = torch.ones_like(wrong)
    pairs = torch.cat([all_rows, ~wrong])[:, None] & torch.cat([all_rows, wrong])
    across = F.softplus(size * (low[:, None] - high))
    within = F.softplus(size * (few - many)).mean()
    contrast = (across * pairs).sum() / pairs.sum() + within
    return cross_entropy(trace, labels, free) + CONTRAST * contrast


CONTRAST = 0.1
"""Weight of the contrast beside the cross-entropy."""


def landscape(trace: Trace) -> Energies:
    """The energies of a trace.

    Raises:
        ValueError: The model has none.
    """
    if trace.energies is None:
        raise ValueError("this objective trains models that have an energy")
    return trace.energies


def known(labels: Labels) -> Tensor:
    """(B, N), a right choice per node, -1 where there is none; of several steps the last."""
    answer = labels["answer"]
    return answer if answer.ndim == 2 else answer[-1]


def shown(answer: Tensor, choices: int) -> Tensor:
    """An answer (B, N) as logits (B, N, C), alike where it is undecided."""
    one_hot = F.one_hot(answer.clamp(min=0), choices) * (answer >= 0)[..., None]
    return SURE * one_hot.float()


def corrupted(answer: Tensor, choices: int, level: Tensor) -> Tensor:
    """Logits (B, N, C) between those of an answer (B, N) at level 0 and noise at level 1 (B,)."""
    level = level[:, None, None]
    logits = shown(answer, choices)
    return (1 - level) * logits + level.sqrt() * torch.randn_like(logits)


def changed(answer: Tensor, choices: int, share: Tensor) -> Tensor:
    """An answer (B, N) with about a share (B,) of its nodes drawn anew, at least one."""
    order = torch.rand(answer.shape, device=answer.device).argsort(1).argsort(1)
    anew = order < (share * answer.shape[1]).clamp(min=1)[:, None]
    drawn = torch.randint(choices, answer.shape, device=answer.device)
    return torch.where(anew & (answer >= 0), drawn, answer)


OBJECTIVES: dict[str, Objective] = {
    "contrastive": contrastive,
    "cross_entropy": cross_entropy,
    "denoising": denoising,
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


def solved_rows(logits: Tensor, labels: Labels, free: Tensor | None = None) -> Tensor:
    """(B,) bool: the choice of every node that counts is right, and all logits are finite.

    Args:
        logits: (B, N, C).
        labels: See the module; of an `answer` per step the last counts.
        free: (B, N) bool, the nodes that count; None counts all. What is given is put back by the
            task, whatever a model says of it.
    """
    finite = torch.isfinite(logits).flatten(1).all(1)
    chosen = logits.argmax(-1)
    if "right" in labels:
        right = labels["right"].gather(2, chosen[..., None])[..., 0]
        right = right | ~labels["right"].any(-1)
    else:
        answer = labels["answer"] if labels["answer"].ndim == 2 else labels["answer"][-1]
        right = (chosen == answer) | (answer < 0)
    return (right if free is None else right | ~free).all(1) & finite


NEAR = 0.2
"""Residual below which a solve came near: the tolerance of the solver is too strict a measure,
trainings that go well miss it."""


def energy_metrics(trace: Trace) -> dict[str, Tensor]:
    """Of a model that descends an energy, the mean `energy` of the answers before the last step.

    Of more than one step also `falls`, the share of steps in which the energy did not rise. Empty
    for other models.
    """
    if trace.energies is None:
        return {}
    before = trace.energies.before.detach()
    found = {"energy": before[-1].mean()}
    if len(before) > 1:
        found["falls"] = (before.diff(dim=0) <= 0).float().mean()
    return found


def solver_metrics(trace: Trace) -> dict[str, Tensor]:
    """Of a model that solves for a fixed point, after the backward pass, means over the rows.

    `residual` (1 where it is larger), `converged` and `settled` of the forward solve;
    `backward_residual`, `backward_converged` and `discarded`, the share whose gradient was left
    out, of the backward one. Empty for other models.
    """
    solver = trace.solver
    if solver is None:
        return {}
    found = {name: getattr(solver, name) for name in ("residual", "converged")}
    found["settled"] = solver.residual < NEAR
    report = solver.backward
    if report is not None:
        # A backward pass that has nothing to solve does not report, and changes nothing.
        zero = trace.logits.new_zeros(1)
        solved = report.residual, report.converged, report.discarded
        columns = (zero, zero + 1, zero) if report.residual is None else solved
        names = ("backward_residual", "backward_converged", "discarded")
        found |= dict(zip(names, columns, strict=True))
    return {name: v.detach().float().clamp(max=1).mean() for name, v in found.items()}
