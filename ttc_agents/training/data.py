"""The batch of instances whose states are carried from update to update.

A model that is to think longer at test time than in training has to see its own late states.
`CarriedBatch` gives them at no cost: each update refines a batch of instances for one segment of
steps, keeps the detached states, and replaces only some instances by fresh ones. The number of
steps that a state has behind it is then spread over all depths, as in the sample pool of
Mordvintsev et al. 2020 (Growing neural cellular automata).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ttc_agents.models.base import Batch, RefinementModel, to_batch, to_tensor
from ttc_agents.training.objectives import Labels
from ttc_envs import Instances, Task


def random_keys(count: int, generator: torch.Generator) -> np.ndarray[Any, Any]:
    """(count,) uint64 keys of fresh instances."""
    words = torch.randint(-(2**63), 2**63 - 1, (count,), generator=generator, dtype=torch.int64)
    return words.numpy().view(np.uint64)


def read_labels(instances: Instances, device: torch.device | str = "cpu") -> Labels:
    """What objectives read: `answer` (B, N) int64 and, where there is one, `right` (B, N, C) bool."""
    labels = {"answer": to_tensor(instances.labels["answer"], device)}
    if "right" in instances.labels:
        labels["right"] = torch.from_numpy(instances.labels["right"]).to(device)
    return labels


@dataclass
class CarriedBatch:
    """B instances with the states that a model has reached on them.

    Args:
        task: Where fresh instances come from.
        level: Their level.
        size: B.
        restart: The probability that an instance is replaced by a fresh one after a segment.
        generator: Source of all randomness (on the CPU).
        device: Where the tensors live.
    """

    task: Task
    level: str
    size: int
    restart: float
    generator: torch.Generator
    device: torch.device | str = "cpu"
    batch: Batch = field(default_factory=dict)
    labels: Labels = field(default_factory=dict)
    state: Tensor | None = None
    age: Tensor = field(default_factory=lambda: torch.empty(0))
    drawn: int = 0

    def refill(self, model: RefinementModel) -> None:
        """Replace instances by fresh ones: all at first, later each with probability `restart`.

        A row whose state is not finite is always replaced.
        """
        if self.state is None:
            rows = torch.ones(self.size, dtype=torch.bool)
        else:
            broken = ~torch.isfinite(self.state.flatten(1)).all(1).cpu()
            rows = (torch.rand(self.size, generator=self.generator) < self.restart) | broken
        count = int(rows.sum())
        if count:
            self.replace(rows.to(self.device), count, model)

    def replace(self, rows: Tensor, count: int, model: RefinementModel) -> None:
        """Put `count` fresh instances, with their first states, into the rows (B,) bool."""
        instances = self.task.sample(random_keys(count, self.generator), self.level)
        fresh = to_batch(instances.fields, self.device)
        labels = read_labels(instances, self.device)
        with torch.no_grad():
            state = model.initial_state(model.encode(fresh))
        self.drawn += count
        if self.state is None:
            self.batch, self.labels, self.state = fresh, labels, state
            self.age = torch.zeros(self.size, dtype=torch.int64, device=self.device)
            return
        for name, values in fresh.items():
            self.batch[name][rows] = values
        for name, values in labels.items():
            self.labels[name][rows] = values
        self.state[rows], self.age[rows] = state.to(self.state), 0

    def keep(self, state: Tensor, steps: int) -> None:
        """Carry the detached state (B, ...) that `steps` more steps have led to."""
        self.state = state.detach()
        self.age += steps

    def discard(self) -> None:
        """Mark all states as broken, so that the next refill replaces every instance."""
        if self.state is not None:
            self.state = torch.full_like(self.state, torch.nan)

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed training needs to go on bit by bit."""
        return {
            "batch": self.batch,
            "labels": self.labels,
            "state": self.state,
            "age": self.age,
            "drawn": self.drawn,
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""

        def mine(values: Tensor) -> Tensor:
            return values.to(self.device, copy=True)

        self.batch = {name: mine(values) for name, values in saved["batch"].items()}
        self.labels = {name: mine(values) for name, values in saved["labels"].items()}
        self.state, self.age = mine(saved["state"]), mine(saved["age"])
        self.drawn = saved["drawn"]
        self.generator.set_state(saved["generator"])
