"""What a training has led to, as one document."""

from __future__ import annotations

from typing import Any

import numpy as np

from ttc_agents.evaluation.graphs import (
    GraphWatch,
    edge_scores,
    edge_shares,
    graph_gif,
    graph_picture,
)
from ttc_agents.evaluation.paths import path_metrics
from ttc_agents.evaluation.sweep import sweep
from ttc_agents.models import AdjacencyLearner
from ttc_agents.models.base import to_batch
from ttc_agents.models.path_model import PathModel
from ttc_agents.training import checkpoint
from ttc_agents.training.recipes import Recipe
from ttc_agents.training.trainer import FIRST, TrainResult
from ttc_envs import make_task

INSTANCES, STEPS = 500, 64


def outcome(result: TrainResult, recipe: Recipe, watch: GraphWatch) -> dict[str, Any]:
    """Counts of the training, and `solved`, the share of test instances after `STEPS` steps (P1).

    Of a language model over paths also its loss and the paths that it writes, see `paths`.
    Of a model that learns a graph of a task that has one also `edge_precision` and `edge_recall`;
    the pictures `graph.png` and `graph.gif` are put beside the checkpoint.
    """
    directory = result.checkpoint
    stages = [d for d in (directory / FIRST, directory) if (d / "config.json").is_file()]
    seconds = [checkpoint.load_config(stage)["seconds"] for stage in stages]
    model = checkpoint.load_model(directory)
    task = make_task(recipe.env_id, **{**recipe.task, "split": "test"})
    level = recipe.levels()[-1]
    instances = task.sample(np.arange(INSTANCES, dtype=np.uint64), level)
    found = sweep(model, task, {level: instances}, [STEPS], protocols=("p1",), classical=())
    document = {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "updates": result.updates,
        "instances": result.instances,
        "seconds": round(sum(seconds), 2),
        "level": level,
        "solved": round(float(found.solved["p1"][level].mean()), 4),
        "num_test": INSTANCES,
        "steps": STEPS,
    }
    if isinstance(model, PathModel):
        document |= path_metrics(model, task, instances)
    if isinstance(model, AdjacencyLearner) and task.spec.neighbours is not None:
        batch = to_batch(instances[:8].fields)
        document |= edge_scores(model.likely_graph(batch), task.spec)
        shares = edge_shares(model, batch)
        (directory / "graph.png").write_bytes(graph_picture(shares, task.spec))
        if watch.frames:
            (directory / "graph.gif").write_bytes(graph_gif(watch.frames, task.spec))
    return document
