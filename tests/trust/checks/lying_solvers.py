"""Fixed-point solvers on maps with known answers: nothing wrong may count as converged."""

import functools
import itertools

import torch

from ttc_agents.implicit import GRADIENTS, SOLVERS, solve
from ttc_agents.implicit.problems import HOPELESS, SOLVABLE

PROMISE = "What a solver calls converged is a fixed point, and its gradient is right."
TRIES, SHORT = 4000, 60
STEPS = {"picard": 150, "anderson": 40, "broyden": 40, "newton_krylov": 12}
TOLERANCES = {
    torch.float64: (1e-9, 1e-4),
    torch.float32: (1e-5, 1e-3),
    torch.bfloat16: (1e-4, 0.02),
}
STARTS = ("its own", "the solution", "near it", "written into", "alone")
# Plain iteration is quick on these: the gradients of all methods are right within the steps.
QUICK = ("radius 0.1", "radius 0.5", "block-triangular", "tanh 0.5", "tanh 0.95", "cosine")


def cases():
    """All of them: (problem, solver, gradient, type, tolerance, start)."""
    problems = [*SOLVABLE, *HOPELESS]
    for dtype, pair in TOLERANCES.items():
        yield from itertools.product(problems, SOLVERS, GRADIENTS, [dtype], pair, STARTS)


def check(tries, place):
    every = list(cases())
    chosen = place.random.sample(every, min(tries, len(every)))
    faults, converged = [], 0
    for case in chosen:
        said, rows = run(*case)
        faults += [f"{' | '.join(map(str, case))}: {fault}" for fault in said]
        converged += rows
    return {"tries": len(chosen), "faults": faults, "converged_rows": converged}


def run(key, solver, gradient, dtype, tol, start):
    """The faults of one solve, and how many rows converged."""
    problem = {**SOLVABLE, **HOPELESS}[key]
    theta, z0 = problem.theta.to(dtype).requires_grad_(), first(problem, start).to(dtype)
    if start == "alone":
        theta, z0 = theta[:1], z0[:1]

    def f(z):
        if start == "alone":
            return alone(problem, theta, z)
        image = problem.f(theta, z.clone())
        if start == "written into":
            z.zero_()
        return image

    found = solve(SOLVERS[solver](), f, z0, STEPS[solver], tol, gradient=GRADIENTS[gradient]())
    value, there = found.value.detach(), found.converged
    faults = [] if value.isfinite().all() else ["the value is not finite"]
    exact = residuals(problem, value.double())
    wrong = there & ~(exact < tol + 8 * torch.finfo(dtype).eps)
    if wrong.any():
        faults.append(f"the residual {float(exact[wrong].max()):.1e} counts as converged")
    return faults + gradients(key, problem, gradient, found, theta, tol), int(there.sum())


def first(problem, start):
    """Where a solve begins."""
    if start in ("its own", "written into", "alone") or problem.solution is None:
        return problem.z0
    noise = torch.randn(problem.z0.shape, generator=torch.Generator().manual_seed(0)).double()
    return problem.solution + (1e-4 * noise if start == "near it" else 0)


def alone(problem, theta, z):
    """The map of the first row."""
    rows = len(problem.z0)
    return problem.f(theta.expand(rows, -1), torch.cat([z] * rows))[:1]


def residuals(problem, z):
    """|f(z) - z| / |f(z)| of each row, in float64."""
    rows = len(problem.z0)
    whole = torch.cat([z] * rows) if len(z) < rows else z
    image = problem.map(whole)[: len(z)].detach()
    return (image - z).norm(dim=1) / image.norm(dim=1).clamp_min(1e-12)


def gradients(key, problem, gradient, found, theta, tol):
    """The faults of the gradient in the rows that converged."""
    there = found.converged
    if not there.any() or not found.value.requires_grad:
        return []
    weights = torch.linspace(-1, 1, problem.z0.numel()).view_as(problem.z0)[: len(theta)]
    (slope,) = torch.autograd.grad((found.value.double() * weights).sum(), theta)
    if not slope[there].isfinite().all():
        return ["the gradient of a row that converged is not finite"]
    if key not in QUICK or gradient == "phantom":
        return []
    expected = exact_gradient(key)[: len(theta)][there]
    off = float((slope.double()[there] - expected).norm() / expected.norm())
    # That of a point that is off by the tolerance is off by as much, times what amplifies it.
    limit = 20 * tol + 10 * torch.finfo(theta.dtype).eps + 1e-3
    return [f"the gradient is off by {off:.1e}"] if off > limit else []


@functools.cache
def exact_gradient(key):
    """That of the weighted sum of the solution, by the implicit function theorem, densely."""
    problem = SOLVABLE[key]
    z, theta = problem.solution, problem.theta.clone().requires_grad_()
    weights = torch.linspace(-1, 1, z.numel()).view_as(z).double()
    whole = torch.autograd.functional.jacobian(lambda x: problem.f(theta.detach(), x), z)
    jacobian = torch.stack([whole[row, :, row] for row in range(len(z))])
    eye = torch.eye(z.shape[1]).double()
    u = torch.linalg.solve((eye - jacobian).mT, weights[:, :, None])[:, :, 0]
    (slope,) = torch.autograd.grad((problem.f(theta, z) * u).sum(), theta)
    return slope
