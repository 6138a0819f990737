"""What a training has led to, as one document; and the graph that it learns on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ttc_agents.evaluation.intervals import share
from ttc_agents.evaluation.sweep import sweep
from ttc_agents.inference.checkpoint import load_config, load_model, load_task
from ttc_agents.models import RefinementModel
from ttc_agents.models.neighbour_graph import edge_scores
from ttc_agents.training.loop import Hook, Metrics
from ttc_agents.training.recipe import split_levels
from ttc_agents.training.train import FIRST, TrainResult
from ttc_agents.training.update import Training
from ttc_envs import Instances, Task

INSTANCES, STEPS = 500, 64
LOOKS = 48
"""Equal parts of a training; a graph is looked at where one begins, and at the end."""


def outcome(result: TrainResult) -> dict[str, Any]:
    """Counts of the training, and `solved`, the share of test instances after `STEPS` steps (P1).

    With what the model is judged by beside that (`RefinementModel.findings`).
    """
    directory = result.checkpoint
    recipe = load_config(directory)["recipe"]
    stages = [directory / FIRST, directory] if recipe["first"] else [directory]
    seconds = [load_config(stage)["seconds"] for stage in stages]
    model, task = load_model(directory), load_task(directory, "test")
    level = split_levels(recipe["level"])[-1]
    instances = task.sample(np.arange(INSTANCES, dtype=np.uint64), level)
    found = sweep(model, task, {level: instances}, [STEPS], protocols=("p1",), classical=())
    return {
        "recipe": recipe["name"],
        "seed": recipe["seed"],
        "updates": result.updates,
        "instances": result.instances,
        "seconds": round(sum(seconds), 2),
        "level": level,
        "solved": round(float(found.solved["p1"][level].mean()), 4),
        "num_test": INSTANCES,
        "steps": STEPS,
        **findings(model, task, instances),
    }


def findings(model: RefinementModel, task: Task, instances: Instances) -> dict[str, Any]:
    """`RefinementModel.findings`, flags of instances as shares with 95% intervals."""
    return _shares(model.findings(task, instances))


def _shares(found: Any) -> Any:
    """Flags (n,) as shares, anywhere in a document."""
    if isinstance(found, dict):
        return {name: _shares(value) for name, value in found.items()}
    return share(int(found.sum()), len(found)) if isinstance(found, np.ndarray) else found


class GraphWatch(Hook):
    """Follows the graph of a model that learns one; other models do not matter.

    `edge_precision` and `edge_recall` of the most likely graph, as of the last look, join the
    metrics, where the task has a graph to compare with.

    Attributes:
        frames: (N, N) how often each edge was drawn, by look.
        scores: Of the last look; empty where no graph is learnt.
    """

    def __init__(self) -> None:
        self.frames: list[np.ndarray] = []
        self.scores: dict[str, Tensor] = {}
        self._looked: tuple[Training, int] | None = None

    def after_update(self, training: Training, metrics: Metrics, done: float) -> Metrics:
        """The scores."""
        model: Any = training.model
        if not model.learns_graph or training.task.spec.neighbours is None:
            return {}
        now = training, int(done * LOOKS)
        if self._looked != now:
            self._looked = now
            model.eval()
            with torch.no_grad():
                graph = model.likely_graph(training.carried.batch)
            scores = edge_scores(graph, training.task.spec)
            self.scores = {name: torch.tensor(value) for name, value in scores.items()}
            if not training.recipe.frozen:
                self.frames.append(model.edge_shares(training.carried.batch))
            model.train()
        return self.scores
