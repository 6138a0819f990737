"""Every solver on every map of `problems`: the right point, or a decent failure."""

import math

import pytest
import torch

from ttc_agents.implicit import SOLVERS, Picard, solve
from ttc_agents.implicit.problems import HOPELESS, SOLVABLE

TOL = 1e-9
# Plain iteration needs |log tol| / (1 - radius) steps.
STEPS = {"picard": 2500, "anderson": 200, "broyden": 200, "newton_krylov": 60}
on_each = pytest.mark.parametrize("name", SOLVERS)


def reachable(name, problem):
    return problem.contractive or name != "picard"


@on_each
@pytest.mark.parametrize("problem", SOLVABLE.values(), ids=SOLVABLE)
def test_finds_the_fixed_point_where_it_can(name, problem):
    solution = solve(SOLVERS[name](), problem.map, problem.z0, STEPS[name], TOL)
    assert solution.value.isfinite().all()
    assert solution.converged.all() == reachable(name, problem)
    if reachable(name, problem):
        torch.testing.assert_close(solution.value, problem.solution, rtol=1e-6, atol=1e-6)


@on_each
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("problem", HOPELESS.values(), ids=HOPELESS)
def test_fails_without_an_exception_and_says_so(name, problem, dtype):
    steps = 8 if name == "newton_krylov" else 40
    solution = solve(SOLVERS[name](), problem.map, problem.z0.to(dtype), steps, 1e-6)
    assert solution.value.isfinite().all()
    assert not solution.residual.isnan().any()
    assert not solution.converged.any()
    assert (solution.residual >= 1e-6).all()
    assert (solution.num_steps == steps).all()


@on_each
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_types_and_shapes_are_those_of_the_start(name, dtype):
    weight = SOLVABLE["tanh 0.5"]

    def f(z):
        assert z.dtype == dtype
        assert z.shape == (3, 4, 4)
        return weight.map(z.flatten(1)).view_as(z)

    z0 = weight.z0.view(3, 4, 4).to(dtype)
    solution = solve(SOLVERS[name](), f, z0, 50, 0.02, trajectory=True)
    assert solution.value.dtype == dtype
    assert solution.value.shape == z0.shape
    assert solution.residual.dtype == max(dtype, torch.float32, key=lambda d: d.itemsize)
    assert solution.converged.all()
    assert solution.trajectory.shape[1:] == z0.shape
    expected = weight.solution.view_as(z0)
    torch.testing.assert_close(solution.value.double(), expected, rtol=0.05, atol=0.05)


@on_each
def test_the_residual_is_that_of_the_value(name):
    for key in ("radius 0.9", "tanh 2", "two-cycle", "expansive"):
        problem = SOLVABLE[key]
        solution = solve(SOLVERS[name](), problem.map, problem.z0, 7, TOL)
        image = problem.map(solution.value)
        expected = (image - solution.value).norm(dim=1) / image.norm(dim=1).clamp_min(1e-12)
        torch.testing.assert_close(solution.residual, expected)


@on_each
@pytest.mark.parametrize("key", ["radius 0.9", "tanh 2", "rotation", "expansive"])
@pytest.mark.parametrize("power", [-25, -16, 16])
def test_steps_do_not_depend_on_the_scale_of_the_state(name, key, power):
    """Powers of two: the same digits, at the same steps."""
    problem, scale = SOLVABLE[key], 2.0**power
    expected = solve(SOLVERS[name](), problem.map, problem.z0, 40, TOL)
    found = solve(
        SOLVERS[name](), lambda z: scale * problem.map(z / scale), scale * problem.z0, 40, TOL
    )
    assert torch.equal(found.value / scale, expected.value)
    assert torch.equal(found.num_steps, expected.num_steps)
    assert torch.equal(found.converged, expected.converged)


@on_each
def test_rows_stop_by_themselves_and_do_not_see_each_other(name):
    problem = SOLVABLE["difficulties"]
    whole = solve(SOLVERS[name](), problem.map, problem.z0, STEPS[name], 1e-6, trajectory=True)
    assert whole.converged.all()
    assert whole.num_steps[0] < whole.num_steps[-1] == len(whole.trajectory)
    for row, count in enumerate(whole.num_steps.tolist()):
        assert (whole.trajectory[count - 1 :, row] == whole.value[row]).all()

        def alone(z, row=row):
            return problem.map(torch.cat([z] * 6))[row : row + 1]

        single = solve(SOLVERS[name](), alone, problem.z0[:1], STEPS[name], 1e-6)
        assert single.num_steps == count
        torch.testing.assert_close(single.value[0], whole.value[row], rtol=1e-6, atol=1e-7)


@on_each
def test_a_broken_row_leaves_the_others_alone(name):
    problem = SOLVABLE["tanh 0.95"]

    def f(z):
        image = problem.map(z)
        return torch.where(torch.tensor([[False], [True], [False]]), torch.nan, image)

    solution = solve(SOLVERS[name](), f, problem.z0, STEPS[name], 1e-8)
    assert solution.converged.tolist() == [True, False, True]
    assert solution.residual[1] == math.inf
    assert (solution.value[1] == problem.z0[1]).all()
    torch.testing.assert_close(solution.value[::2], problem.solution[::2], rtol=1e-6, atol=1e-6)


