"""The entropic assignment: what it is, its gradient, and its limit."""

import itertools

import pytest
import torch

from ttc_agents.implicit import Implicit, Picard, sinkhorn


def scores(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def test_rows_and_columns_sum_to_one():
    found = sinkhorn(scores(4, 6, 6), 0.3, tol=1e-10)
    assert (found > 0).all()
    torch.testing.assert_close(found.sum(1), torch.ones(4, 6).double(), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(found.sum(2), torch.ones(4, 6).double(), rtol=1e-8, atol=1e-8)


def test_two_items_by_hand():
    """One over the other by a point at the temperature of a tenth, which is the default."""
    found = sinkhorn(torch.eye(2).double()[None], tol=1e-12)[0]
    likely = 1 / (1 + torch.exp(torch.tensor(-10.0).double()))
    torch.testing.assert_close(found[0], torch.stack([likely, 1 - likely]))
    torch.testing.assert_close(found[1], torch.stack([1 - likely, likely]))


def test_it_is_the_maximum_of_score_and_entropy():
    s, temperature = scores(1, 3, 3), 0.5
    best = sinkhorn(s, temperature, tol=1e-12)

    def objective(p):
        return (p * s).sum() - temperature * (p * p.log()).sum()

    # Rectangles of +-1 keep the sums of rows and columns.
    for i, j in itertools.combinations(range(3), 2):
        for k, m in itertools.combinations(range(3), 2):
            move = torch.zeros_like(s)
            move[0, i, k] = move[0, j, m] = 1e-3
            move[0, i, m] = move[0, j, k] = -1e-3
            assert objective(best) > objective(best + move)
            assert objective(best) > objective(best - move)


def test_it_sorts_as_it_cools():
    keys = scores(5, 6, seed=1)
    places = torch.linspace(-1, 1, 6).double()
    found = sinkhorn(places[None, :, None] * keys[:, None, :], 0.01, tol=1e-8)
    assert (found.argmax(2) == keys.argsort(1)).all()


def test_its_gradient_is_right():
    how = Implicit(max_steps=300, tol=1e-13, twice=True)
    s = (0.5 * scores(2, 3, 3, seed=2)).requires_grad_()

    def value(s):
        return sinkhorn(s, 0.5, gradient=how, max_steps=300, tol=1e-13)

    assert torch.autograd.gradcheck(value, s)
    plain = sinkhorn(s, 0.5, solver=Picard(), max_steps=300, tol=1e-13)
    torch.testing.assert_close(plain, value(s))


# cvxpylayers 1.2 and numpy 2.4.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_convex_solver_agrees():
    cvxpy = pytest.importorskip("cvxpy")
    layers = pytest.importorskip("cvxpylayers.torch")
    n, temperature = 4, 0.5
    p, s = cvxpy.Variable((n, n)), cvxpy.Parameter((n, n))
    goal = cvxpy.sum(cvxpy.multiply(p, s)) + temperature * cvxpy.sum(cvxpy.entr(p))
    sums = [cvxpy.sum(p, axis=0) == 1, cvxpy.sum(p, axis=1) == 1]
    layer = layers.CvxpyLayer(cvxpy.Problem(cvxpy.Maximize(goal), sums), [s], [p])
    given = scores(1, n, n, seed=3).requires_grad_()
    weight = scores(n, n, seed=4)
    (theirs,) = layer(given[0], solver_args={"eps": 1e-10})
    (expected,) = torch.autograd.grad((theirs * weight).sum(), given)
    ours = sinkhorn(given, temperature, tol=1e-12)[0]
    (found,) = torch.autograd.grad((ours * weight).sum(), given)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_bad_arguments_are_errors():
    with pytest.raises(ValueError, match=r"\(B, N, N\)"):
        sinkhorn(scores(2, 3, 4))
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        sinkhorn(scores(2, 3, 3), 0.0)
