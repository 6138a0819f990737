"""Accelerated solvers against arithmetic: secants, quasi-Newton pairs, Krylov spaces, retreats."""

import math

import pytest
import torch

from ttc_agents.implicit import Anderson, Broyden, NewtonKrylov, solve
from ttc_agents.implicit.newton_krylov import gmres, unit
from ttc_agents.implicit.safeguard import GuardedMemory, beginning, chosen, flat, judged

MATRIX = torch.tensor([[0.2, 0.7, 0.0], [-0.5, 0.1, 0.3], [0.4, 0.0, -0.6]]).double()
RIGHT = torch.tensor([1.0, -2.0, 0.5]).double()
SOLUTION = torch.linalg.solve(torch.eye(3).double() - MATRIX, RIGHT)


def linear(z):
    return z @ MATRIX.T + RIGHT


def points(solver, f, z0, steps):
    """(T, D), the points of one row."""
    start = torch.tensor([z0], dtype=torch.float64)
    return solve(solver, f, start, steps, 0.0, trajectory=True).trajectory[:, 0]


@pytest.mark.parametrize("solver", [Anderson(memory=1, ridge=0.0), Broyden()])
def test_on_one_number_they_are_the_secant_method(solver):
    expected = [0.5, math.cos(0.5)]
    for _ in range(3):
        a, b = expected[-2:]
        slope = (math.cos(b) - b - math.cos(a) + a) / (b - a)
        expected.append(b - (math.cos(b) - b) / slope)
    found = points(solver, torch.cos, [0.5], 5)
    assert found[:, 0].tolist() == pytest.approx(expected, rel=1e-10)


def test_anderson_needs_a_step_more_than_there_are_dimensions():
    """As GMRES does: three differences span the space, the point after them is the solution."""
    found = points(Anderson(memory=3, ridge=0.0), linear, [0.0, 0.0, 0.0], 5)
    assert (found[3] - SOLUTION).norm() > 1e-3
    torch.testing.assert_close(found[4], SOLUTION, rtol=1e-9, atol=1e-9)


def test_a_short_memory_drops_the_oldest_difference():
    """With two differences the fourth point minimises over the last two alone."""
    found = points(Anderson(memory=2, ridge=0.0), linear, [0.0, 0.0, 0.0], 5)
    g = linear(found) - found
    dz, dg = found[2:4] - found[1:3], g[2:4] - g[1:3]
    gamma = torch.linalg.lstsq(dg.T, g[3]).solution
    torch.testing.assert_close(found[4], found[3] + g[3] - gamma @ (dz + dg))


def test_damped_anderson_goes_a_part_of_the_remaining_step():
    found = points(Anderson(memory=2, damping=0.5, ridge=0.0), linear, [0.0, 0.0, 0.0], 3)
    g = linear(found) - found
    torch.testing.assert_close(found[1], found[0] + 0.5 * g[0])
    dz, dg = found[1] - found[0], g[1] - g[0]
    gamma = (dg @ g[1]) / (dg @ dg)
    torch.testing.assert_close(found[2], found[1] - gamma * dz + 0.5 * (g[1] - gamma * dg))


@pytest.mark.parametrize("memory", [1, 2, 30])
def test_broyden_updates_the_inverse_jacobian(memory):
    """H with the last `memory` pairs alone, built up as a matrix."""
    found = points(Broyden(memory=memory), linear, [0.0, 0.0, 0.0], 6)
    g = linear(found) - found
    pairs = []
    for step in range(5):
        inverse = -torch.eye(3).double()
        for u, v in pairs[-memory:]:
            inverse = inverse + torch.outer(u, v)
        if step:
            s, y = found[step] - found[step - 1], g[step] - g[step - 1]
            u = (s - inverse @ y) / (s @ inverse @ y)
            pairs.append((u, inverse.T @ s))
            inverse = -torch.eye(3).double()
            for u, v in pairs[-memory:]:
                inverse = inverse + torch.outer(u, v)
        torch.testing.assert_close(found[step + 1], found[step] - inverse @ g[step])


def test_newton_solves_a_linear_map_in_one_step_of_a_full_krylov_space():
    found = points(NewtonKrylov(krylov=3), linear, [0.0, 0.0, 0.0], 2)
    torch.testing.assert_close(found[1], SOLUTION, rtol=1e-10, atol=1e-10)
    found = points(NewtonKrylov(krylov=2), linear, [0.0, 0.0, 0.0], 2)
    assert (found[1] - SOLUTION).norm() > 1e-3


