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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ttc_agents.evaluation.intervals import share
from ttc_agents.implicit.diagnostics import spectral_radius, state_rms
from ttc_agents.inference.answers import Answers
from ttc_agents.inference.precision import full_float32
from ttc_agents.inference.refine import refine
from ttc_agents.models import RefinementModel
from ttc_agents.models.base import device_of
from ttc_envs import Instances, Task

FACTORS = (1, 2, 4, 8, 16, 32, 64)
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
    return model.training_depth(config.get("recipe", {}).get("segment_steps", DEFAULT_DEPTH))


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
            parts.append(_followed(model, task, rows, steps, tol, max(0, radius_rows - start)))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return StabilityReport(trained_steps, steps, tol, **columns)


def _followed(
    model: RefinementModel,
    task: Task,
    instances: Instances,
    steps: tuple[int, ...],
    tol: float,
    radius_rows: int,
) -> dict[str, np.ndarray]:
    """The arrays of a `StabilityReport` for one batch, by name."""
    used, columns = np.full(len(instances), steps[-1]), []
    waiting, last = np.ones(len(instances), dtype=bool), task.initial_answer(instances)
    generator = torch.Generator(device_of(model)).manual_seed(START_SEED)
    both = zip(
        refine(model, task, instances, steps[-1]),
        refine(model, task, instances, steps[-1], generator=generator),
        strict=True,
    )
    for count, (step, other) in enumerate(both, start=1):
        assert step.residual is not None
        assert step.state is not None
        done = waiting & (step.residual < tol)
        used[done], waiting = count, waiting & ~done
        if count in steps:
            read = Answers(task, instances, last)
            columns.append(
                {
                    "solved": task.score(instances, step.answer)["solved"] & step.finite,
                    "residual": step.residual,
                    "rms": state_rms(step.state).cpu().numpy(),
                    "changed": (step.answer != last).mean(axis=1),
                    "finite": step.finite,
                    "same": (other.answer == step.answer).all(axis=1),
                    "radius": _radii(model, read, step.state[:radius_rows]),
                }
            )
        last = step.answer
    stacked = {name: np.stack([c[name] for c in columns], axis=1) for name in columns[0]}
    return {"used": used, **stacked}


def _radii(model: RefinementModel, read: Answers, states: Tensor) -> np.ndarray:
    """(r,) spectral radius of the step at the states (r, ...) of the first rows; NaN: unknown.

    Args:
        model: The model.
        read: The answers that the step has read.
        states: Where it has led, costly: 20 vjps for each.
    """
    if not len(states):
        return np.zeros(0)
    few = {name: values[: len(states)] for name, values in read.shown(device_of(model)).items()}
    linearized = model.linearized(model.encode(few), states)
    if linearized is None:
        return np.full(len(states), np.nan)
    return spectral_radius(*linearized).cpu().numpy()
