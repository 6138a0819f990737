"""Maps that write into their argument, states of other kinds, empty batches, half precision."""

import pytest
import torch

from ttc_agents.implicit import GRADIENTS, SOLVERS, Broyden, Picard, Unrolled, solve
from ttc_agents.implicit.gradients.unrolled import contracting

on_each = pytest.mark.parametrize("name", SOLVERS)
COSINE = 0.7390851332151607


def adds(z):
    z += torch.cos(z) - z
    return z


def rectifies(z):
    return torch.cos(torch.nn.functional.relu(z, inplace=True))


def writes_later(z):
    image = torch.cos(z.clone())
    z.fill_(7.0)
    return image


@on_each
@pytest.mark.parametrize("f", [adds, rectifies, writes_later])
def test_a_map_may_write_into_its_argument(name, f):
    z0 = torch.full((2, 3), 0.3, dtype=torch.float64)
    steps = 80 if name == "picard" else 20
    found = solve(SOLVERS[name](), f, z0, steps, 1e-9, trajectory=True)
    torch.testing.assert_close(found.value, torch.full_like(z0, COSINE), rtol=1e-7, atol=1e-7)
    assert found.converged.all()
    assert (z0 == 0.3).all()
    assert (found.trajectory[0] == 0.3).all()


@on_each
@pytest.mark.parametrize("gradient", GRADIENTS)
def test_so_may_one_that_is_differentiated(name, gradient):
    def slope(f):
        theta = torch.tensor([[0.2], [0.4]]).double().requires_grad_()
        z0 = torch.zeros(2, 1).double()
        how = GRADIENTS[gradient]()
        solve(
            SOLVERS[name](), lambda z: f(z, theta), z0, 30, 1e-9, gradient=how
        ).value.sum().backward()
        return theta.grad

    def plain(z, theta):
        return 0.5 * z + theta

    def writing(z, theta):
        z *= 0.5
        z += theta
        return z

    assert torch.equal(slope(plain), slope(writing))


@on_each
@pytest.mark.parametrize("start", [0.0, 1e-7, 1e-3, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_that_begin_at_or_near_their_fixed_point_have_a_gradient_by_unrolling(
    name, start, dtype
):
    x = torch.tensor([1.0, -2.0], dtype=dtype).requires_grad_()
    z0 = torch.tensor([2.0 + start, 0.0], dtype=dtype)
    found = solve(SOLVERS[name](), lambda z: 0.5 * z + x, z0, 40, 1e-5, gradient=Unrolled())
    assert found.converged.all()
    assert not found.residual.requires_grad
    found.value.sum().backward()
    torch.testing.assert_close(x.grad, torch.full_like(x, 2.0), rtol=1e-4, atol=1e-4)


def test_unrolling_goes_on_by_plain_steps_only_where_these_contract():
    slope = torch.tensor([[0.5], [1.5], [-1.2]]).double()

    def f(z):
        return slope * z + 1

    value = (1 / (1 - slope)).double()
    assert contracting(f, value, 30).tolist() == [True, False, False]
    assert contracting(lambda z: torch.sqrt(z - value), value, 5).tolist() == [False] * 3


@pytest.mark.parametrize("memory", [5, 30])
@on_each
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_a_state_smaller_than_the_memory_has_a_gradient(name, memory, dtype):
    options = {"memory": memory} if name in ("anderson", "broyden") else {}
    for tol in (1e-2, 1e-6, 0.0):
        theta = torch.tensor([[0.7], [1.3]], dtype=dtype).requires_grad_()
        z0 = torch.full((2, 1), 0.1, dtype=dtype)
        found = solve(
            SOLVERS[name](**options),
            lambda z, theta=theta: torch.cos(theta * z),
            z0,
            25,
            tol,
            gradient=Unrolled(),
        )
        assert found.value.isfinite().all()
        found.value.float().sum().backward()
        assert theta.grad.isfinite().all()


@on_each
def test_half_precision_converges_only_at_tolerances_that_it_can_tell(name):
    theta = torch.linspace(0.1, 0.9, 12).view(3, 4).bfloat16()

    def f(z):
        return torch.tanh(z.roll(1, 1)) * 0.9 + theta

    z0 = torch.zeros(3, 4).bfloat16()
    assert not solve(SOLVERS[name](), f, z0, 60, 1e-4).converged.any()
    found = solve(SOLVERS[name](), f, z0, 60, 0.02)
    assert found.converged.all()
    value = found.value.double()
    image = torch.tanh(value.roll(1, 1)) * 0.9 + theta.double()
    exact = (image - value).norm(dim=1) / image.norm(dim=1)
    assert (exact < 0.02 + 2 * torch.finfo(torch.bfloat16).eps).all()


def test_a_residual_of_half_precision_is_that_of_the_rounded_point():
    def f(z):
        assert z.dtype == torch.bfloat16
        return 0.9 * z + 0.1003

    for solver in (Picard(), Broyden()):
        found = solve(solver, f, torch.zeros(2, 3).bfloat16(), 30, 0.0)
        image = f(found.value)
        exact = (image.float() - found.value.float()).norm(dim=1) / image.float().norm(dim=1)
        torch.testing.assert_close(found.residual, exact)


@pytest.mark.parametrize("state", [(torch.zeros(2, 3),), {"h": torch.zeros(2, 3)}, [0.0], 1.0])
def test_a_state_of_several_tensors_is_an_error(state):
    with pytest.raises(TypeError, match=r"z0 must be one tensor \(B, \.\.\.\), got \w+"):
        solve(Picard(), lambda z: z, state, 5, 1e-3)


def test_an_image_of_another_kind_or_shape_is_an_error():
    z0 = torch.zeros(2, 3)
    with pytest.raises(TypeError, match="must give one tensor, got tuple"):
        solve(Picard(), lambda z: (z, z), z0, 5, 1e-3)
    for f in (lambda z: z[:1], lambda z: z.sum(1, keepdim=True), lambda z: z[..., None]):
        with pytest.raises(ValueError, match=r"keep the shape.*\(2, 3\) to"):
            solve(Picard(), f, z0, 5, 1e-3)


@on_each
@pytest.mark.parametrize("gradient", [None, *GRADIENTS])
@pytest.mark.parametrize("shape", [(0, 3), (0,), (0, 2, 2)])
def test_no_rows_are_no_error(name, gradient, shape):
    theta = torch.ones(()).requires_grad_()
    how = GRADIENTS[gradient]() if gradient else None
    found = solve(
        SOLVERS[name](), lambda z: theta * z + 1, torch.zeros(shape), 5, 1e-3, gradient=how
    )
    assert found.value.shape == shape
    assert found.converged.shape == found.num_steps.shape == (0,)
    if found.value.requires_grad:
        found.value.sum().backward()
        assert theta.grad is None or theta.grad == 0