def test_gmres_is_the_best_of_its_krylov_space():
    operator = torch.eye(3).double() - MATRIX
    found = gmres(lambda v: v @ operator.T, RIGHT[None], 2)[0]
    space = torch.stack([RIGHT, operator @ RIGHT])
    best = torch.linalg.lstsq((space @ operator.T).T, RIGHT).solution @ space
    torch.testing.assert_close(found, best)


def test_a_row_whose_krylov_space_is_exhausted_stops_there():
    """The second row is an eigenvector, the third has nothing to solve."""
    operator = torch.diag(torch.tensor([2.0, 3.0, 4.0])).double()
    right = torch.tensor([[1.0, 1.0, 1.0], [0.0, 6.0, 0.0], [0.0, 0.0, 0.0]]).double()
    found = gmres(lambda v: v @ operator, right, 5)
    expected = torch.tensor([[1 / 2, 1 / 3, 1 / 4], [0.0, 2.0, 0.0], [0.0, 0.0, 0.0]]).double()
    torch.testing.assert_close(found, expected)


def test_units():
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0], [3e-30, 4e-30]]).double()
    assert unit(x).tolist() == [pytest.approx([0.6, 0.8]), [0, 0], pytest.approx([0.6, 0.8])]


def memory_of(point, best_norm, rejected=0.0):
    """A memory at (B, 1) points, the best so far at 10 with a step of 2."""
    z = torch.tensor(point, dtype=torch.float64)[:, None]
    start = GuardedMemory(**beginning(z))
    best = torch.full_like(z, 10.0)
    return GuardedMemory(
        **vars(start)
        | {
            "best": best,
            "best_g": torch.full_like(best, 2.0),
            "best_norm": torch.full(z.shape[:1], best_norm, dtype=torch.float64),
            "rejected": torch.full(z.shape[:1], rejected, dtype=torch.float64),
        }
    )


def test_a_step_is_taken_back_only_beyond_the_growth():
    """|f(z) - z| is z itself here; the smallest so far is 2, twice as much is allowed."""
    memory = memory_of([1.0, 2.0, 3.0, 4.0, 5.0, torch.nan], 2.0, rejected=1.0)
    fields, kept = judged(lambda z: 2 * z, memory, 2.0)
    assert kept.tolist() == [True, True, True, True, False, False]
    assert fields["rejected"].tolist() == [0, 0, 0, 0, 2, 2]
    assert fields["best_norm"].tolist() == [1, 2, 2, 2, 2, 2]
    assert fields["best"][:, 0].tolist() == [1, 10, 10, 10, 10, 10]
    assert fields["best_g"][:, 0].tolist() == [1, 2, 2, 2, 2, 2]
    assert fields["change"].tolist() == [1, 2, 3, 4, 5, math.inf]


@pytest.mark.parametrize(("rejected", "length"), [(1.0, 1.0), (2.0, 0.5), (3.0, 0.25)])
def test_steps_back_are_half_as_long_each_time(rejected, length):
    fields = vars(memory_of([0.0, 0.0, 0.0], 2.0, rejected))
    proposal = torch.tensor([[7.0], [7.0], [torch.nan]]).double()
    kept = torch.tensor([True, False, True])
    assert chosen(fields, kept, proposal)[:, 0].tolist() == [7, 10 + 2 * length, 10 + 2 * length]


def test_nothing_is_known_at_the_beginning():
    fields = beginning(torch.ones(2, 3, 4))
    assert fields["residual"].tolist() == fields["best_norm"].tolist() == [math.inf] * 2
    assert fields["rejected"].tolist() == [0, 0]
    assert not fields["g"].any()
    assert not fields["best_g"].any()
    assert flat(torch.ones(2, 3, 4)).shape == fields["best"].shape == (2, 12)
    assert flat(torch.ones(5)).shape == (5, 1)


@pytest.mark.parametrize("solver", [Anderson, Broyden, NewtonKrylov])
def test_growth_is_tenfold_by_default(solver):
    assert solver().growth == 10
    assert solver(growth=1).growth == 1
    with pytest.raises(ValueError, match=r"growth must be at least 1, got 0\.9"):
        solver(growth=0.9)
