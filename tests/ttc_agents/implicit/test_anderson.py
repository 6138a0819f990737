"""What Anderson acceleration makes of differences that point the same way."""

import pytest
import torch

from ttc_agents.implicit.anderson import least_squares, parallel


def columns(angle, scale=1.0):
    """Two of nearly the same direction, and one that is not there yet."""
    return scale * torch.tensor([[[1.0, 0.0], [1.0, angle], [0.0, 0.0]]]).double()


@pytest.mark.parametrize(("angle", "thin"), [(1e-3, False), (1e-5, False), (1e-7, True)])
@pytest.mark.parametrize("scale", [1.0, 1e-20, 1e20])
def test_columns_are_parallel_below_a_hundred_roots_of_the_rounding(angle, thin, scale):
    assert parallel(columns(angle, scale), 0.0).tolist() == [thin]


def test_rows_are_told_apart():
    both = torch.cat([columns(1e-2), columns(1e-7), torch.full((1, 3, 2), torch.nan).double()])
    assert parallel(both, 0.0).tolist() == [False, True, True]


@pytest.mark.parametrize("scale", [1.0, 1e-20])
def test_coefficients_are_those_of_least_squares(scale):
    target = scale * torch.tensor([[3.0, 1e-2]]).double()
    found = least_squares(columns(1e-2, scale), target, 0.0)
    torch.testing.assert_close(found, torch.tensor([[2.0, 1.0, 0.0]]).double())


def test_columns_that_are_one_share_out_what_they_can_do():
    """Single precision rounds the smallest ridge away: the pseudo-inverse takes its place."""
    found = least_squares(columns(0.0).float(), torch.tensor([[2.0, 0.0]]), 0.0)
    torch.testing.assert_close(found, torch.tensor([[1.0, 1.0, 0.0]]))


def test_a_ridge_shares_out_what_parallel_columns_can_do():
    found = least_squares(columns(0.0), torch.tensor([[2.0, 0.0]]).double(), 1e-3)
    torch.testing.assert_close(found[:, :2], torch.ones(1, 2).double(), rtol=1e-3, atol=0)
    assert found[0, 2] == 0
