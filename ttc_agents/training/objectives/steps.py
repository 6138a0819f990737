"""Losses of choices at every refinement step, and which rows they call solved."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ttc_agents.models import Trace
from ttc_agents.models.readout import ABSENT

Labels = dict[str, Tensor]
Objective = Callable[[Trace, Labels, Tensor | None], Tensor]
"""(trace, labels, free nodes (B, N) bool or None for all) -> the loss, a scalar."""


def cross_entropy(trace: Trace, labels: Labels, free: Tensor | None = None) -> Tensor:
    """`stepwise_cross_entropy` of a trace, and its penalty if it has one."""
    return penalised(trace, stepwise_cross_entropy(trace.logits, labels, free))


def penalised(trace: Trace, loss: Tensor) -> Tensor:
    """A loss with the penalty of the trace, if it has one."""
    return loss if trace.penalty is None else loss + trace.penalty


def focal(trace: Trace, labels: Labels, free: Tensor | None = None) -> Tensor:
    """Cross-entropy that counts less where the right choice is likely already: (1 - p)^2 of it.

    So a network is not asked to become ever surer (Lin et al. 2017, arXiv 1708.02002, eq. 4).
    """
    losses, counted = choice_losses(trace.logits, labels)
    return penalised(trace, mean_over_nodes((1 - (-losses).exp()).square() * losses, counted, free))


SMOOTHING = 0.05
"""Share of the target that `smoothed` spreads over all choices."""


def smoothed(trace: Trace, labels: Labels, free: Tensor | None = None) -> Tensor:
    """Cross-entropy to a target with a twentieth spread over all choices of a node that are there.

    So no choice is called impossible (Szegedy et al. 2016, arXiv 1512.00567, section 7).
    """
    losses, counted = choice_losses(trace.logits, labels)
    there = trace.logits > ABSENT / 2
    scores = trace.logits.float().log_softmax(-1).masked_fill(~there, 0.0)
    spread = -scores.sum(-1) / there.sum(-1).clamp(min=1)
    mixed = torch.lerp(losses, torch.where(counted, spread, 0.0), SMOOTHING)
    return penalised(trace, mean_over_nodes(mixed, counted, free))


CONFIDENCE = 0.1
"""Weight of the loss on confidence beside the cross-entropy."""


def confident(trace: Trace, labels: Labels, free: Tensor | None = None) -> Tensor:
    """Cross-entropy, and the least confidence of an answer has to say whether it is right.

    The least probability of a likeliest choice, over the nodes that count, is taken as the chance
    that all of them are right (Brier 1950). It is what a branching search accepts by.
    """
    logits = trace.logits[-1]
    _, counted = choice_losses(trace.logits, labels)
    counted = counted if counted.ndim == 2 else counted[-1]
    counted = counted if free is None else counted & free
    sure = logits.float().softmax(-1).amax(-1).masked_fill(~counted, 1.0).amin(1)
    right = solved_rows(logits, labels, free).float()
    return cross_entropy(trace, labels, free) + CONFIDENCE * (sure - right).square().mean()


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
    return mean_over_nodes(*choice_losses(logits, labels), free)


def mean_over_nodes(losses: Tensor, counted: Tensor, free: Tensor | None) -> Tensor:
    """Losses (T, B, N), as a mean over steps, instances and the nodes of each that count."""
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
