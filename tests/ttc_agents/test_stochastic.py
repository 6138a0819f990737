"""Surrogate losses and choices of k out of n, against enumeration in float64."""

import itertools
from statistics import NormalDist

import pytest
import torch

from ttc_agents import stochastic
from ttc_agents.stochastic import (
    Cost,
    StochasticNode,
    credited,
    gumbel_top_k,
    k_hot,
    leave_one_out,
    log_polynomials,
    ordered_log_prob,
    sample_subset,
    straight_through,
    subset_log_prob,
    subset_marginals,
    surrogate_loss,
    unordered_log_prob,
)

N, K, SAMPLES = 5, 2, 100_000
THETA = torch.tensor([0.3, -0.8, 1.1, 0.0, -0.2], dtype=torch.float64)
ORDERS = torch.tensor(list(itertools.permutations(range(N), K)))
SETS = torch.tensor(list(itertools.combinations(range(N), K)))
WORTH = torch.tensor([0.5, -1.0, 0.25, 2.0, -0.7], dtype=torch.float64)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def theta(rows=None):
    values = THETA if rows is None else THETA.expand(rows, N)
    return values.clone().requires_grad_()


def cost(index, logits=None):
    """A cost of sets that is not linear in their members; `logits` adds a direct influence."""
    hot = k_hot(index, N, torch.float64)
    value = (hot @ WORTH) ** 2 + 3 * hot[..., 0] * hot[..., 2]
    return value if logits is None else value * (1 + 0.3 * logits[..., 0])


def exact(log_prob, choices, costs):
    """The gradient of the expected cost, by enumeration."""
    logits = theta()
    expected = (log_prob(logits, choices).exp() * costs(choices, logits)).sum()
    return torch.autograd.grad(expected, logits)[0]


EXACT_ORDERED = exact(ordered_log_prob, ORDERS, cost)
EXACT_SUBSET = exact(subset_log_prob, SETS, cost)


def statistics(gradients):
    """Means and standard errors of gradients (R, ...) that are independent along R."""
    rows = gradients.flatten(1)
    return rows.mean(0), rows.std(0) / len(rows) ** 0.5


def assert_unbiased(gradients, expected):
    """Within three standard errors, Bonferroni-corrected for the number of coordinates."""
    mean, error = statistics(gradients)
    tail = 2 * (1 - NormalDist().cdf(3)) / mean.numel()
    bound = NormalDist().inv_cdf(1 - tail / 2)
    excess = (mean - expected.flatten()).abs() / error
    assert (excess < bound).all(), f"{excess.tolist()} standard errors, expected below {bound:.2f}"


