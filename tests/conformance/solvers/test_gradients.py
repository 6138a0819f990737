"""Every gradient method with every solver, against exact gradients of maps with known answers."""

import functools

import pytest
import torch

from ttc_agents.implicit import (
    GRADIENTS,
    SOLVERS,
    Anderson,
    Implicit,
    Mixed,
    Phantom,
    Picard,
    Unrolled,
    solve,
)
from ttc_agents.implicit.problems import SOLVABLE

TIGHT = 1e-12
STEPS = {"picard": 900, "anderson": 200, "broyden": 200, "newton_krylov": 40}
# Those that plain iteration solves to the last digit in as many steps.
MAPS = [
    "radius 0.1",
    "radius 0.5",
    "radius 0.9",
    "rotation",
    "negative",
    "block-triangular",
    "tanh 0.5",
    "tanh 0.95",
    "tanh 2",
    "cosine",
    "square root",
    "constant",
]
on_each_solver = pytest.mark.parametrize("name", SOLVERS)


def weights(problem):
    return torch.linspace(-1, 1, problem.z0.numel()).double().view_as(problem.z0)


def gradient_by(problem, solver, steps, gradient):
    """Gradient, with respect to theta, of a weighted sum of the solution."""
    theta = problem.theta.clone().requires_grad_()
    solution = solve(
        solver, lambda z: problem.f(theta, z), problem.z0, steps, TIGHT, gradient=gradient
    )
    (found,) = torch.autograd.grad((solution.value * weights(problem)).sum(), theta)
    return found, solution


@functools.cache
def long_unrolled(key):
    """The gradient of nine hundred plain steps."""
    return gradient_by(SOLVABLE[key], Picard(), STEPS["picard"], Unrolled())[0]


def difference(found, expected):
    return float((found - expected).norm() / expected.norm().clamp_min(1e-12))


@on_each_solver
@pytest.mark.parametrize("key", MAPS)
def test_implicit_agrees_with_a_long_unrolled_loop(name, key):
    problem = SOLVABLE[key]
    solver = SOLVERS[name]()
    how = Implicit(solver, STEPS[name], TIGHT)
    found, solution = gradient_by(problem, solver, STEPS[name], how)
    assert difference(found, long_unrolled(key)) < 1e-7
    assert solution.backward.residual.max() < 1e-10


@on_each_solver
@pytest.mark.parametrize("key", ["tanh 2", "two-cycle", "expansive", "logistic", "doubling"])
def test_implicit_agrees_with_finite_differences(name, key):
    problem = SOLVABLE[key]
    solver = Anderson() if name == "picard" else SOLVERS[name]()
    # Plain iteration cannot solve backwards what it cannot solve forwards.
    backward = SOLVERS[name]() if problem.contractive or name != "picard" else Anderson()
    found, _ = gradient_by(problem, solver, 200, Implicit(backward, 200, TIGHT))
    direction = torch.cos(torch.arange(problem.theta.numel()).double()).view_as(problem.theta)
    step = 1e-4

    def loss(factor):
        theta = problem.theta + factor * step * direction
        value = solve(solver, lambda z: problem.f(theta, z), problem.z0, 200, TIGHT).value
        return (value * weights(problem)).sum()

    # Five points: the error is of the fourth order in the step.
    slope = (8 * (loss(1) - loss(-1)) - (loss(2) - loss(-2))) / (12 * step)
    assert abs(slope - (found * direction).sum()) < 1e-7 * found.norm() * direction.norm()


@pytest.mark.parametrize("name", ["picard", "newton_krylov"])
@pytest.mark.parametrize("key", MAPS)
def test_unrolled_comes_to_the_same(name, key):
    """Not the secant methods: where they are faster than their derivatives, these lag behind."""
    problem = SOLVABLE[key]
    found, solution = gradient_by(problem, SOLVERS[name](), STEPS[name], Unrolled())
    expected, _ = gradient_by(problem, Anderson(), 200, Implicit(Anderson(memory=8), 400, TIGHT))
    assert solution.value.requires_grad or key == "constant"
    assert difference(found, expected) < 1e-7


