"""Solvers and gradients on a device: as on a CPU, with a look at convergence every few steps."""

import pytest
import torch

from ttc_agents.implicit import GRADIENTS, SOLVERS, solve
from ttc_agents.implicit.solvers import LOOK_EVERY

STEPS = 20
LOOKS = {"implicit": 2, "phantom": 0, "mixed": 2, "unrolled": 2}
"""Waits of a gradient beside those of its solves: what it is asked for, and whether anything is."""


def problem(device):
    """A contracting map of three rows, one of which begins at its fixed point."""
    generator = torch.Generator().manual_seed(0)
    weight = (0.15 * torch.randn(6, 6, generator=generator)).to(device)
    bias = torch.randn(3, 6, generator=generator).to(device).requires_grad_()
    calls = []

    def f(z):
        calls.append(len(z))
        return torch.tanh(z @ weight + bias)

    start = torch.zeros(3, 6, device=device)
    with torch.no_grad():
        rest = start
        for _ in range(60):
            rest = f(rest)
        start[1] += rest[1]
    calls.clear()
    return f, start, bias, calls


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("name", SOLVERS)
def test_solutions_and_gradients_are_those_of_a_cpu(there, name, gradient):
    found = []
    for device in (there.device, "cpu"):
        f, start, bias, _ = problem(device)
        how = GRADIENTS[gradient]()
        looks = 2 * (STEPS // LOOK_EVERY) + 8 + LOOKS[gradient]
        with there.at_most(looks):
            solution = solve(SOLVERS[name](), f, start, STEPS, 1e-4, gradient=how)
            solution.value.square().sum().backward()
        found.append((solution, bias.grad))
    (mine, grad), (theirs, expected) = found
    there.close(mine.value, theirs.value, 1e-3)
    there.close(grad, expected, 1e-3)
    assert mine.num_steps.tolist() == theirs.num_steps.tolist()
    assert mine.converged.tolist() == theirs.converged.tolist() == [True] * 3


@pytest.mark.parametrize("name", SOLVERS)
def test_convergence_is_looked_at_every_few_steps(there, name):
    f, start, _, calls = problem(there.device)
    with there.at_most(STEPS // LOOK_EVERY):
        solution = solve(SOLVERS[name](), f, start, STEPS, 1e-4)
    taken = len(calls) // SOLVERS[name]().calls_per_step
    most = int(solution.num_steps.max())
    assert most <= taken <= LOOK_EVERY * -(-most // LOOK_EVERY)


def test_a_trajectory_ends_with_the_last_row(there):
    f, start, _, _ = problem(there.device)
    solution = solve(SOLVERS["picard"](), f, start, 40, 1e-4, trajectory=True)
    assert len(solution.trajectory) == int(solution.num_steps.max()) < 40


def test_rows_without_a_cholesky_factor_still_get_an_answer(there):
    from ttc_agents.implicit.anderson import least_squares

    generator = torch.Generator().manual_seed(0)
    columns = torch.randn(2, 3, 5, generator=generator)
    columns[0, 1] = columns[0, 0]  # parallel, without a ridge
    target = columns[:, 0] + columns[:, 2]
    mine = columns.to(there.device), target.to(there.device)
    with there.at_most(0):
        found = least_squares(*mine, 0.0)
    reached = (found.cpu()[:, None] @ columns)[:, 0]
    torch.testing.assert_close(reached, target, rtol=0, atol=2e-2)
