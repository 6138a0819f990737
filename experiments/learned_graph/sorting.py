"""Sorting 16 keys on a learned graph: which graph is chosen?

    python experiments/learned_graph/sorting.py --seeds 0,1,2

The task's own graph (complete view) links every item with every other, and counting smaller keys
over it sorts in one step. Here a relational network that counts works on a graph that is learned
with it, and no links are given. Item i's loss is that of the place which it should get.

- `five`: 5 neighbours each, one graph for all lists.
- `five by list`: 5 neighbours each, scores read from the keys.
- `pruned`, `pruned by list`: up to 15 neighbours, an edge costs 0.01 nats.

Measured on 1,000 lists: edges per item, share of places right and of lists sorted on the likeliest
graph, on blind draws of as many neighbours, and on the complete graph; and how often the item of
rank r draws that of rank s, over what blind draws would do (sorting.png). Writes
results/sorting.json, where other settings and seeds stay; the last line on stdout is one JSON
document.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from measure import RESULTS
from torch import Tensor

from ttc_agents.figures.theme import THEMES, canvas, png
from ttc_agents.models import AdjacencyLearner
from ttc_agents.models.base import to_batch
from ttc_agents.models.neighbour_graph import as_weights
from ttc_agents.training.loop import run
from ttc_agents.training.recipes import RECIPES
from ttc_agents.training.update import Training
from ttc_envs import SortingTask

SIZE, LISTS = 16, 1000
INNER = {
    "model": "relational_network",
    "options": {"width": 16, "message_layers": 0, "node_layers": 1, "potentials": 2},
}
BY_LIST = {"per_instance": True, "table": False, "layers": 1, "width": 32, "field_scale": 1.0}
ONE = {"layers": 0, "width": 4}
PRUNED = {"neighbours": SIZE - 1, "edge_cost": 0.01, "prune_from": 800}
SETTINGS = {
    "five": {**ONE, "neighbours": 5},
    "five by list": {**BY_LIST, "neighbours": 5},
    "pruned": {**ONE, **PRUNED},
    "pruned by list": {**BY_LIST, **PRUNED},
}
RECIPE = RECIPES["graph-9x9"].replaced(
    env_id="ttc/Sorting-v0",
    task={"size": SIZE},
    level="uniform",
    objective="objectives:sampled_graphs_of_items",
    updates=2000,
    batch_size=32,
    learning_rate=3e-3,
    warmup=50,
    clip=1.0,
    ema=0.99,
)


def blind(edges: float, rows: int) -> Tensor:
    """(B, N, k) neighbours drawn blindly, k the nearest whole number of edges."""
    others = torch.rand(rows, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    others.diagonal(dim1=1, dim2=2).fill_(-1)
    return others.topk(max(1, round(edges)), -1).indices


def by_rank(graph: Tensor, rank: Tensor) -> np.ndarray:
    """(N, N) how often rank r (row) has rank s as neighbour, times what blind draws would give."""
    weights = as_weights(graph, SIZE)
    order = rank.argsort(-1)
    ranked = weights.gather(1, order[..., None].expand_as(weights))
    ranked = ranked.gather(2, order[:, None].expand_as(weights))
    share = ranked.mean(0) / ranked.sum(-1).mean() * (SIZE - 1)
    return share.numpy()


def measured(model: AdjacencyLearner, task: SortingTask) -> dict:
    """What the module says."""
    lists = task.sample(np.arange(LISTS, dtype=np.uint64), "uniform")
    batch = to_batch(lists.fields)
    rank = torch.as_tensor(lists.labels["place"].astype(np.int64))
    with torch.no_grad():
        graph = model.likely_graph(batch).expand(LISTS, -1, -1)
        edges = float((graph >= 0).sum(-1).float().mean())
        complete = torch.as_tensor(task.spec.neighbours).long()
        graphs = {"likeliest": graph, "blind": blind(edges, LISTS), "complete": complete}
        rows = {}
        for name, used in graphs.items():
            context = model.inner.encode(batch, used)
            state = model.inner.initial_state(context)
            ((logits, _),) = model.inner.steps(context, state, 1)
            scores = task.score(lists, logits.argmax(-1).numpy())
            rows[name] = {k: round(float(scores[k].mean()), 4) for k in ("accuracy", "solved")}
    return {"edges_per_item": round(edges, 2), "graphs": rows, "by_rank": by_rank(graph, rank)}


def picture(shares: dict[str, np.ndarray]) -> bytes:
    """Rank against rank for each setting; blue is more than blind draws give, red is less."""
    figure, axes = canvas(THEMES["light"], (3.6 * len(shares), 4.0), columns=len(shares))
    for panel, (name, share) in zip(np.atleast_1d(axes), shares.items(), strict=True):
        panel.imshow(share, cmap="RdBu", vmin=0, vmax=2)
        panel.set_title(name, loc="left", fontsize=11)
        panel.set_xlabel("rank of the neighbour")
        panel.set_ylabel("rank of the item")
        panel.grid(False)
    return png(figure)


def main() -> None:
    """Each setting for each seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", default=",".join(SETTINGS))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    task, shares = SortingTask(SIZE), {}
    names, seeds = arguments.settings.split(","), [int(s) for s in arguments.seeds.split(",")]
    path = arguments.out / "sorting.json"
    runs = json.loads(path.read_text())["runs"] if path.is_file() else []
    runs = [each for each in runs if each["setting"] not in names or each["seed"] not in seeds]
    for name in names:
        for seed in seeds:
            options = {**SETTINGS[name], "inner": INNER}
            recipe = RECIPE.replaced(model_options=options, seed=seed)
            training = Training(recipe, task)
            spent = run(training, recipe.length, clock=time.process_time)
            found = {"setting": name, "seed": seed, "seconds": round(spent.seconds, 1)}
            found |= measured(training.model.eval(), task)
            share = found.pop("by_rank")
            shares.setdefault(name, share)
            # Where no choice is made all of these are 1.
            found["nearest_ranks"] = round(float(np.diag(share, 1).mean()), 3)
            found["most_drawn_rank"] = round(float(share.sum(0).max() / (SIZE - 1)), 3)
            runs.append(found)
            print(found, flush=True)
            document = {"setting": "sorting", "recipe": RECIPE.to_json(), "runs": runs}
            path.write_text(json.dumps(document) + "\n")
    (arguments.out / "sorting.png").write_bytes(picture(shares))
    print(json.dumps({"setting": "sorting", "runs": len(runs)}))


if __name__ == "__main__":
    main()