@on_each_solver
def test_phantom_approaches_the_implicit_gradient_with_its_steps(name):
    problem = SOLVABLE["tanh 0.95"]
    solver = SOLVERS[name]()
    exact, _ = gradient_by(problem, Picard(), 900, Implicit(Anderson(), 200, TIGHT))
    errors = [
        difference(gradient_by(problem, solver, STEPS[name], Phantom(steps))[0], exact)
        for steps in (1, 4, 16, 64)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0.05
    assert errors[-1] < 1e-7
    half = gradient_by(problem, solver, STEPS[name], Phantom(64, damping=0.5))[0]
    assert 1e-12 < difference(half, exact) < 1e-6


@pytest.mark.parametrize(
    "name", ["picard", "anderson", "broyden", pytest.param("newton_krylov", marks=pytest.mark.slow)]
)
def test_gradients_of_gradients(name):
    torch.manual_seed(0)
    solver = SOLVERS[name]()
    steps = STEPS[name]
    weight = 0.4 * torch.randn(2, 2).double()

    def value(bias, weight):
        how = Implicit(solver, steps, TIGHT, twice=True)
        z0 = torch.zeros(2, 2).double()

        def f(z):
            return torch.tanh(z @ weight.T + bias)

        return solve(solver, f, z0, steps, TIGHT, gradient=how).value

    inputs = (torch.randn(2, 2).double().requires_grad_(), weight.requires_grad_())
    assert torch.autograd.gradcheck(value, inputs)
    assert torch.autograd.gradgradcheck(value, inputs, fast_mode=True)


def test_gradients_of_gradients_have_to_be_asked_for():
    problem = SOLVABLE["tanh 0.5"]
    theta = problem.theta.clone().requires_grad_()

    def f(z):
        return problem.f(theta, z)

    for how, orders in ((Implicit(), 1), (Implicit(twice=True), 2)):
        found = solve(Anderson(), f, problem.z0, 50, 1e-6, gradient=how).value.square()
        for _ in range(orders - 1):
            (found,) = torch.autograd.grad(found.sum(), theta, create_graph=True)
        with pytest.raises(RuntimeError, match="Implicit\\(twice=True\\)"):
            torch.autograd.grad(found.sum(), theta, create_graph=True)


@pytest.mark.parametrize("gradient", GRADIENTS)
@on_each_solver
def test_gradients_are_finite_where_the_map_fails(name, gradient):
    theta = torch.ones(2, 3).double().requires_grad_()

    def f(z):  # the second row doubles, the first one halves
        return z * torch.tensor([[0.5], [2.0]]).double() + theta

    solution = solve(
        SOLVERS[name](), f, torch.zeros(2, 3).double(), 40, 1e-9, gradient=GRADIENTS[gradient]()
    )
    (found,) = torch.autograd.grad(solution.value.sum(), theta)
    assert found.isfinite().all()
    if gradient == "implicit":
        torch.testing.assert_close(found[0], torch.full((3,), 2.0).double())


def test_a_backward_pass_that_fails_is_counted_and_can_be_discarded():
    theta = torch.ones(2, 3).double().requires_grad_()

    def f(z):
        return z * torch.tensor([[0.5], [-3.0]]).double() + theta

    def found(**options):
        how = Implicit(Picard(), 60, 1e-9, **options)
        z0 = torch.zeros(2, 3).double()
        solution = solve(Anderson(), f, z0, 60, 1e-9, gradient=how)
        assert solution.converged.all()
        assert solution.backward.failures() == 0
        (gradient,) = torch.autograd.grad(solution.value.sum(), theta)
        return gradient, solution.backward

    kept, report = found()
    assert report.failures() == 1
    assert report.converged.tolist() == [True, False]
    assert report.residual[1] > 1
    assert report.num_steps[1] == 60
    # What is kept is the gradient of a single step.
    torch.testing.assert_close(kept, torch.tensor([[2.0] * 3, [1.0] * 3]).double())
    dropped, report = found(discard_above=0.1)
    assert report.discarded.tolist() == [False, True]
    torch.testing.assert_close(dropped, torch.tensor([[2.0] * 3, [0.0] * 3]).double())


SLOPES = torch.tensor([[0.5], [0.5], [-3.0]]).double()
"""Of three rows z <- slope z + theta."""


def mixed_gradient(z0, **options):
    """By row, of the value after three steps; the row's own equation says what is exact."""
    theta = torch.ones(3, 1).double().requires_grad_()
    how = Mixed(3, settled=1e-3, implicit=Implicit(Picard(), 60, 1e-9, **options))
    solution = solve(Picard(), lambda z: SLOPES * z + theta, z0, 1, 1e-9, gradient=how)
    solution.value.sum().backward()
    return theta.grad[:, 0], solution


def test_each_row_has_the_gradient_that_it_deserves():
    """At rest 1 / (1 - slope), on the way 1 + slope + slope^2; the same where backward fails."""
    z0 = torch.tensor([[2.0], [0.0], [0.25]]).double()
    found, solution = mixed_gradient(z0, discard_above=0.1)
    torch.testing.assert_close(found, torch.tensor([2.0, 1.75, 7.0]).double())
    assert solution.backward.converged.tolist() == [True, True, False]
    assert solution.backward.failures() == 1
    assert solution.backward.num_steps[1] == 1  # on the way there is nothing to solve
    assert not solution.backward.discarded.any()
    assert solution.residual[1] == 1


def test_mixed_gradients_solve_nothing_where_nothing_is_at_rest():
    found, solution = mixed_gradient(torch.full((3, 1), 9.0).double())
    torch.testing.assert_close(found, torch.tensor([1.75, 1.75, 7.0]).double())
    assert solution.backward.residual is None


@on_each_solver
@pytest.mark.parametrize("key", ["tanh 0.95", "rotation", "square root"])
@pytest.mark.parametrize("damping", [1.0, 0.6])
def test_mixed_is_implicit_at_rest_whatever_the_steps(name, key, damping):
    problem, solver = SOLVABLE[key], SOLVERS[name]()
    for steps in (1, 4):
        how = Mixed(steps, damping, 1e-6, Implicit(Anderson(memory=8), 400, TIGHT))
        found, solution = gradient_by(problem, solver, STEPS[name], how)
        assert difference(found, long_unrolled(key)) < 1e-7
        assert solution.residual.max() < 1e-9


def test_a_row_counts_as_at_rest_by_default_within_a_twentieth():
    z0 = torch.tensor([[2.1], [0.0], [0.25]]).double()
    theta = torch.ones(3, 1).double().requires_grad_()
    how = Mixed(1, implicit=Implicit(Picard(), 60, 1e-9))
    solution = solve(Picard(), lambda z: SLOPES * z + theta, z0, 1, 1e-9, gradient=how)
    solution.value.sum().backward()
    assert solution.residual[0] == pytest.approx(0.05 / 2.05)
    torch.testing.assert_close(theta.grad[:, 0], torch.tensor([2.0, 1.0, 1.0]).double())


@on_each_solver
@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("power", [-25, 16])
def test_a_gradient_grows_with_the_loss_and_changes_in_nothing_else(name, gradient, power):
    problem = SOLVABLE["tanh 2"]

    def found(scale):
        theta = problem.theta.clone().requires_grad_()
        how, f = GRADIENTS[gradient](), functools.partial(problem.f, theta)
        solution = solve(SOLVERS[name](), f, problem.z0, 40, 1e-6, gradient=how)
        (scale * solution.value.square().sum()).backward()
        return theta.grad / scale

    assert found(1.0).norm() > 0
    assert torch.equal(found(2.0**power), found(1.0))


@pytest.mark.parametrize("how", [Implicit, lambda *a: Mixed(2, implicit=Implicit(*a))])
def test_a_backward_solve_begins_where_the_last_one_ended(how):
    """The gradient is the same, after two steps in the place of many."""
    problem, steps, found = SOLVABLE["tanh 0.95"], [], []
    adjoint = torch.zeros_like(problem.z0)
    for _ in range(2):
        theta = problem.theta.clone().requires_grad_()
        solution = solve(
            Anderson(),
            lambda z, theta=theta: problem.f(theta, z),
            problem.z0,
            100,
            TIGHT,
            gradient=how(Picard(), 900, 1e-9),
        )
        solution.backward.adjoint = adjoint
        (solution.value * weights(problem)).sum().backward()
        found.append(theta.grad)
        steps.append(int(solution.backward.num_steps.max()))
    torch.testing.assert_close(found[0], long_unrolled("tanh 0.95"), rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(found[1], found[0], rtol=1e-6, atol=1e-9)
    assert steps[0] > 20
    assert steps[1] == 1


def test_an_adjoint_is_forgotten_on_the_way_and_at_no_gradient():
    z0 = torch.tensor([[2.0], [0.0], [2.0]]).double()
    theta = torch.ones(3, 1).double().requires_grad_()
    adjoint = torch.tensor([[7.0], [7.0], [7.0]]).double()
    how = Mixed(1, settled=1e-3, implicit=Implicit(Picard(), 60, 1e-9))
    solution = solve(Picard(), lambda z: z / 2 + theta, z0, 1, 1e-9, gradient=how)
    solution.backward.adjoint = adjoint
    solution.value[:2].sum().backward()
    torch.testing.assert_close(theta.grad[:, 0], torch.tensor([2.0, 1.0, 0.0]).double())
    torch.testing.assert_close(adjoint[:, 0], torch.tensor([2.0, 0.0, 0.0]).double())


def test_mixed_gradients_have_no_gradients():
    problem = SOLVABLE["tanh 0.5"]
    theta = problem.theta.clone().requires_grad_()
    solution = solve(
        Anderson(), lambda z: problem.f(theta, z), problem.z0, 50, 1e-9, gradient=Mixed()
    )
    with pytest.raises(RuntimeError, match="not differentiable"):
        torch.autograd.grad(solution.value.square().sum(), theta, create_graph=True)
    with pytest.raises(ValueError, match="twice must be False"):
        Mixed(implicit=Implicit(twice=True))


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_without_a_gradient_nothing_is_recorded(gradient):
    problem = SOLVABLE["tanh 0.5"]
    theta = problem.theta.clone().requires_grad_()

    def f(z):
        return problem.f(theta, z)

    assert not solve(Anderson(), f, problem.z0, 20, 1e-6).value.requires_grad
    with torch.no_grad():
        solution = solve(Anderson(), f, problem.z0, 20, 1e-6, gradient=GRADIENTS[gradient]())
    assert not solution.value.requires_grad


def saved_bytes(solver, steps, gradient):
    """Bytes kept for the backward pass."""
    problem = SOLVABLE["tanh 2"]
    theta = problem.theta.clone().requires_grad_()
    sizes = []

    def pack(tensor):
        sizes.append(tensor.nbytes)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        solve(solver, lambda z: problem.f(theta, z), problem.z0, steps, 0.0, gradient=gradient)
    return sum(sizes)


@on_each_solver
@pytest.mark.parametrize("gradient", ["implicit", "phantom", "mixed"])
def test_memory_does_not_grow_with_the_steps(name, gradient):
    few = saved_bytes(SOLVERS[name](), 4, GRADIENTS[gradient]())
    assert 0 < saved_bytes(SOLVERS[name](), 32, GRADIENTS[gradient]()) <= few
    assert saved_bytes(Picard(), 64, Unrolled()) > 10 * saved_bytes(Picard(), 4, Unrolled())


@pytest.mark.parametrize("options", [{"steps": 0}, {"damping": 0.0}])
def test_options_out_of_range_are_errors(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Phantom(**options)
