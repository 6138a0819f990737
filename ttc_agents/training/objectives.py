"""Losses. Labels reach objectives, never models."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def stepwise_cross_entropy(logits: Tensor, labels: Tensor, free: Tensor | None = None) -> Tensor:
    """Cross-entropy of the right choice, at every refinement step alike (Palm et al. 2018, eq. 4).

    Args:
        logits: (T, B, N, C).
        labels: (B, N) int64.
        free: (B, N) bool, the nodes that count; None counts all. Each instance weighs the same.

    Returns:
        The mean over steps, instances and their free nodes, a scalar.
    """
    steps, rows, nodes, choices = logits.shape
    wanted = labels.expand(steps, rows, nodes)
    losses = F.cross_entropy(
        logits.reshape(-1, choices).float(), wanted.reshape(-1), reduction="none"
    ).view(steps, rows, nodes)
    if free is None:
        return losses.mean()
    weight = free / free.sum(1, keepdim=True).clamp(min=1)
    return (losses * weight).sum(2).mean()


def solved_rows(logits: Tensor, labels: Tensor) -> Tensor:
    """(B,) bool: every node of the logits (B, N, C) agrees with the label, and all are finite."""
    finite = torch.isfinite(logits).flatten(1).all(1)
    return (logits.argmax(-1) == labels).all(1) & finite
