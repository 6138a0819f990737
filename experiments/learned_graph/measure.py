"""How fast the graph of a task is found, by setting and seed, in process CPU seconds.

    python experiments/learned_graph/measure.py 9x9 --seeds 0,1,2,3,4

Writes results/SETTING.json: for each seed the curve of (updates, CPU seconds, precision, recall,
loss) and when both were first 0.99, 0.999 and 1. A run ends once the graph is exact, at its
recipe's end, or at --limit. Seeds that the file has of the same recipe stay in it. The last line on
stdout is the summary as JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ttc_agents.evaluation.graphs import edge_scores, edge_shares, graph_picture
from ttc_agents.models.base import RefinementModel
from ttc_agents.stochastic import Cost, StochasticNode, leave_one_out, surrogate_loss
from ttc_agents.training.objectives import OBJECTIVES, graph_losses
from ttc_agents.training.recipes import RECIPES, Recipe
from ttc_agents.training.state import Training
from ttc_envs import make_task

RESULTS = Path(__file__).parent / "results"
EVERY = 10
SIX = {"task": {"size": 6}, "level": "givens=16..32"}
SIXTEEN = {
    "task": {"size": 16},
    "level": "givens=150..235",
    "batch_size": 24,
    "updates": 4000,
    "decay_from": 0.7,
}
PRUNED = {"neighbours": 28, "edge_cost": 0.01, "prune_from": 120}
BIASED = {"objective": "weighted_graphs"}
STUDY = {"per_instance": True, "layers": 1, "width": 16}
LSTM = {"model": "relational_network", "options": {"width": 32, "message_layers": 1}}
RECURRENT = {"segment_steps": 4, "batch_size": 16, "updates": 4000, "learning_rate": 3e-3}
# {setting: (what of the recipe differs, what of the model's options differs)}
SETTINGS = {
    "9x9": ({}, {}),
    "9x9-pruned": ({"updates": 1200, "decay_from": 0.8}, PRUNED),
    "9x9-single-stage": ({"segment_steps": 3}, {}),
    "9x9-per-instance": ({}, STUDY),
    "9x9-study": ({"segment_steps": 3}, STUDY),
    "9x9-study-lstm": (RECURRENT, {**STUDY, "inner": LSTM, "entropy": (0.05, 0.0)}),
    "9x9-axes": ({"updates": 600}, {"positions": True, "table": False, "layers": 1, "width": 32}),
    "9x9-axes-table": ({}, {"positions": True, "layers": 1, "width": 32}),
    "9x9-simple": (BIASED, {"estimator": "simple"}),
    "9x9-straight-through": (BIASED, {"estimator": "straight_through"}),
    "9x9-reinforce": ({"objective": "reinforce"}, {}),
    "9x9-reinforce-per-node": ({"objective": "reinforce_per_node"}, {}),
    "9x9-one-reward": ({"objective": "one_reward_per_graph"}, {}),
    "9x9-two-graphs": ({"batch_size": 128}, {"training_graphs": 2}),
    "6x6": (SIX, {"neighbours": 12}),
    "16x16": (SIXTEEN, {"neighbours": 39}),
}


def scored(per_node, baseline):
    """An objective with another credit or baseline than `sampled_graphs`."""

    def objective(trace, labels, free=None):
        losses, weight, log_prob = graph_losses(trace, labels, free)
        costs = weight * losses
        node = StochasticNode(log_prob, baseline)
        credit = Cost(costs if per_node else costs.sum(-1, keepdim=True), (node,))
        return surrogate_loss([credit])

    return objective


def weighted_graphs(trace, labels, free=None):
    """The losses alone: the edges' weights carry a derivative of their own."""
    losses, weight, _ = graph_losses(trace, labels, free)
    return (weight * losses).sum()


OBJECTIVES |= {
    "reinforce": scored(False, None),
    "reinforce_per_node": scored(True, None),
    "one_reward_per_graph": scored(False, leave_one_out),
    "weighted_graphs": weighted_graphs,
}


def recipe_of(setting: str, seed: int) -> Recipe:
    """The recipe of a setting."""
    changes, options = SETTINGS[setting]
    base = RECIPES["graph-9x9"]
    options = {**base.model_options, **options}
    return dataclasses.replace(base, **changes, model_options=options, seed=seed)