def gradients_of(draw, log_prob, baseline=None, samples=1):
    """Gradients (R, N) of the surrogate loss at R copies of theta, `samples` draws at each."""
    copies = theta(SAMPLES // samples)
    index = draw(copies.detach().expand(samples, -1, -1))
    node = StochasticNode(log_prob(copies, index), baseline)
    loss = surrogate_loss([Cost(cost(index, copies) / samples, (node,))])
    return torch.autograd.grad(loss, copies)[0]


def ordered_draw(logits):
    return gumbel_top_k(logits, K, generator())


def subset_draw(logits):
    (index,) = sample_subset(logits, K, 1, generator())
    return index


ESTIMATORS = {
    "reinforce": (ordered_draw, ordered_log_prob, None, 1, EXACT_ORDERED),
    "reinforce_of_the_set": (ordered_draw, unordered_log_prob, None, 1, EXACT_ORDERED),
    "leave_one_out": (ordered_draw, ordered_log_prob, leave_one_out, 4, EXACT_ORDERED),
    "constant": (ordered_draw, ordered_log_prob, torch.tensor(2.0), 1, EXACT_ORDERED),
    "subset": (subset_draw, subset_log_prob, None, 1, EXACT_SUBSET),
    "subset_leave_one_out": (subset_draw, subset_log_prob, leave_one_out, 4, EXACT_SUBSET),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_score_functions_are_unbiased(name):
    draw, log_prob, baseline, samples, expected = ESTIMATORS[name]
    assert_unbiased(gradients_of(draw, log_prob, baseline, samples), expected)


def test_the_bound_is_tight_enough_to_find_a_bias():
    gradients = gradients_of(ordered_draw, ordered_log_prob)
    with pytest.raises(AssertionError, match="standard errors"):
        assert_unbiased(gradients, 1.1 * EXACT_ORDERED)


def test_variance_falls_with_what_an_estimator_knows():
    plain, of_set, subset = (
        gradients_of(*ESTIMATORS[name][:4]).var(0).sum()
        for name in ("reinforce", "reinforce_of_the_set", "subset")
    )
    left_out = gradients_of(*ESTIMATORS["leave_one_out"][:4]).var(0).sum()
    assert of_set < plain
    assert subset < plain
    assert left_out < plain / 4  # four samples a row


def two_nodes(credit):
    """Gradients (R, 2 N) of two choices with a cost each, at R independent copies."""
    copies = theta(SAMPLES)[:, None].repeat(1, 2, 1).detach().requires_grad_()
    index = gumbel_top_k(copies, K, generator())
    node = StochasticNode(ordered_log_prob(copies, index))
    values = cost(index) * torch.tensor([1.0, 1.5], dtype=torch.float64)
    value = values if credit == "own" else values.sum(1, keepdim=True)
    return torch.autograd.grad(surrogate_loss([Cost(value, (node,))]), copies)[0]


def test_per_node_credit_is_unbiased_and_varies_less():
    own_cost = exact(ordered_log_prob, ORDERS, lambda index, logits: cost(index))
    expected = torch.stack([own_cost, 1.5 * own_cost])
    own, shared = two_nodes("own"), two_nodes("all")
    assert_unbiased(own, expected)
    assert_unbiased(shared, expected)
    assert own.var(0).sum() < 0.6 * shared.var(0).sum()


def test_a_learned_baseline_learns_and_biases_nothing():
    baseline = torch.zeros((), dtype=torch.float64, requires_grad=True)
    index = gumbel_top_k(THETA.expand(2000, N), K, generator())
    fixed = StochasticNode(ordered_log_prob(THETA, index), baseline)
    for _ in range(20):
        loss = surrogate_loss([Cost(cost(index), (fixed,))]) / len(index)
        (gradient,) = torch.autograd.grad(loss, baseline)
        baseline = (baseline - 0.3 * gradient).detach().requires_grad_()
        fixed = StochasticNode(fixed.log_prob, baseline)
    torch.testing.assert_close(baseline, cost(index).mean())
    gradients = gradients_of(ordered_draw, ordered_log_prob, baseline)
    assert_unbiased(gradients, EXACT_ORDERED)
    plain = gradients_of(ordered_draw, ordered_log_prob)
    assert gradients.var(0).sum() < plain.var(0).sum()


def soft_gradients(kind, value):
    """Gradients (R, N) through straight-through choices with cost `value` of the k-hot vector."""
    copies = theta(SAMPLES // 4)
    (index,) = sample_subset(THETA, K, len(copies), generator())[None]
    soft = subset_marginals(copies, K) if kind == "simple" else K * copies.softmax(-1)
    return torch.autograd.grad(value(straight_through(index, soft)).sum(), copies)[0]


def test_simple_is_exact_for_linear_costs_and_biased_for_others():
    linear = exact(subset_log_prob, SETS, lambda i, _: k_hot(i, N, torch.float64) @ WORTH)
    (one,) = soft_gradients("simple", lambda hot: hot @ WORTH)[:1]
    torch.testing.assert_close(one, linear)
    square = exact(subset_log_prob, SETS, lambda i, _: (k_hot(i, N, torch.float64) @ WORTH) ** 2)
    for kind in ("simple", "straight_through"):
        gradients = soft_gradients(kind, lambda hot: (hot @ WORTH) ** 2)
        with pytest.raises(AssertionError, match="standard errors"):
            assert_unbiased(gradients, square)
    with pytest.raises(AssertionError, match="standard errors"):
        assert_unbiased(soft_gradients("straight_through", lambda hot: hot @ WORTH), linear)


def test_costs_count_only_for_their_causes():
    first, second = (torch.tensor([0.5], requires_grad=True) for _ in range(2))
    a, b = StochasticNode(2 * first), StochasticNode(3 * second)
    parameter = torch.tensor([1.0], requires_grad=True)
    costs = [
        Cost(torch.tensor([5.0]), (a,)),
        Cost(torch.tensor([7.0]), (a, b)),
        Cost(11 * parameter),
    ]
    loss = surrogate_loss(costs)
    assert loss.item() == 23
    grads = torch.autograd.grad(loss, [first, second, parameter])
    assert [g.item() for g in grads] == [2 * (5 + 7), 3 * 7, 11]


def test_the_loss_has_the_squared_error_of_a_learned_baseline():
    log_prob, baseline = (torch.tensor([value], requires_grad=True) for value in (0.5, 2.0))
    loss = surrogate_loss([Cost(torch.tensor([5.0]), (StochasticNode(log_prob, baseline),))])
    assert loss.item() == 5 + (2 - 5) ** 2
    grads = torch.autograd.grad(loss, [log_prob, baseline])
    assert [g.item() for g in grads] == [5 - 2, 2 * (2 - 5)]


def test_an_axis_of_size_one_is_shared_by_all_on_the_other_side():
    values = torch.tensor([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])
    assert credited(values[:1], torch.zeros(2, 3)).tolist() == [[1, 2, 3], [1, 2, 3]]
    assert credited(values[:, :1], torch.zeros(2, 3)).tolist() == [[1, 1, 1], [10, 10, 10]]
    assert credited(values, torch.zeros(2, 1)).tolist() == [[6], [60]]
    assert credited(values, torch.zeros(1, 3)).tolist() == [[11, 22, 33]]


def test_of_two_samples_each_is_compared_with_the_other():
    credit = torch.tensor([[1.0, 5.0], [3.0, 4.0]])
    assert leave_one_out(credit).tolist() == [[3, 4], [1, 5]]


def test_shapes_that_do_not_match_are_an_error():
    node = StochasticNode(torch.zeros(3, 4))
    for shape in [(3,), (3, 5), (2, 4)]:
        with pytest.raises(ValueError, match="does not match choices of shape"):
            surrogate_loss([Cost(torch.zeros(shape), (node,))])
    with pytest.raises(ValueError, match="at least 2 samples, got 1"):
        leave_one_out(torch.zeros(1, 3))


# Distributions


@pytest.mark.parametrize("log_prob", [ordered_log_prob, unordered_log_prob, subset_log_prob])
def test_probabilities_sum_to_one(log_prob):
    choices = ORDERS if log_prob is ordered_log_prob else SETS
    torch.testing.assert_close(log_prob(THETA, choices).exp().sum(), THETA.new_ones(()))


@pytest.mark.parametrize("log_prob", [ordered_log_prob, unordered_log_prob, subset_log_prob])
def test_indices_may_have_any_leading_axes(log_prob):
    logits = THETA + torch.arange(len(SETS))[:, None] * WORTH
    rows = torch.stack([log_prob(*pair) for pair in zip(logits, SETS, strict=True)])
    axes = log_prob(logits.reshape(2, 5, N), SETS.reshape(2, 5, K))
    torch.testing.assert_close(axes, rows.reshape(2, 5))
    shared = log_prob(THETA, SETS.reshape(2, 5, K))
    torch.testing.assert_close(shared, log_prob(THETA, SETS).reshape(2, 5))


def test_logits_may_have_any_leading_axes():
    logits = (THETA + torch.arange(6)[:, None] * WORTH).reshape(2, 3, N)
    assert gumbel_top_k(logits, K, generator()).shape == (2, 3, K)
    assert sample_subset(logits, K, 4, generator()).shape == (4, 2, 3, K)
    marginals = subset_marginals(logits, K)
    torch.testing.assert_close(marginals.sum(-1), torch.full((2, 3), K).double())
    torch.testing.assert_close(marginals[1, 2], subset_marginals(logits[1, 2], K))


def test_polynomials_of_ones_are_binomial_coefficients():
    table = log_polynomials(torch.zeros(4, dtype=torch.float64), 2).exp()
    expected = [[1, 0, 0], [1, 1, 0], [1, 2, 1], [1, 3, 3], [1, 4, 6]]
    torch.testing.assert_close(table, torch.tensor(expected).double())


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_the_probability_of_a_set_is_the_sum_over_its_orders(k):
    index = torch.tensor(list(itertools.permutations(range(k))))
    orders = ordered_log_prob(THETA, index).exp().sum()
    torch.testing.assert_close(unordered_log_prob(THETA, index[:1])[0].exp(), orders)


def frequencies(index):
    """How often each of the sets (in the order of SETS) was drawn."""
    codes = k_hot(index, N).long() @ (2 ** torch.arange(N))
    wanted = k_hot(SETS, N).long() @ (2 ** torch.arange(N))
    return (codes[:, None] == wanted).double()


def test_draws_have_the_probabilities_that_are_claimed():
    drawn = gumbel_top_k(THETA.expand(SAMPLES, N), K, generator(1))
    assert_unbiased(frequencies(drawn), unordered_log_prob(THETA, SETS).exp())
    subsets = sample_subset(THETA, K, SAMPLES, generator(1))
    assert_unbiased(frequencies(subsets), subset_log_prob(THETA, SETS).exp())
    assert (subsets.diff(dim=-1) > 0).all()


def test_marginals_and_their_gradient_are_exact():
    logits = theta()
    expected = subset_log_prob(logits, SETS).exp() @ k_hot(SETS, N, torch.float64)
    marginals = subset_marginals(logits, K)
    torch.testing.assert_close(marginals, expected)
    torch.testing.assert_close(
        torch.autograd.grad(marginals @ WORTH, logits)[0],
        torch.autograd.grad(expected @ WORTH, logits)[0],
    )
    assert not subset_marginals(THETA, K).requires_grad


def test_what_has_no_probability_is_never_drawn():
    logits = THETA.clone().requires_grad_()
    masked = logits.masked_fill(torch.arange(N) == 2, -torch.inf)
    for index in (
        gumbel_top_k(masked.expand(1000, N), 4, generator()),
        sample_subset(masked, 4, 1000, generator()),
    ):
        assert (index.sort(-1).values == torch.tensor([0, 1, 3, 4])).all()
    index = gumbel_top_k(masked.expand(10, N), 4, generator())
    ordered_log_prob(masked, index).sum().backward()
    assert torch.isfinite(logits.grad).all()
    torch.testing.assert_close(
        subset_marginals(masked.detach(), 4), torch.tensor([1, 1, 0, 1, 1]).double()
    )
    logits = THETA.clone().requires_grad_()
    masked = logits.masked_fill(torch.arange(N) == 2, -torch.inf)
    (subset_marginals(masked, 3) @ WORTH).backward()
    rest = torch.tensor([0, 1, 3, 4])
    fewer = logits.detach()[rest].requires_grad_()
    (subset_marginals(fewer, 3) @ WORTH[rest]).backward()
    torch.testing.assert_close(logits.grad[rest], fewer.grad)


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("drawn", [0.0, 1 - 2**-53])
def test_a_set_has_its_size_whatever_is_drawn(monkeypatch, k, drawn):
    monkeypatch.setattr(
        torch, "rand", lambda shape, **_: torch.full(shape, drawn, dtype=torch.float64)
    )
    (index,) = sample_subset(THETA, k, 1)
    assert index.tolist() == list(range(k) if drawn == 0 else range(N - k, N))


def test_one_index_and_all_of_them_can_be_chosen():
    torch.testing.assert_close(subset_marginals(THETA, 1), THETA.softmax(-1))
    torch.testing.assert_close(subset_marginals(THETA, N), torch.ones_like(THETA))
    assert gumbel_top_k(THETA, 1, generator()).shape == (1,)
    assert sorted(gumbel_top_k(THETA, N, generator()).tolist()) == list(range(N))


@pytest.mark.parametrize("k", [0, 6])
def test_impossible_counts_are_refused(k):
    for draw in (gumbel_top_k, subset_marginals):
        with pytest.raises(ValueError, match=rf"k must be in 1\.\.5, got {k}"):
            draw(THETA, k)


def test_large_sets_are_refused_where_all_subsets_are_summed():
    with pytest.raises(ValueError, match="k must be at most 12, got 13"):
        unordered_log_prob(torch.zeros(20), torch.arange(13))


def test_sets_up_to_the_largest_are_summed(monkeypatch):
    monkeypatch.setattr(stochastic, "MOST_UNORDERED", K)
    assert torch.isfinite(unordered_log_prob(THETA, SETS)).all()
    with pytest.raises(ValueError, match="k must be at most 2, got 3"):
        unordered_log_prob(THETA, torch.arange(3))


def test_a_straight_through_choice_is_the_choice_with_another_gradient():
    soft = torch.full((2, 1, 4), 0.3, requires_grad=True)
    chosen = straight_through(torch.tensor([[[0, 2]], [[1, 3]]]), soft)
    assert chosen.tolist() == [[[1, 0, 1, 0]], [[0, 1, 0, 1]]]
    (gradient,) = torch.autograd.grad((chosen * torch.arange(4)).sum(), soft)
    assert gradient.tolist() == [[[0, 1, 2, 3]]] * 2


def test_single_precision_agrees_where_one_index_has_nearly_everything():
    logits = torch.tensor([30.0, 0.0, -1.0, 1.0, 0.5])
    index = torch.tensor([[0, 3], [3, 0], [0, 1]])
    for log_prob in (ordered_log_prob, unordered_log_prob, subset_log_prob):
        single, double = log_prob(logits, index), log_prob(logits.double(), index)
        assert torch.isfinite(single).all()
        if log_prob is subset_log_prob:
            torch.testing.assert_close(single.double(), double, rtol=1e-3, atol=1e-3)
