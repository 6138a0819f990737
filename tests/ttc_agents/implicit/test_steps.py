"""Gradients through a known number of steps of z <- s z + theta, whose sums can be done by hand."""

import pytest
import torch

from ttc_agents.implicit import Implicit, Mixed, Phantom, Picard, Unrolled, solve
from ttc_agents.implicit.gradients.phantom import moved, valued
from ttc_agents.implicit.gradients.unrolled import contracting


def slope_gradient(gradient, max_steps=1, s=0.5, start=None, solver=None):
    """d value / d theta of a row that begins at its fixed point, or where it is told, and more."""
    theta = torch.tensor([[1.0]], dtype=torch.float64, requires_grad=True)
    z0 = torch.tensor([[1 / (1 - s) if start is None else start]], dtype=torch.float64)
    solution = solve(
        solver or Picard(), lambda z: s * z + theta, z0, max_steps, 1e-9, gradient=gradient
    )
    solution.value.sum().backward()
    return theta.grad.item(), solution


@pytest.mark.parametrize(("steps", "expected"), [(1, 1.0), (2, 1.5), (3, 1.75)])
def test_phantom_is_the_sum_of_its_steps(steps, expected):
    assert slope_gradient(Phantom(steps))[0] == pytest.approx(expected)


def test_phantom_takes_five_whole_steps_by_default():
    assert slope_gradient(Phantom())[0] == pytest.approx(1.9375)


def test_damped_phantom_steps():
    assert slope_gradient(Phantom(3, 0.5))[0] == pytest.approx(0.5 * (1 + 0.75 + 0.75**2))


def test_mixed_takes_five_steps_by_default_on_the_way():
    """Residual 1: not at rest. The value is the solution, whatever the steps."""
    found, solution = slope_gradient(Mixed(), start=0.0)
    assert found == pytest.approx(1.9375)
    assert solution.value.item() == 0
    assert solution.residual.item() == 1


@pytest.mark.parametrize(("max_steps", "expected"), [(2, 1.0), (3, 1.5), (5, 1.875)])
def test_unrolled_differentiates_as_many_steps_as_were_allowed(max_steps, expected):
    """The row stops at its first step, at the fixed point that it began at; the others follow."""
    found, solution = slope_gradient(Unrolled(), max_steps)
    assert found == pytest.approx(expected)
    assert solution.num_steps.item() == 1


def test_each_row_goes_on_for_as_many_steps_as_it_has_left():
    """Of four steps, the first row stops at its first and the second at its third."""
    theta = torch.ones(2, 1, dtype=torch.float64, requires_grad=True)
    z0 = torch.tensor([[2.0], [0.0]]).double()
    solution = solve(Picard(), lambda z: 0.5 * z + theta, z0, 4, 0.3, gradient=Unrolled())
    solution.value.sum().backward()
    assert solution.num_steps.tolist() == [1, 3]
    assert solution.value.flatten().tolist() == [2, 1.5]
    torch.testing.assert_close(theta.grad, torch.tensor([[1.75], [1.75]]).double())


def test_implicit_solves_to_a_millionth_in_sixty_steps_by_default():
    how = Implicit(Picard())
    found, solution = slope_gradient(how)
    assert found == pytest.approx(2, abs=1e-5)
    assert 2.5e-7 < solution.backward.residual.item() < 1e-6
    slow = slope_gradient(how, s=0.999)[1].backward
    assert slow.num_steps.item() == 60
    assert not slow.converged


@pytest.mark.parametrize("kept", [True, False])
def test_a_backward_residual_at_the_limit_is_kept(kept):
    residual = slope_gradient(Implicit(Picard(), 1), s=0.5)[1].backward.residual.item()
    limit = residual if kept else residual * 0.99
    found, solution = slope_gradient(Implicit(Picard(), 1, discard_above=limit))
    assert solution.backward.discarded.item() is not kept
    assert (found != 0) is kept


def test_what_contracts():
    def logistic(z):
        return 3.2 * z * (1 - z)

    one = torch.ones(1, 1, dtype=torch.float64)
    assert contracting(lambda z: 0.5 * z + 0.5, one, 3).tolist() == [True]
    assert contracting(lambda z: 2 * z - 1, one, 3).tolist() == [False]
    # An unstable point beside a stable cycle of two.
    assert contracting(logistic, (1 - 1 / 3.2) * one, 400).tolist() == [False]
    # Rows are judged one by one, states of any shape.
    slopes = torch.tensor([0.5, 3.0, -0.5]).double()
    assert contracting(lambda z: slopes * z, torch.zeros(3).double(), 4).tolist() == [
        True,
        False,
        True,
    ]


def test_a_damped_move_and_a_whole_one():
    z, image = torch.tensor([[0.0]]), torch.tensor([[4.0]])
    assert moved(z, image, 1.0) is image
    assert moved(z, image, 0.25).item() == 1


def test_rows_whose_steps_are_not_finite_keep_their_value_without_a_gradient():
    z = torch.tensor([[1.0, torch.inf], [2.0, 3.0]], requires_grad=True)
    value = torch.tensor([[5.0, 6.0], [7.0, 8.0]])
    found = valued(value, z)
    assert torch.equal(found, value)
    (gradient,) = torch.autograd.grad(found.sum(), z)
    assert gradient.tolist() == [[0, 0], [1, 1]]
