"""An alarm for trainings that are about to lose what they have learnt, and the way back.

A training of fixed points can fall from its best to nothing within a few dozen updates
(experiments/deq_collapse). Two numbers tell early, and are compared with their best so far:

- validation: solved share of fixed validation instances after a fixed number of steps;
- settled: share of training instances whose solve came near a fixed point (`objectives.NEAR`); the
  mean since the last check.

Where one of them falls below its share of `KEEP`, weights, averaged weights and optimizer go back
to where the validation share was best, the carried states are drawn anew, and all rates are halved
from there on. Nothing is done before that share has reached `LEARNT`.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch

from ttc_agents.inference.checkpoint import split_task
from ttc_agents.inference.refine import solved_share
from ttc_agents.training.loop import Hook, Metrics
from ttc_agents.training.recipe import Recipe
from ttc_agents.training.update import Training

COUNT, STEPS = 64, 64
"""Validation instances of a check, and the refinement steps that each is given."""
LEARNT = 0.2
KEEP = {"validation": 0.75, "settled": 0.5}
"""The share of its best so far that each number has to keep."""
SAVED = ("best", "kept", "settled", "last")


class Alarm(Hook):
    """Watches a training (see the module).

    Args:
        recipe: Says what is trained and how many updates lie between two checks.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.task = split_task(recipe.env_id, recipe.task, "validation")
        self.every = recipe.alarm_every or 1
        self.instances = self.task.sample(np.arange(COUNT, dtype=np.uint64), recipe.levels()[-1])
        self.best: dict[str, float] = {}
        self.kept: dict[str, Any] | None = None
        self.settled: list[float] = []
        self.last = 0.0

    def after_update(self, training: Training, metrics: Metrics, done: float) -> Metrics:
        """Check where it is time to; `validation` and `rollbacks` join the metrics."""
        if "settled" in metrics:
            self.settled.append(float(metrics["settled"]))
        if training.updates % self.every == 0:
            self.check(training)
        return {
            "validation": torch.tensor(float(self.last)),
            "rollbacks": torch.tensor(float(training.rollbacks)),
        }

    def check(self, training: Training) -> None:
        """Measure, keep what is best so far, and roll back where a number has fallen."""
        self.last = solved_share(training.model, self.task, self.instances, STEPS)
        now = {"validation": self.last}
        if self.settled:
            now["settled"] = float(np.mean(self.settled))
        self.settled = []
        if self.kept is not None and any(
            value < KEEP[name] * self.best.get(name, 0.0) for name, value in now.items()
        ):
            training.roll_back(self.kept)
            return
        if self.last >= max(LEARNT, self.best.get("validation", 0.0)):
            self.kept = copy.deepcopy(training.learning.state_dict())
        self.best = {name: max(value, self.best.get(name, 0.0)) for name, value in now.items()}

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed training needs to go on bit by bit."""
        return {name: getattr(self, name) for name in SAVED}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        for name in SAVED:
            setattr(self, name, saved[name])
