"""Losses of models that have an energy."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ttc_agents.models import Trace
from ttc_agents.models.base import Energies
from ttc_agents.training.objectives.steps import (
    Labels,
    cross_entropy,
    penalised,
    stepwise_cross_entropy,
)

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
    return penalised(trace, stepwise_cross_entropy(found, labels, free))


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
