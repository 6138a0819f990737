"""Diagnostics against matrices whose numbers are known."""

import pytest
import torch

from ttc_agents.implicit.diagnostics import (
    jacobian_penalty,
    spectral_radius,
    state_rms,
)
from ttc_agents.implicit.problems import eigenvalues, of_radius, rotation


def linear(*matrices):
    stack = torch.stack(matrices)
    return lambda z: (stack @ z[:, :, None])[:, :, 0]


def test_radius_of_each_row():
    f = linear(eigenvalues(0.2, -0.7, 0.1), eigenvalues(1.5, 0.3, -0.2))
    found = spectral_radius(f, torch.zeros(2, 3).double(), 60)
    torch.testing.assert_close(found, torch.tensor([0.7, 1.5]).double(), rtol=1e-6, atol=0)


def test_radius_of_complex_pairs_and_of_nothing():
    found = spectral_radius(linear(rotation()), torch.zeros(1, 8).double(), 40)
    torch.testing.assert_close(found, torch.tensor([0.9]).double(), rtol=0.02, atol=0)
    found = spectral_radius(linear(of_radius(0.8, 6, seed=1)), torch.zeros(1, 6).double(), 400)
    torch.testing.assert_close(found, torch.tensor([0.8]).double(), rtol=0.02, atol=0)
    assert spectral_radius(torch.ones_like, torch.zeros(2, 3)).tolist() == [0, 0]
    with pytest.raises(ValueError, match="iterations must be at least 2, got 1"):
        spectral_radius(torch.cos, torch.zeros(2, 3), 1)


def test_radius_depends_on_the_state():
    z = torch.tensor([[1 / 2] * 3, [1 / 16] * 3])
    assert spectral_radius(torch.square, z).tolist() == pytest.approx([1.0, 0.125])  # 2 z


def test_hutchinson_is_the_frobenius_norm():
    matrix = of_radius(0.8, 6, seed=1)
    f, z = linear(matrix), torch.zeros(2000, 6).double()
    exact = matrix.square().sum() / 6
    torch.testing.assert_close(jacobian_penalty(f, z).mean(), exact, rtol=0.03, atol=0)
    several = jacobian_penalty(f, z, 20).sqrt()
    assert several.std() < 0.3 * jacobian_penalty(f, z).sqrt().std()
    torch.testing.assert_close(several.mean(), exact.sqrt(), rtol=0.03, atol=0)


def test_the_penalty_is_drawn_from_seed_0_where_none_is_named():
    f, z = linear(of_radius(0.8, 6, seed=1)), torch.zeros(4, 6).double()
    for seed, same in ((0, True), (1, False)):
        named = jacobian_penalty(f, z, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(named, jacobian_penalty(f, z)) == same


def test_the_penalty_teaches_the_parameters_and_not_the_point():
    scale = torch.tensor(3.0, requires_grad=True)
    z = torch.randn(2, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    penalty = jacobian_penalty(lambda z: scale * z, z)
    torch.testing.assert_close(penalty, torch.full((2,), 9.0))
    found = torch.autograd.grad(penalty.sum(), (scale, z), allow_unused=True)
    assert found[0] == pytest.approx(12)
    assert found[1] is None


def test_sizes_of_states():
    z = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    torch.testing.assert_close(state_rms(z), torch.tensor([12.5**0.5, 0.0]))
