"""Losses, and what is reported beside them. Labels reach objectives, never models.

Labels are {name: tensor}: `answer`, one right choice per node, (B, N), or (T, B, N) where each step
has its own; and where a task says so, `right` (B, N, C) bool, all right choices per node (a node
without any does not count).
"""

from __future__ import annotations

from ttc_agents.training.objectives.energies import contrastive, denoising
from ttc_agents.training.objectives.graphs import sampled_graphs
from ttc_agents.training.objectives.steps import (
    Labels,
    Objective,
    confident,
    cross_entropy,
    focal,
    smoothed,
    solved_rows,
    stepwise_cross_entropy,
)

OBJECTIVES: dict[str, Objective] = {
    "confident": confident,
    "contrastive": contrastive,
    "cross_entropy": cross_entropy,
    "denoising": denoising,
    "focal": focal,
    "sampled_graphs": sampled_graphs,
    "smoothed": smoothed,
}

__all__ = [
    "OBJECTIVES",
    "Labels",
    "Objective",
    "confident",
    "contrastive",
    "cross_entropy",
    "denoising",
    "focal",
    "sampled_graphs",
    "smoothed",
    "solved_rows",
    "stepwise_cross_entropy",
]
