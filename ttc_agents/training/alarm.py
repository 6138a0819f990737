"""An alarm for trainings that are about to lose what they have learnt, and the way back.

A training of fixed points can fall from its best to nothing within a few dozen updates
(experiments/deq_collapse). Two numbers tell early, and are compared with their best so far:

- probe: solved share of fixed validation instances after a fixed number of steps;
- settled: share of training instances whose solve came near, to a residual below `NEAR`; the mean
  since the last check. (The tolerance of the solver is too strict: trainings that go well miss it.)

Where one of them falls below its share of `KEEP`, weights, averaged weights and optimizer go back
to where the probe was best, the carried states are drawn anew, and all rates are halved from there
on. Nothing is done before the probe has reached `LEARNT`.
"""

from __future__ import annotations

import copy
import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ttc_agents.models import RefinementModel, Trace
from ttc_agents.models.base import Batch, to_batch
from ttc_agents.training.data import Answers
from ttc_agents.training.recipes import Recipe
from ttc_envs import Instances, Task, make_task

if TYPE_CHECKING:
    from ttc_agents.training.state import Training

COUNT, STEPS = 64, 64
"""Validation instances of a probe, and the refinement steps that each is given."""
LEARNT, NEAR = 0.2, 0.2
KEEP = {"probe": 0.75, "settled": 0.5}
"""The share of its best so far that each number has to keep."""


def probe(model: RefinementModel, task: Task, instances: Instances, num_steps: int) -> float:
    """The share of instances that the rules accept after so many steps; not finite: unsolved.

    Args:
        model: The model; it is left in training mode.
        task: The task.
        instances: n of them.
        num_steps: Refinement steps.
    """
    device = next(model.parameters()).device
    answers = Answers(task, instances, task.initial_answer(instances))

    def observe(logits: Tensor) -> Batch:
        answers.apply(logits)
        return answers.shown(device)

    batch = answers.shown(device) if model.reads_answer else to_batch(instances.fields, device)
    with torch.no_grad():
        for logits, _ in model.eval().iterate(batch, num_steps, observe=observe):
            last = logits
    model.train()
    answers.apply(last)
    finite = torch.isfinite(last).flatten(1).all(1).cpu().numpy()
    return float((task.score(instances, answers.answer)["solved"].astype(bool) & finite).mean())


def solver_metrics(model: RefinementModel, trace: Trace) -> dict[str, Tensor]:
    """Of a model that solves for a fixed point, after the backward pass, means over the rows.

    `residual` (1 where it is larger), `converged` and `settled` of the forward solve;
    `backward_residual`, `backward_converged` and `discarded`, the share whose gradient was left
    out, of the backward one. Empty for other models.
    """
    names = [name for name in ("residual", "converged") if name in trace.extras]
    found: dict[str, Tensor] = {
        name: trace.extras[name].detach().float().clamp(max=1).mean() for name in names
    }
    if "residual" in found:
        found["settled"] = (trace.extras["residual"] < NEAR).float().mean()
    report = getattr(model, "backward", None)
    if report is not None:
        # Where no gradient reached the fixed point there was nothing to solve.
        zero = trace.logits.new_zeros(1)
        solved = report.residual, report.converged, report.discarded
        columns = (zero, zero + 1, zero) if report.residual is None else solved
        ours = ("backward_residual", "backward_converged", "discarded")
        for name, values in zip(ours, columns, strict=True):
            found[name] = values.float().clamp(max=1).mean()
    return found


class Alarm:
    """Watches a training of a recipe with `alarm_every` (see the module).

    Args:
        recipe: Says what is trained and how many updates lie between two checks.
    """

    def __init__(self, recipe: Recipe) -> None:
        """Draw the validation instances."""
        task = make_task(recipe.env_id, **recipe.task)
        if "split" in inspect.signature(type(task)).parameters:
            task = make_task(recipe.env_id, **{**recipe.task, "split": "validation"})
        self.task, self.every = task, recipe.alarm_every or 1
        self.instances = task.sample(np.arange(COUNT, dtype=np.uint64), recipe.levels()[-1])
        self.best: dict[str, float] = {}
        self.kept: dict[str, Any] | None = None
        self.settled: list[float] = []
        self.last, self.rollbacks = 0.0, 0

    @property
    def scale(self) -> float:
        """What is left of the learning rates."""
        return 0.5**self.rollbacks

    def after_update(self, training: Training, metrics: dict[str, Tensor]) -> dict[str, Tensor]:
        """Check where it is time to; returns the metrics with `probe` and `rollbacks` added."""
        if "settled" in metrics:
            self.settled.append(float(metrics["settled"]))
        if training.updates % self.every == 0:
            self.check(training)
        numbers = {"probe": float(self.last), "rollbacks": float(self.rollbacks)}
        return {**metrics, **{name: torch.tensor(value) for name, value in numbers.items()}}

    def check(self, training: Training) -> None:
        """Measure, keep what is best so far, and roll back where a number has fallen."""
        self.last = probe(training.model, self.task, self.instances, STEPS)
        now = {"probe": self.last}
        if self.settled:
            now["settled"] = float(np.mean(self.settled))
        self.settled = []
        if self.kept is not None and any(
            value < KEEP[name] * self.best.get(name, 0.0) for name, value in now.items()
        ):
            training.restore(self.kept)
            training.carried.discard()
            self.rollbacks += 1
            return
        if self.last >= max(LEARNT, self.best.get("probe", 0.0)):
            self.kept = copy.deepcopy(training.learnt())
        self.best = {name: max(value, self.best.get(name, 0.0)) for name, value in now.items()}

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed training needs to go on bit by bit."""
        names = ("best", "kept", "settled", "last", "rollbacks")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        for name, value in saved.items():
            setattr(self, name, value)