@on_each
def test_steps_one_by_one_are_the_loop(name):
    solver, problem = SOLVERS[name](), SOLVABLE["tanh 2"]
    whole = solve(solver, problem.map, problem.z0, 6, 0.0, trajectory=True)
    memory = solver.init(problem.map, problem.z0)
    for point in whole.trajectory:
        assert torch.equal(memory.z, point)
        memory = solver.step(problem.map, memory)
    assert set(solver.carried) <= set(vars(memory))


@on_each
def test_the_points_of_some_steps_alone_may_be_kept(name):
    solver, problem = SOLVERS[name](), SOLVABLE["tanh 2"]
    whole = solve(solver, problem.map, problem.z0, 6, 0.0, trajectory=True).trajectory
    some = solve(solver, problem.map, problem.z0, 6, 0.0, trajectory=(1, 4)).trajectory
    assert torch.equal(some, whole[[1, 4]])
    early = solve(solver, problem.map, problem.z0, 200, 1e-6, trajectory=(0, 199))
    assert early.num_steps.max() < 199
    assert torch.equal(early.trajectory[0], problem.z0)
    assert torch.equal(early.trajectory[1], early.value)
    assert solve(solver, problem.map, problem.z0, 6, 0.0, trajectory=()).trajectory is None


@on_each
def test_calls_of_the_map_are_as_declared(name):
    solver, calls = SOLVERS[name](), []

    def f(z):
        calls.append(1)
        return SOLVABLE["tanh 2"].map(z)

    solution = solve(solver, f, SOLVABLE["tanh 2"].z0, 50, 1e-6)
    assert len(calls) == solver.calls_per_step * solution.num_steps.max()


@on_each
def test_unknown_options_and_bad_arguments_are_errors(name):
    problem = SOLVABLE["cosine"]
    with pytest.raises(TypeError, match="frobnicate"):
        SOLVERS[name](frobnicate=1)
    with pytest.raises(ValueError, match="max_steps must be at least 1, got 0"):
        solve(SOLVERS[name](), problem.map, problem.z0, 0, 1e-3)
    with pytest.raises(ValueError, match="tol must not be negative, got nan"):
        solve(SOLVERS[name](), problem.map, problem.z0, 5, math.nan)
    with pytest.raises(ValueError, match="z0 must be real with a batch axis"):
        solve(SOLVERS[name](), problem.map, torch.zeros(2, 3).long(), 5, 1e-3)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("picard", {"damping": 0.0}),
        ("picard", {"damping": 1.5}),
        ("anderson", {"memory": 0}),
        ("anderson", {"damping": 0.0}),
        ("anderson", {"ridge": -1.0}),
        ("anderson", {"growth": 0.5}),
        ("broyden", {"memory": 0}),
        ("broyden", {"growth": 0.5}),
        ("newton_krylov", {"krylov": 0}),
        ("newton_krylov", {"growth": 0.5}),
    ],
)
def test_options_out_of_range_are_errors(name, options):
    (option,) = options
    with pytest.raises(ValueError, match=option):
        SOLVERS[name](**options)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("picard", {"damping": 1.0}),
        ("anderson", {"memory": 1, "damping": 1.0, "ridge": 0.0, "growth": 1.0}),
        ("broyden", {"memory": 1, "growth": 1.0}),
        ("newton_krylov", {"krylov": 1, "growth": 1.0}),
    ],
)
def test_options_at_the_end_of_their_range_work(name, options):
    problem = SOLVABLE["radius 0.1"]
    solution = solve(SOLVERS[name](**options), problem.map, problem.z0, 60, TOL)
    assert solution.converged.all()
    torch.testing.assert_close(solution.value, problem.solution, rtol=1e-5, atol=1e-5)
    assert solve(SOLVERS[name](**options), problem.map, problem.z0, 1, TOL).num_steps.max() == 1


def test_damping_reaches_what_the_plain_loop_circles_around():
    problem = SOLVABLE["two-cycle"]
    solution = solve(Picard(damping=0.5), problem.map, problem.z0, 3, TOL)
    assert solution.num_steps.tolist() == [2, 2]
    torch.testing.assert_close(solution.value, problem.solution)


def test_a_feedforward_network_is_one_fixed_point_layer():
    """Its layers stacked are a block-triangular map, of which Picard is exact after L steps."""
    torch.manual_seed(0)
    layers = [torch.nn.Linear(4, 4).double() for _ in range(5)]
    x = torch.randn(3, 4).double()

    def f(z):
        inputs = [x, *z.unbind(1)[:-1]]
        stack = zip(layers, inputs, strict=True)
        return torch.stack([torch.relu(layer(value)) for layer, value in stack], 1)

    solution = solve(Picard(), f, torch.zeros(3, 5, 4).double(), 50, 0.0)
    expected = torch.relu(layers[0](x))
    for layer in layers[1:]:
        expected = torch.relu(layer(expected))
    torch.testing.assert_close(solution.value[:, -1], expected)
    assert solve(Picard(), f, torch.zeros(3, 5, 4).double(), 6, 1e-15).converged.all()
    assert not solve(Picard(), f, torch.zeros(3, 5, 4).double(), 5, 1e-15).converged.all()
