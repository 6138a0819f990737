"""What a model does far beyond its training depth: does it settle, wander, collapse or blow up?

One trajectory of each instance runs to 64 times the training depth. At 1, 2, 4, ... times it:

- solved: the share that the rules accept.
- residual: |z_t - z_{t-1}| / |z_t|, median and 95th percentile; converged: the share below `tol`.
- radius: the spectral radius of the step's Jacobian at the state (its trend over depth says more
  than its value), of the first few instances. Of an `Equilibrium` it is that of the undamped map.
- same answer: of the solved instances, the share that a random first state leads to the same
  answer (path independence, Anil et al. 2022, arXiv 2211.09961).
- state RMS, the share of choices that the last step changed, and rows that are not finite.

`mean_steps` is what stopping at `tol` would cost: steps until the residual is first below it.

Shapes: n instances, R recorded steps, B rows of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ttc_agents.evaluation.intervals import share
from ttc_agents.evaluation.precision import full_float32
from ttc_agents.implicit.diagnostics import spectral_radius, state_rms
from ttc_agents.models import RefinementModel
from ttc_agents.models.base import Context, to_batch
from ttc_agents.models.equilibrium import Equilibrium
from ttc_agents.policies.refinement import device_of, finite_rows, norms
from ttc_agents.training.data import Answers
from ttc_envs import Instances, Task

RECORDED = ("solved", "residual", "rms", "changed", "finite", "same", "radius")
FACTORS = (1, 2, 4, 8, 16, 32, 64)
SMALLEST_NORM = 1e-12
BATCH_SIZE = 64
DEFAULT_DEPTH = 8
START_SEED = 0


@dataclass(eq=False)
class StabilityReport:
    """What was seen at each recorded step.

    Args:
        trained_steps: The depth of training.
        steps: The recorded steps, R of them.
        tol: Residual below which a row counts as converged.
        solved: (n, R) bool.
        residual: (n, R).
        rms: (n, R), of the state.
        changed: (n, R), share of the answer that differs from that of the step before.
        finite: (n, R) bool.
        same: (n, R) bool, whether a random first state has led to the same answer.
        used: (n,), steps until the residual was first below `tol`; the budget where it never was.
        radius: (r, R), spectral radius at the states of the first r instances.
    """

    trained_steps: int
    steps: tuple[int, ...]
    tol: float
    solved: np.ndarray
    residual: np.ndarray
    rms: np.ndarray
    changed: np.ndarray
    finite: np.ndarray
    same: np.ndarray
    used: np.ndarray
    radius: np.ndarray

    def to_json(self) -> dict[str, Any]:
        """Numbers by recorded step; null where no row is finite."""
        return {
            "trained_steps": self.trained_steps,
            "tol": self.tol,
            "mean_steps": float(self.used.mean()),
            "steps": {str(step): self.at(i) for i, step in enumerate(self.steps)},
        }

    def at(self, i: int) -> dict[str, Any]:
        """The numbers of recorded step i."""
        finite = self.finite[:, i]
        residual = self.residual[finite, i]
        return {
            "times_trained": self.steps[i] / self.trained_steps,
            "solved": share(int(self.solved[:, i].sum()), len(finite)),
            "same_answer": self.same_answer(i),
            "converged": share(int((residual < self.tol).sum()), len(finite)),
            "residual": {"median": quantile(residual, 0.5), "p95": quantile(residual, 0.95)},
            "radius": {
                "median": quantile(self.radius[:, i], 0.5),
                "max": quantile(self.radius[:, i], 1.0),
            },
            "state_rms": quantile(self.rms[finite, i], 0.5),
            "changed": float(self.changed[:, i].mean()),
            "nonfinite": int((~finite).sum()),
        }

    def same_answer(self, i: int) -> dict[str, float | int] | None:
        """The share of solved instances; None where none is solved."""
        own = self.solved[:, i]
        return share(int(self.same[own, i].sum()), int(own.sum())) if own.any() else None


def stability_text(family: str, numbers: dict[str, Any]) -> str:
    """The stability of a family in words."""

    def text(value: float | None) -> str:
        return "none" if value is None else f"{value:.2g}"

    lines = [
        f"{family}: {numbers['mean_steps']:.0f} steps on average until the residual is below "
        f"{numbers['tol']:g}"
    ]
    for step, entry in numbers["steps"].items():
        solved, converged, same = entry["solved"], entry["converged"], entry["same_answer"]
        alike = "none" if same is None else f"{100 * same['solved']:.0f}%"
        lines.append(
            f"  step {step:>4}: solved {100 * solved['solved']:.0f}%, of these the same from a "
            f"random start {alike}, converged "
            f"{100 * converged['solved']:.0f}%, residual "
            f"{text(entry['residual']['median'])}, spectral radius "
            f"{text(entry['radius']['median'])}, not finite {entry['nonfinite']}"
        )
    return "\n".join(lines)


def quantile(values: np.ndarray, share: float) -> float | None:
    """A quantile of the finite values; None where there is none."""
    values = values[np.isfinite(values)]
    return float(np.quantile(values, share)) if len(values) else None


def trained_depth(model: RefinementModel, config: dict[str, Any]) -> int:
    """The depth of a checkpoint's training: steps per update, or of an equilibrium's solve."""
    if isinstance(model, Equilibrium):
        return model.max_steps
    return int(config.get("recipe", {}).get("segment_steps", DEFAULT_DEPTH))


def stability(
    model: RefinementModel,
    task: Task,
    instances: Instances,
    trained_steps: int,
    *,
    factors: Sequence[int] = FACTORS,
    tol: float = 1e-3,
    radius_rows: int = 8,
) -> StabilityReport:
    """Run every instance to the largest of `factors` times the training depth, in float32.

    Args:
        model: Any refinement model.
        task: Its task, whose rules say what is solved.
        instances: n instances.
        trained_steps: The depth of training.
        factors: Multiples of it to record.
        tol: Residual below which a row counts as converged.
        radius_rows: Instances whose spectral radius is measured, costly: 20 vjps for each.

    Raises:
        ValueError: There are no instances, or a number is below 1.
    """
    if not len(instances) or trained_steps < 1 or min(factors, default=0) < 1:
        raise ValueError(
            "stability needs instances, and trained_steps and factors of at least 1, got "
            f"{len(instances)} instances, {trained_steps} and {tuple(factors)}"
        )
    steps = tuple(trained_steps * factor for factor in sorted(set(factors)))
    parts = []
    # `full_float32` is for inference, but the spectral radius needs derivatives.
    with full_float32(model), torch.inference_mode(False), torch.no_grad():
        for start in range(0, len(instances), BATCH_SIZE):
            rows = instances[start : start + BATCH_SIZE]
            parts.append(follow(model, task, rows, steps, tol, max(0, radius_rows - start)))
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in (*RECORDED, "used")
    }
    return StabilityReport(trained_steps, steps, tol, **columns)


@dataclass
class _Columns:
    """The arrays of a `StabilityReport`, a list entry per recorded step."""

    used: np.ndarray
    solved: Any = field(default_factory=list)
    residual: Any = field(default_factory=list)
    rms: Any = field(default_factory=list)
    changed: Any = field(default_factory=list)
    finite: Any = field(default_factory=list)
    same: Any = field(default_factory=list)
    radius: Any = field(default_factory=list)


def follow(
    model: RefinementModel,
    task: Task,
    instances: Instances,
    steps: tuple[int, ...],
    tol: float,
    radius_rows: int,
) -> _Columns:
    """The columns of one batch."""
    columns = _Columns(np.full(len(instances), steps[-1]))
    before, last = None, None
    waiting = np.ones(len(instances), dtype=bool)
    generator = torch.Generator(device_of(model)).manual_seed(START_SEED)
    both = zip(
        trajectory(model, task, instances, steps[-1]),
        trajectory(model, task, instances, steps[-1], generator),
        strict=True,
    )
    for count, ((context, z, logits, answer), (*_, other)) in enumerate(both):
        if before is not None:
            residual = residuals(z, before)
            done = waiting & (residual < tol)
            columns.used[done], waiting = count, waiting & ~done
            if count in steps:
                assert last is not None
                finite = finite_rows(logits, norms(z))
                columns.residual.append(residual)
                columns.rms.append(state_rms(z).cpu().numpy())
                columns.changed.append((answer != last).mean(axis=1))
                columns.finite.append(finite)
                columns.same.append((other == answer).all(axis=1))
                columns.solved.append(solved(task, instances, answer) & finite)
                radius = radii(model, context, z, count) if radius_rows else residual
                columns.radius.append(radius[:radius_rows])
        before, last = z, answer
    for name in RECORDED:
        setattr(columns, name, np.stack(getattr(columns, name), axis=1))
    return columns


def trajectory(
    model: RefinementModel,
    task: Task,
    instances: Instances,
    num_steps: int,
    generator: torch.Generator | None = None,
) -> Iterator[tuple[Context, Tensor, Tensor, np.ndarray]]:
    """Yield (context, state, logits, answer) of the first state, drawn or not, and of each step."""
    answers, device = Answers(task, instances, task.initial_answer(instances)), device_of(model)
    shown = answers.shown(device) if model.reads_answer else to_batch(instances.fields, device)
    context = model.encode(shown)
    z = model.initial_state(context, generator)
    yield context, z, model.readout(context, z), answers.answer
    for step in range(num_steps):
        z = model.step(context, z, torch.full((len(instances),), step, device=z.device))
        logits = model.readout(context, z)
        answers.apply(logits)
        yield context, z, logits, answers.answer
        if model.reads_answer:
            context = model.encode(answers.shown(device))


def residuals(z: Tensor, before: Tensor) -> np.ndarray:
    """(B,) relative change of the state."""
    found: np.ndarray = (norms(z - before) / norms(z).clamp_min(SMALLEST_NORM)).cpu().numpy()
    return found


def solved(task: Task, instances: Instances, answer: np.ndarray) -> np.ndarray:
    """(B,) bool, what the rules say of an answer."""
    found: np.ndarray = task.score(instances, answer)["solved"].astype(bool)
    return found


def radii(model: RefinementModel, context: Context, z: Tensor, count: int) -> np.ndarray:
    """(B,) spectral radius of the step at z; NaN where it cannot be told."""
    if isinstance(model, Equilibrium):
        found = spectral_radius(model.map(context), model.unpack(context, z).z)
    else:
        t = torch.full((len(z),), count, device=z.device)
        found = spectral_radius(lambda state: model.step(context, state, t), z)
    radius: np.ndarray = found.detach().cpu().numpy()
    return radius
