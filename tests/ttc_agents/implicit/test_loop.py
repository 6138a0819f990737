"""The loop of `solve`, step by step, on solvers whose every residual is written down."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from ttc_agents.implicit import Picard, rows, solve, solvers
from ttc_agents.implicit.rows import largest, surely_all
from ttc_agents.implicit.solvers import (
    BackwardReport,
    Memory,
    careful,
    evaluate,
    promote,
    unknown,
)


@dataclass(frozen=True)
class Scripted:
    """A solver that walks from 0 to 1 to 2: what it finds at the point t is in row t."""

    residuals: torch.Tensor
    changes: torch.Tensor
    carried: ClassVar[tuple[str, ...]] = ("z",)
    calls_per_step: ClassVar[int] = 1

    def init(self, f, z0):
        return Memory(z0, z0, unknown(z0), unknown(z0))

    def step(self, f, memory):
        f(memory.z)
        place = memory.z[:, 0].long(), torch.arange(len(memory.z))
        return Memory(memory.z + 1, memory.z, self.residuals[place], self.changes[place])


def scripted(residuals, changes, tol=0.1, dtype=torch.float64, **options):
    """The solution of a script, (T, B) each, and the calls of the map that it took."""
    calls = []
    solver = Scripted(torch.tensor(residuals).to(dtype), torch.tensor(changes).to(dtype))
    z0 = torch.zeros(len(residuals[0]), 1, dtype=dtype)
    solution = solve(solver, lambda z: calls.append(1) or z, z0, len(residuals), tol, **options)
    return solution, len(calls)


def test_the_value_is_the_point_of_the_smallest_step():
    """The residual may be smaller elsewhere, where the point is large."""
    solution, calls = scripted([[0.5], [0.4], [0.2], [0.3]], [[3.0], [1.0], [2.0], [1.0]])
    assert solution.value.item() == 1
    assert solution.residual.item() == pytest.approx(0.4)
    assert solution.num_steps.item() == calls == 4
    assert not solution.converged


def test_a_row_stops_below_the_tolerance_and_waits_for_the_others():
    residuals = [[0.5, 0.5], [0.05, 0.5], [0.01, 0.01], [0.01, 0.01]]
    solution, calls = scripted(residuals, [[1.0, 1.0], [2.0, 1.0], [0.1, 2.0], [0.1, 0.1]])
    assert solution.value[:, 0].tolist() == [1, 2]
    assert solution.num_steps.tolist() == [2, 3]
    assert solution.converged.tolist() == [True, True]
    assert calls == 3


def test_the_tolerance_itself_is_not_below_it():
    solution, _ = scripted([[0.125], [0.125]], [[1.0], [1.0]], tol=0.125)
    assert not solution.converged
    assert solution.num_steps.item() == 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_row_converges_at_a_tolerance_below_rounding(dtype):
    eps = torch.finfo(dtype).eps
    for tol, expected in ((eps, False), (1.5 * eps, True)):
        solution, _ = scripted([[0.0]], [[0.0]], tol, dtype)
        assert solution.converged.tolist() == [expected]


def test_kept_points():
    residuals = [[0.5, 0.5], [0.05, 0.5], [0.5, 0.5], [0.5, 0.05], [0.5, 0.5], [0.5, 0.5]]

    def kept(which):
        points = scripted(residuals, [[1.0, 1.0]] * 6, trajectory=which)[0].trajectory
        return None if points is None else points[:, :, 0].tolist()

    assert kept(True) == [[0, 0], [1, 1], [1, 2], [1, 3]]
    assert kept(False) is None
    assert kept([]) is None
    assert kept([0, 2, 5]) == [[0, 0], [1, 2], [1, 3]]
    assert scripted(residuals, [[1.0, 1.0]] * 6)[0].trajectory is None


def test_where_a_look_makes_the_host_wait_it_looks_every_eighth_step(monkeypatch):
    residuals = [[0.5], [0.5], [0.01], *[[0.5]] * 17]
    here, calls = scripted(residuals, [[1.0]] * 20, trajectory=True)
    assert calls == 3
    for module in (solvers, rows):
        monkeypatch.setattr(module, "free_to_look", lambda values: False)
    there, calls = scripted(residuals, [[1.0]] * 20, trajectory=True)
    assert calls == solvers.LOOK_EVERY == 8
    assert there.num_steps.tolist() == here.num_steps.tolist() == [3]
    assert torch.equal(there.value, here.value)
    assert torch.equal(there.trajectory, here.trajectory)
    assert not surely_all(torch.ones(3, dtype=torch.bool))


def test_the_last_step_asks_nothing():
    """All rows stop at the last step or before it; nobody has to look again."""
    solution, calls = scripted([[0.5], [0.01]], [[1.0], [1.0]])
    assert calls == solution.num_steps.item() == 2
    assert solution.converged


def test_the_step_the_residual_and_the_size_of_the_step():
    z = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0], [1e200, 0.0], [0.0, torch.nan]]).double()
    image = torch.tensor([[3.0, 4.0], [0.0, 0.0], [1e-13, 0.0], [-1e200, 1e200], [0.0, 0.0]])
    g, residual, change = evaluate(lambda z: image.double(), z)
    assert residual[:3].tolist() == pytest.approx([1.0, 5e12, 0.1])
    assert residual[3:].tolist() == [torch.inf, torch.inf]
    assert change.tolist() == pytest.approx([5.0, 5.0, 1e-13, torch.inf, torch.inf])
    assert g.tolist()[:2] == [[3.0, 4.0], [-3.0, -4.0]]
    assert not g[3:].any()


def test_a_damped_step_goes_a_part_of_the_way():
    solution = solve(Picard(0.25), lambda z: z + 4, torch.zeros(1, 1), 3, 0.0, trajectory=True)
    assert solution.trajectory.flatten().tolist() == [0, 1, 2]


def test_half_precision_is_promoted_and_nothing_else():
    for dtype in (torch.float16, torch.bfloat16):
        assert promote(torch.zeros(1, dtype=dtype)).dtype == torch.float32
    for dtype in (torch.float32, torch.float64):
        assert promote(torch.zeros(1, dtype=dtype)).dtype == dtype


def test_a_map_is_given_a_copy():
    z = torch.zeros(2, 3)
    careful(lambda z: z.add_(1))(z)
    assert not z.any()


def test_failures_are_counted():
    assert BackwardReport().failures() == 0
    assert BackwardReport(converged=torch.tensor([True, False, False])).failures() == 2
    assert largest(torch.tensor([2, 5])) == 5
    assert largest(torch.zeros(0, dtype=torch.int64)) == 0
