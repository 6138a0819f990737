"""Muon's step against the singular value decomposition, and the division of parameters."""

import torch
from torch import nn

from ttc_agents.training.optimizer import Muon, Optimizer, orthogonalized


def test_orthogonalized_keeps_the_singular_vectors_and_levels_the_values():
    stack = torch.randn(3, 8, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for matrix in (stack, stack.mT):
        out = orthogonalized(matrix)
        values = torch.linalg.svdvals(out)
        assert values.min() > 0.6
        assert values.max() < 1.3
        u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
        rotated = u.mT @ out @ vh.mT
        torch.testing.assert_close(rotated, torch.diag_embed(torch.diagonal(rotated, 0, -2, -1)))


def test_muon_finds_a_matrix():
    target = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    weight = nn.Parameter(torch.zeros(6, 4))
    optimizer = Muon([weight], lr=0.05)
    for step in range(300):
        optimizer.zero_grad()
        (weight - target).square().sum().backward()
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / 300)
        optimizer.step()
    assert (weight - target).abs().max() < 0.05


def test_matrices_and_the_rest_are_divided_and_scheduled_together():
    model = nn.Linear(3, 2)
    both = Optimizer(model, 1e-3, 0.02, 0.0, 0.99)
    assert [p["params"] for part in both.parts for p in part.param_groups] == [
        [model.bias],
        [model.weight],
    ]
    model(torch.ones(1, 3)).sum().backward()
    both.step(0.5)
    assert [part.param_groups[0]["lr"] for part in both.parts] == [0.0005, 0.01]
    assert all(p.grad is None for p in model.parameters())
    alone = Optimizer(model, 1e-3, None, 0.0, 0.99)
    assert len(alone.parts) == 1
