"""Gradients of expected costs through random choices, and choices of k out of n.

A stochastic computation graph (Schulman et al. 2015, arXiv 1506.05254) has random nodes w, drawn
from p(w | parents; theta), and costs c. With c downstream of w where w influences it, and b_w
anything that w does not influence,

    d/dtheta E[sum_c c] = E[ sum_w d log p(w) / dtheta (Q_w - b_w) + sum_c dc / dtheta ],
    Q_w = sum of the costs downstream of w,

which is what `surrogate_loss` (their equation 7, with baselines) has as its gradient.

Choices of k out of n with logits theta, n along the last axis of (..., n), come from one of two
distributions:

- in order and without replacement (Plackett-Luce): p(i_1 .. i_k) = prod_t exp(theta_{i_t}) /
  sum over what is left of exp(theta). `gumbel_top_k` draws it (Kool et al. 2019, arXiv
  1903.06059), `ordered_log_prob` and `unordered_log_prob` are exact.
- as a set with p(S) = exp(sum_{i in S} theta_i) / e_k(exp(theta)), e_k the elementary symmetric
  polynomial. `sample_subset`, `subset_log_prob`, and `subset_marginals`, whose gradient is that of
  SIMPLE (Ahmed et al. 2023, arXiv 2210.01941).

A logit of minus infinity is never chosen. It imports torch alone; docs/learned_graphs.md says when
to use which estimator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Baseline = Tensor | Callable[[Tensor], Tensor]
MOST_UNORDERED = 12
"""Largest k of `unordered_log_prob`: its work grows as k 2^k."""
IMPOSSIBLE = -1e30
"""Stands for minus infinity where sums of logits must stay finite."""


# Surrogate losses


@dataclass(frozen=True, eq=False)
class StochasticNode:
    """Random choices of one kind, each element of `log_prob` a choice of its own.

    Args:
        log_prob: Log-probabilities of what was drawn, (...).
        baseline: A tensor like `log_prob`, or a function of the costs Q (...) downstream of each
            choice, such as `leave_one_out`; None subtracts nothing. No choice may influence its own
            baseline. One that needs a gradient is learned: its squared distance to Q is added.
    """

    log_prob: Tensor
    baseline: Baseline | None = None


@dataclass(frozen=True, eq=False)
class Cost:
    """Costs, and the random choices that influence them.

    Args:
        value: (...), with as many axes as the log-probabilities of its causes. Elements count for
            the choices at the same place: an axis of size 1 on the one side is shared by all on the
            other.
        causes: The stochastic nodes upstream.
    """

    value: Tensor
    causes: tuple[StochasticNode, ...] = ()


def surrogate_loss(costs: Sequence[Cost]) -> Tensor:
    """A scalar whose gradient estimates that of the expected sum of the costs.

    Its value is the sum of the costs, and of the squared errors of learned baselines.
    """
    loss = torch.stack([cost.value.sum() for cost in costs]).sum()
    nodes = {id(node): node for cost in costs for node in cost.causes}
    for node in nodes.values():
        downstream = [c.value.detach() for c in costs if any(n is node for n in c.causes)]
        credit = torch.stack([credited(value, node.log_prob) for value in downstream]).sum(0)
        baseline = node.baseline(credit) if callable(node.baseline) else node.baseline
        if baseline is not None:
            if baseline.requires_grad:
                loss = loss + (baseline - credit).square().sum()
            credit = credit - baseline.detach()
        score = (node.log_prob * credit).sum()
        loss = loss + score - score.detach()
    return loss


def credited(cost: Tensor, log_prob: Tensor) -> Tensor:
    """The cost as each choice is held to account for it, in the shape of the log-probabilities.

    Raises:
        ValueError: The shapes do not match.
    """
    pairs = list(zip(cost.shape, log_prob.shape, strict=False))
    if cost.ndim != log_prob.ndim or any(c != p and 1 not in (c, p) for c, p in pairs):
        raise ValueError(
            f"a cost of shape {tuple(cost.shape)} does not match choices of shape "
            f"{tuple(log_prob.shape)}: expected equal sizes, or 1, along each axis"
        )
    shared = [axis for axis, (c, p) in enumerate(pairs) if p == 1 != c]
    return (cost.sum(shared, keepdim=True) if shared else cost).expand_as(log_prob)


def leave_one_out(credit: Tensor) -> Tensor:
    """The mean of the other samples: credits (S, ...) of S >= 2 independent draws.

    Raises:
        ValueError: There is one sample only.
    """
    if len(credit) < 2:
        raise ValueError(f"leave_one_out needs at least 2 samples, got {len(credit)}")
    return (credit.sum(0) - credit) / (len(credit) - 1)


# k of n in order


def gumbel_top_k(logits: Tensor, k: int, generator: torch.Generator | None = None) -> Tensor:
    """Draw k indices (..., k) int64 of logits (..., n), one after the other, none twice.

    Raises:
        ValueError: k is not in 1..n.
    """
    check_count(logits, k)
    # The logarithm of an exponential variable is minus a Gumbel variable.
    noise = torch.rand(logits.shape, generator=generator, dtype=logits.dtype, device=logits.device)
    tiny = torch.finfo(logits.dtype).tiny
    exponential = noise.clamp_min_(tiny).log_().neg_().clamp_min_(tiny)
    return (logits.detach() - exponential.log_()).topk(k, dim=-1).indices


def ordered_log_prob(logits: Tensor, index: Tensor) -> Tensor:
    """The log-probability (...) of drawing indices (..., k) in this order; any leading axes.

    Logits (..., n) are broadcast against the leading axes of the indices.
    """
    chosen = chosen_logs(logits, index)
    return (chosen - log_left(chosen)).sum(-1)


def chosen_logs(logits: Tensor, index: Tensor) -> Tensor:
    """The log-probabilities (..., k) of the indices as a first draw."""
    logs = logits.log_softmax(-1)
    return logs.expand(*index.shape[:-1], -1).gather(-1, index)


def log_left(chosen: Tensor) -> Tensor:
    """The logarithm of the probability that is left before each of k draws (..., k)."""
    probability = chosen.exp()
    return left(probability.cumsum(-1) - probability).log()


def left(gone: Tensor) -> Tensor:
    """1 - p of what is gone, kept off zero where rounding might bring it there."""
    return 1 - gone.clamp(max=1 - 8 * torch.finfo(gone.dtype).eps)


def unordered_log_prob(logits: Tensor, index: Tensor) -> Tensor:
    """The log-probability (...) of drawing the set of indices (..., k), in whatever order.

    With P(A) the probability that the first draws are the set A, in any order,

        P(A) = sum_{i in A} P(A without i) p_i / (1 - p(A without i)),

    summed up over all subsets of the k indices, the smaller ones first.

    Raises:
        ValueError: k is above `MOST_UNORDERED`.
    """
    k = index.shape[-1]
    if k > MOST_UNORDERED:
        raise ValueError(f"k must be at most {MOST_UNORDERED}, got {k}; see subset_log_prob")
    p = chosen_logs(logits, index).exp()
    first = [torch.ones_like(p[..., 0])]  # by bit mask of the members drawn so far
    mass = [torch.zeros_like(p[..., 0])]
    for mask in range(1, 2**k):
        members = [i for i in range(k) if mask >> i & 1]
        mass.append(mass[mask & (mask - 1)] + p[..., members[0]])
        befores = {i: mask & ~(1 << i) for i in members}
        terms = [first[b] * p[..., i] / left(mass[b]) for i, b in befores.items()]
        first.append(torch.stack(terms).sum(0))
    return first[-1].log()


# k of n as a set


class LogAddExp(torch.autograd.Function):
    """`torch.logaddexp` whose second derivative is finite however far apart the two are."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        """The logarithm of exp a + exp b."""
        ctx.save_for_backward(a, b)
        return torch.logaddexp(a, b)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """In operations that can be differentiated again."""
        a, b = ctx.saved_tensors
        return grad * torch.sigmoid(a - b), grad * torch.sigmoid(b - a)


def log_polynomials(logits: Tensor, k: int) -> Tensor:
    """(n + 1, ..., k + 1): entry [m, ..., j] is log e_j(exp(theta_1), .., exp(theta_m))."""
    check_count(logits, k)
    logits = logits.clamp_min(IMPOSSIBLE)
    row = logits.new_zeros((*logits.shape[:-1], 1))
    rows = [row]
    for theta in logits.unbind(-1):
        with_it = row + theta[..., None]
        either: Tensor = LogAddExp.apply(row[..., 1:], with_it[..., :-1])
        row = torch.cat([row[..., :1], either, with_it[..., -1:]], dim=-1)[..., : k + 1]
        rows.append(row)
    return torch.stack([F.pad(row, (0, k + 1 - row.shape[-1]), value=IMPOSSIBLE) for row in rows])


def subset_log_prob(logits: Tensor, index: Tensor) -> Tensor:
    """The log-probability (...) of sets of indices (..., k), broadcast as in `ordered_log_prob`."""
    theta = logits.expand(*index.shape[:-1], -1).gather(-1, index)
    return theta.sum(-1) - log_polynomials(logits, index.shape[-1])[-1, ..., -1]


def sample_subset(
    logits: Tensor, k: int, count: int, generator: torch.Generator | None = None
) -> Tensor:
    """`count` sets (count, ..., k) int64 of k of n, ascending; exact."""
    with torch.no_grad():
        table = log_polynomials(logits, k)
        rows = table.shape[1:-1]
        wanted = torch.full((count, *rows), k, device=logits.device)
        index = wanted.new_empty((count, *rows, k))
        for m in range(logits.shape[-1], 0, -1):
            all_sets, without = (
                table[i].expand(count, *rows, -1).gather(-1, wanted[..., None])[..., 0]
                for i in (m, m - 1)
            )
            draw = torch.rand(
                all_sets.shape, generator=generator, dtype=logits.dtype, device=logits.device
            )
            # Where nothing more is wanted, the two are equal, and every draw is below 1.
            taken = draw >= (without - all_sets).exp()
            place = (wanted - 1).clamp(min=0)[..., None]
            before = index.gather(-1, place)
            index.scatter_(-1, place, torch.where(taken[..., None], m - 1, before))
            wanted = wanted - taken.long()
    return index


def subset_marginals(logits: Tensor, k: int) -> Tensor:
    """The probability (..., n) that each index is in the set; differentiable twice.

    It is the gradient of log e_k with respect to theta.
    """
    with torch.enable_grad():
        theta = logits if logits.requires_grad else logits.detach().requires_grad_()
        total = log_polynomials(theta, k)[-1, ..., -1].sum()
        (marginals,) = torch.autograd.grad(total, theta, create_graph=logits.requires_grad)
    return marginals


# Biased, of low variance


def k_hot(index: Tensor, n: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """(..., n): 1 at the indices (..., k), else 0."""
    zeros = torch.zeros((*index.shape[:-1], n), dtype=dtype, device=index.device)
    return zeros.scatter_(-1, index, 1.0)


def straight_through(index: Tensor, soft: Tensor) -> Tensor:
    """The k-hot choice (..., n), with the gradient of `soft` (..., n) (Bengio et al. 2013).

    With `soft` from `subset_marginals` and the index from `sample_subset` this is SIMPLE; with k
    times the softmax it is the plain straight-through estimator. Both are biased.
    """
    hard = k_hot(index, soft.shape[-1], soft.dtype)
    return hard + (soft - soft.detach())


def check_count(logits: Tensor, k: int) -> None:
    """Refuse a k that is not in 1..n."""
    if not 1 <= k <= logits.shape[-1]:
        raise ValueError(f"k must be in 1..{logits.shape[-1]}, got {k}")
