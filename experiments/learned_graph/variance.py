"""Variance of the gradient of the edges' scores, by estimator, at equal samples.

    python experiments/learned_graph/variance.py

One batch of boards, the graph's scores all equal as at the start of learning, a counting network
whose table has learned a little (as after some fifty updates). Each estimator's gradient is drawn
anew REPEATS times, with as many graphs per board for each; its variance is summed up over all
edges. The last line on stdout is one JSON document, also written to results/variance.json:
variance over that of plain REINFORCE, the 95% interval of that ratio from bootstrapped repeats, and
the cosine between the mean gradient and that of the per-node leave-one-out estimator.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from measure import RESULTS
from objectives import (
    one_reward_per_graph,
    reinforce,
    reinforce_per_node,
    scored,
    weighted_graphs,
)
from torch import Tensor

from ttc_agents.models.base import free_nodes
from ttc_agents.training.objectives import Objective, sampled_graphs
from ttc_agents.training.recipes import RECIPES
from ttc_agents.training.update import Training
from ttc_envs import make_task

REPEATS, BOARDS, GRAPHS, COUNTED = 100, 16, 4, 0.03
MEAN_COST = 2.2
"""About the loss of a node at the start: what a learned constant baseline would come to."""


def constant(credit: Tensor) -> Tensor:
    """A baseline that is the same for all: the mean cost, known beforehand."""
    return MEAN_COST * (credit != 0) / (credit != 0).sum()


ESTIMATORS: dict[str, tuple[Objective, str]] = {
    "reinforce": (reinforce, "score"),
    "one reward per graph, leave one out": (one_reward_per_graph, "score"),
    "per node, no baseline": (reinforce_per_node, "score"),
    "per node, mean of all samples' costs": (scored(True, constant), "score"),
    "per node, leave one out": (sampled_graphs, "score"),
    "simple (biased)": (weighted_graphs, "simple"),
    "straight through (biased)": (weighted_graphs, "straight_through"),
}


def gradients(objective: Objective, estimator: str) -> Tensor:
    """(REPEATS, N * N), gradients of the table of scores."""
    base = RECIPES["graph-9x9"]
    options = {**base.model_options, "estimator": estimator, "training_graphs": GRAPHS, "layers": 0}
    recipe = base.replaced(model_options=options, batch_size=BOARDS)
    training = Training(recipe, make_task(recipe.env_id, **recipe.task))
    model, carried = training.model, training.carried
    carried.refill(model)
    with torch.no_grad():
        model.inner.table.copy_(-COUNTED * torch.eye(9))
    free = free_nodes(training.task.spec, carried.batch)
    found = []
    for _ in range(REPEATS):
        loss = objective(model(carried.batch, 1), carried.labels, free)
        (gradient,) = torch.autograd.grad(loss, model.edges.table)
        found.append(gradient.flatten())
    return torch.stack(found)


def main() -> None:
    """Measure all estimators."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    drawn = {name: gradients(*how) for name, how in ESTIMATORS.items()}
    plain, mean = drawn["reinforce"], drawn["per node, leave one out"].mean(0)
    rows = {}
    for name, values in drawn.items():
        rng = torch.Generator().manual_seed(0)
        ratios = []
        for _ in range(200):
            one, other = (torch.randint(REPEATS, (REPEATS,), generator=rng) for _ in range(2))
            ratios.append(plain[one].var(0).sum() / values[other].var(0).sum())
        low, high = torch.stack(ratios).quantile(torch.tensor([0.025, 0.975])).tolist()
        rows[name] = {
            "times_less_variance": round(float(plain.var(0).sum() / values.var(0).sum()), 2),
            "interval": [round(low, 2), round(high, 2)],
            "cosine": round(float(torch.cosine_similarity(values.mean(0), mean, dim=0)), 3),
        }
    document = {"repeats": REPEATS, "boards": BOARDS, "graphs": GRAPHS, "estimators": rows}
    (arguments.out / "variance.json").write_text(json.dumps(document) + "\n")
    print(json.dumps(document))


if __name__ == "__main__":
    main()