def follow(recipe: Recipe, limit: float, task: Any = None) -> tuple[dict, Training]:
    """Train until the graph is exact, the recipe ends or the CPU seconds are spent.

    A task stands in for the recipe's own; of the graph it needs the spec and `sample`.
    """
    task = task or make_task(recipe.env_id, **recipe.task)
    training = Training(recipe, task, torch.device("cpu"))
    engine, curve, spent = training.engine(print), [], 0.0
    while training.progress() < 1 and spent < limit:
        start = time.process_time()
        metrics = training.update(engine)
        spent += time.process_time() - start
        if training.updates % EVERY == 0 or training.progress() >= 1:
            model = training.model.eval()
            with torch.no_grad():
                graph = model.likely_graph(training.carried.batch)
            model.train()
            found = edge_scores(graph, training.task.spec)
            point = [training.updates, round(spent, 2), *(round(v, 5) for v in found.values())]
            curve.append([*point, round(float(metrics["loss"]), 4)])
            if min(found.values()) == 1:
                break
    result = {"seed": recipe.seed, "curve": curve, "updates": training.updates}
    for bound in (0.99, 0.999, 1.0):
        there = [point[1] for point in curve if min(point[2:4]) >= bound]
        result[f"seconds_to_{bound}"] = there[0] if there else None
    result |= {"edge_precision": curve[-1][2], "edge_recall": curve[-1][3], "seconds": curve[-1][1]}
    return result, training


class OnGraph:
    """A task with another graph in the place of its structure.

    Args:
        task: The task.
        graph: (N, k) neighbours, -1 where there is none.
    """

    def __init__(self, task: Any, graph: torch.Tensor) -> None:
        self.sample = task.sample
        neighbours = graph.numpy().astype(np.int32)
        self.spec = dataclasses.replace(task.spec.without_structure(), neighbours=neighbours)


def refine_on(
    task: Any, graph: torch.Tensor, options: dict, level: str, seed: int, seconds: float
) -> RefinementModel:
    """A relational network, trained for so many CPU seconds on a graph that stays."""
    recipe = dataclasses.replace(
        RECIPES["sudoku9-rrn-cpu-60min"],
        level=level,
        model_options={**options, "positions": False},
        seconds=seconds,
        precision="float32",
        seed=seed,
    )
    training = Training(recipe, OnGraph(task, graph), torch.device("cpu"))
    engine = training.engine(print)
    while training.progress() < 1:
        start = time.process_time()
        training.update(engine)
        training.seconds += time.process_time() - start
    training.model.load_state_dict(training.averaged_weights())
    return training.model.eval()


def other_runs(path: Path, recipe: dict, seeds: list[int]) -> list[dict]:
    """The runs of other seeds that a file has of the same recipe."""
    if not path.is_file():
        return []
    document = json.loads(path.read_text())
    same = {name: recipe[name] for name in document["recipe"] if name in recipe and name != "seed"}
    # Through JSON, where tuples are lists.
    if json.loads(json.dumps(same)) != {k: v for k, v in document["recipe"].items() if k in same}:
        return []
    return [run for run in document["runs"] if run["seed"] not in seeds]


def main() -> None:
    """Measure one setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("setting", choices=sorted(SETTINGS))
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--limit", type=float, default=120.0, help="CPU seconds per seed")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    path = arguments.out / f"{arguments.setting}.json"
    runs = other_runs(path, recipe_of(arguments.setting, 0).to_json(), seeds)
    for seed in seeds:
        run, training = follow(recipe_of(arguments.setting, seed), arguments.limit)
        runs = sorted([*runs, run], key=lambda run: run["seed"])
        document = {"setting": arguments.setting, "recipe": training.recipe.to_json(), "runs": runs}
        path.write_text(json.dumps(document) + "\n")
        print({k: v for k, v in run.items() if k != "curve"}, flush=True)
    training.model.eval()
    shares = edge_shares(training.model, training.carried.batch)
    (arguments.out / f"{arguments.setting}.png").write_bytes(
        graph_picture(shares, training.task.spec)
    )
    worst = {k: min(run[k] for run in runs) for k in ("edge_precision", "edge_recall")}
    print(json.dumps({"setting": arguments.setting, "seeds": len(runs), "worst": worst}))


if __name__ == "__main__":
    main()
