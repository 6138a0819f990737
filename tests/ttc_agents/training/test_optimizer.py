"""Muon's step against the singular value decomposition, and the division of parameters."""

import pytest
import torch
from torch import nn

from ttc_agents.training.optimizer import Muon, Optimizer, Update, orthogonalized


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


def test_matrices_and_the_rest_are_divided_and_scheduled_together(tiny):
    model = nn.Linear(3, 2)
    recipe = tiny.replaced(optimizer="muon", learning_rate=1e-3, matrix_learning_rate=0.02)
    both = Optimizer(list(model.parameters()), recipe)
    assert [p["params"] for part in both.parts for p in part.param_groups] == [
        [model.bias],
        [model.weight],
    ]
    model(torch.ones(1, 3)).sum().backward()
    both.step(0.5)
    assert [part.param_groups[0]["lr"] for part in both.parts] == [0.0005, 0.01]
    assert all(p.grad is None for p in model.parameters())
    alone = Optimizer(list(model.parameters()), recipe.replaced(optimizer="adamw"))
    (part,) = alone.parts
    assert [p for group in part.param_groups for p in group["params"]] == list(model.parameters())


@pytest.mark.parametrize(("optimizer", "parts"), [("adamw", [2]), ("muon", [1, 1])])
def test_the_numbers_are_those_of_the_recipe(tiny, optimizer, parts):
    numbers = {"learning_rate": 0.3, "weight_decay": 0.2, "beta2": 0.8}
    recipe = tiny.replaced(optimizer=optimizer, **numbers)
    made = Optimizer(list(nn.Linear(3, 2).parameters()), recipe)
    assert [len(part.param_groups[0]["params"]) for part in made.parts] == parts
    group = made.parts[0].param_groups[0]
    assert (group["lr"], group["betas"], group["weight_decay"]) == (0.3, (0.9, 0.8), 0.2)


@pytest.mark.parametrize("keep", ["weight", "bias"])
def test_muon_does_with_matrices_alone_or_with_none(tiny, keep):
    made = Optimizer([getattr(nn.Linear(3, 2), keep)], tiny.replaced(optimizer="muon"))
    (part,) = made.parts
    assert isinstance(part, Muon) == (keep == "weight")


def test_no_gradient_is_computed_for_other_leaves(tiny):
    model, point = nn.Linear(1, 1), torch.ones(1, 1, requires_grad=True)
    learning = Update(model, tiny)
    learning.objective = lambda trace, labels, free: model(point).sum()
    for weight in (0.5, 2.5):
        learning.differentiate(None, {}, None, weight)
    assert point.grad is None
    both = torch.cat([model.weight.grad[0], model.bias.grad])
    torch.testing.assert_close(both, torch.full((2,), 3.0))
    assert learning.clipped().item() == pytest.approx(18**0.5)
    both = torch.cat([model.weight.grad[0], model.bias.grad])
    torch.testing.assert_close(both, torch.full((2,), 0.5**0.5), rtol=1e-4, atol=0)  # clipped to 1


def test_an_optimizer_of_the_users(tiny, module):
    name = module(
        "my_optimizers",
        "import torch\n"
        "def one(parameters, recipe):\n"
        "    return torch.optim.SGD(parameters, lr=recipe.learning_rate)\n"
        "def two(parameters, recipe):\n"
        "    return tuple(torch.optim.SGD([p], lr=k + 1.0) for k, p in enumerate(parameters))\n",
    )
    model = nn.Linear(3, 2)
    one, two = (
        Optimizer(list(model.parameters()), tiny.replaced(optimizer=f"{name}:{n}", learning_rate=2))
        for n in ("one", "two")
    )
    assert (one.peaks, two.peaks) == ([[2]], [[1.0], [2.0]])
    before = model.bias.detach().clone()
    model(torch.ones(1, 3)).sum().backward()
    two.step(0.25)
    torch.testing.assert_close(model.bias, before - 0.5)
    with pytest.raises(ValueError, match="no optimizer 'luck', expected one of adamw, muon"):
        Optimizer(list(model.parameters()), tiny.replaced(optimizer="luck"))
