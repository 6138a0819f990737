"""The refinement loop: run T steps, show the answer again, and say what came of each step.

Whoever wants to see answers grow uses `refine`: sweeps, calibration, stability, films, `ttc solve`,
the alarm of a training. It takes a model or a classical method alike, a function that yields the
answers to a batch of instances one after the other (`ttc_envs.Baseline`).

Shapes: B instances, N nodes, C choices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ttc_agents.inference.answers import Answers
from ttc_agents.models.base import Context, RefinementModel, device_of, to_batch
from ttc_envs import Baseline, Instances, Task

SMALLEST_NORM = 1e-12
BLOCK = 16
"""Steps that a device takes at most before the host asks what came of them."""
BLOCK_BYTES = 2**30
"""Room for the states and logits of these steps."""
Source = RefinementModel | Baseline
"""What gives answers: a model, or a classical method."""


@dataclass(frozen=True, eq=False)
class Step:
    """What one refinement step gave.

    Args:
        answer: (B, N), as the environment would have it: givens put back. Rows that are not finite
            keep their last answer.
        finite: (B,) bool, whether logits and state are finite.
        choice: (B, N) int64, the likeliest choices of a model.
        confidence: (B, N) float32, their probabilities.
        residual: (B,) |z_t - z_{t-1}| / |z_t|, the relative change of the state.
        logits: (B, N, C).
        state: (B, ...).
        judge: Gives (B,) float32, the energies of the answers; None where the model has none.
        note: Of a search: its state in words.

    The six before the note are None where a classical method gave the answer.
    """

    answer: np.ndarray
    finite: np.ndarray
    choice: np.ndarray | None = None
    confidence: np.ndarray | None = None
    residual: np.ndarray | None = None
    logits: Tensor | None = None
    state: Tensor | None = None
    judge: Callable[[], np.ndarray] | None = None
    note: str = ""


def refine(
    source: Source,
    task: Task,
    instances: Instances,
    num_steps: int,
    *,
    generator: torch.Generator | None = None,
) -> Iterator[Step]:
    """Yield every step of one trajectory of each instance, without gradients.

    Args:
        source: A model or a classical method. A model runs in the precision and mode that the
            caller sets (`full_float32`); when a method ends, its last answer stands.
        task: The task.
        instances: B of them.
        num_steps: The step budget.
        generator: Draws the first state of a model; None takes the model's own.
    """
    if isinstance(source, RefinementModel):
        return _by_model(source, task, instances, num_steps, generator)
    return _by_method(source, task, instances, num_steps)


@torch.no_grad()
def _by_model(
    model: RefinementModel,
    task: Task,
    instances: Instances,
    num_steps: int,
    generator: torch.Generator | None,
) -> Iterator[Step]:
    device, answers = device_of(model), Answers(task, instances)
    batch = answers.shown(device) if model.reads_answer else to_batch(instances.fields, device)
    context = model.encode(batch)
    before = model.initial_state(context, generator)
    # The model asks what to read next after the answer below has moved on.
    steps = model.steps(context, before, num_steps, lambda logits: answers.shown(device))
    judged = partial(energies, model, context) if model.has_energy else None
    block: list[tuple[Tensor, Tensor, Tensor]] = []
    for logits, z in steps:
        norm = norms(z)
        residual = norms(z - before) / norm.clamp_min(SMALLEST_NORM)
        block.append((packed(logits, norm, residual), logits, z))
        before = z
        if len(block) == block_size(model, logits, z):
            yield from _moved_on(answers, block, judged)
            block = []
    if block:
        yield from _moved_on(answers, block, judged)


def _moved_on(
    answers: Answers,
    block: list[tuple[Tensor, Tensor, Tensor]],
    judged: Callable[[Tensor], np.ndarray] | None,
) -> Iterator[Step]:
    """Move the answers on by some steps (what `packed` gives, logits, state), and yield them.

    `judged` gives the energies (B,) of a state.
    """
    home = torch.stack([known for known, _, _ in block]).cpu().numpy()
    for known, (_, logits, z) in zip(home, block, strict=True):
        finite, choice, confidence, residual = unpacked(known)
        answers.apply(choice, finite)
        judge = None if judged is None else partial(judged, z)
        yield Step(answers.answer, finite, choice, confidence, residual, logits, z, judge)


def block_size(model: RefinementModel, logits: Tensor, z: Tensor) -> int:
    """Steps after which the host asks what came of them.

    One, where asking is free or the next step reads the answer, which the task moves on.
    """
    if z.device.type == "cpu" or model.reads_answer:
        return 1
    each = z.numel() * z.element_size() + logits.numel() * logits.element_size()
    return max(1, min(BLOCK, BLOCK_BYTES // max(1, each)))


def _by_method(
    method: Baseline, task: Task, instances: Instances, num_steps: int
) -> Iterator[Step]:
    answers, answer = method(instances), task.initial_answer(instances)
    for _ in range(num_steps):
        answer = next(answers, answer)
        yield Step(answer, np.ones(len(answer), dtype=bool))


def solved_share(source: Source, task: Task, instances: Instances, num_steps: int) -> float:
    """The share of instances that the rules accept after so many steps; not finite: unsolved.

    A model is run in evaluation mode, and left in the mode that it had.
    """
    with _evaluating(source):
        *_, last = refine(source, task, instances, num_steps)
    solved = task.score(instances, last.answer)["solved"].astype(bool)
    return float((solved & last.finite).mean())


@contextmanager
def _evaluating(source: Source) -> Iterator[None]:
    """A model in evaluation mode, and afterwards in the mode that it had."""
    if not isinstance(source, RefinementModel):
        yield
        return
    training = source.training
    try:
        source.eval()
        yield
    finally:
        source.train(training)


def classical_methods(task: Task, seed: int = 0) -> dict[str, Baseline]:
    """Classical methods by name: `random`, `improve`, `solve` and those that the task names.

    Args:
        task: The task.
        seed: Of random answers, drawn anew for each batch in turn.
    """
    random = np.random.default_rng(seed)

    def guess(instances: Instances) -> Iterator[np.ndarray]:
        answer = task.initial_answer(instances)
        while True:
            choice = random.integers(task.spec.num_choices, size=answer.shape)
            answer = task.apply(instances, answer, choice, "full")
            yield answer

    def improve(instances: Instances) -> Iterator[np.ndarray]:
        before, answer = None, task.initial_answer(instances)
        while before is None or not np.array_equal(answer, before):
            before, answer = answer, task.improve(instances, answer)
            yield answer

    def solve(instances: Instances) -> Iterator[np.ndarray]:
        yield task.solve(instances)

    return {"random": guess, "improve": improve, "solve": solve, **task.baselines()}


def acted(method: Baseline, task: Task) -> Baseline:
    """A method as an agent would have to act it out, by whole answers.

    Undecided nodes take choice 0, and each answer is what the environment makes of the action:
    where a step can change little (exchanges of neighbours), an exact solver has to walk, too.
    """

    def answers(instances: Instances) -> Iterator[np.ndarray]:
        answer = action = task.initial_answer(instances)
        actions = method(instances)
        while True:
            action = next(actions, action)
            answer = task.apply(instances, answer, np.maximum(action, 0), "full")
            yield answer

    return answers


@torch.no_grad()
def energies(model: RefinementModel, context: Context, z: Tensor) -> np.ndarray:
    """(B,) float32, how bad a model holds the answers of a state to be; not finite: the worst."""
    energy = model.energy(context, z).float().nan_to_num(torch.inf, torch.inf)
    return energy.cpu().numpy()


def norms(z: Tensor) -> Tensor:
    """(B,) the norm of each row of a state (B, ...)."""
    return z.flatten(1).norm(dim=1)


def finite_rows(logits: Tensor, norm: Tensor) -> Tensor:
    """(B,) bool: all logits and the norm of the state are finite.

    A norm takes one pass over the state, and overflows only where all is lost anyway.
    """
    return logits.isfinite().flatten(1).all(1) & norm.isfinite()


def packed(logits: Tensor, norm: Tensor, residual: Tensor) -> Tensor:
    """(B, 2 N + 2) int32, what the host wants to know of a step, so that it waits but once.

    Args:
        logits: (B, N, C).
        norm: (B,), of the state.
        residual: (B,).
    """
    confidence, choice = logits.float().softmax(-1).max(-1)
    reals = torch.cat([confidence.nan_to_num(0.0), residual.float()[:, None]], 1)
    finite = finite_rows(logits, norm).int()[:, None]
    return torch.cat([choice.int(), finite, reals.view(torch.int32)], 1)


def unpacked(known: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The inverse of `packed`.

    Returns:
        (B,) bool, which rows are finite (the others are for the caller to set aside); the most
        likely choice of each node (B, N) int64, and its probability (B, N) float32; the residual
        (B,) float32.
    """
    nodes = known.shape[1] // 2 - 1
    reals = np.ascontiguousarray(known[:, nodes + 1 :]).view(np.float32)
    choice = known[:, :nodes].astype(np.int64)
    return known[:, nodes] > 0, choice, reals[:, :nodes], reals[:, nodes]
