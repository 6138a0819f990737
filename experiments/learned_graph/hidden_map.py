"""Shortest paths on a map whose roads are hidden: does the learned graph find the roads?

    python experiments/learned_graph/hidden_map.py --seeds 0,1,2,3,4

A map of 32 places stays (another one for each seed), an instance is a target, the answer of each
place is the place that comes next on a shortest way there. All that a model sees is a token per
place: its number, and whether it is the target. No roads, distances or coordinates. The graph
belongs to the task, k = 12 is an upper bound and edges cost 0.01, so that the degrees (2 to 8) need
not be known.

With --second SECONDS relational networks are then trained for so many CPU seconds on the graph that
was found, on the roads, and on as many neighbours drawn blindly. Every target is seen in
training: what these rows compare is how well a graph serves, not how well a network generalises.

Writes results/hidden-map.json and .png; the last line on stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np
import torch
from measure import RESULTS, follow, refine_on

from ttc_agents.evaluation.graphs import edge_shares, graph_picture
from ttc_agents.models.base import to_batch
from ttc_agents.training.data import read_labels
from ttc_agents.training.objectives import solved_rows
from ttc_agents.training.recipes import RECIPES
from ttc_envs import Field, Instances, NextHopTask, TaskSpec

PLACES, NEIGHBOURS = 32, 12
RECIPE = dataclasses.replace(
    RECIPES["graph-9x9"],
    level="all",
    updates=800,
    model_options={
        "neighbours": NEIGHBOURS,
        "layers": 0,
        "width": 4,
        "edge_cost": 0.01,
        "prune_from": 120,
    },
)
NETWORK = {"width": 48, "message_layers": 1, "node_layers": 1}


class HiddenMap:
    """A map that stays, as a task with class choices (see the module).

    Args:
        key: Of the map, as `NextHopTask` draws it.
    """

    def __init__(self, key: int) -> None:
        task = NextHopTask(PLACES)
        drawn = task.sample(np.array([key], dtype=np.uint64), f"spread{PLACES}")
        neighbours = drawn.fields["neighbours"][0]
        places = np.arange(PLACES)
        fields = {name: v.repeat(PLACES, axis=0) for name, v in drawn.fields.items()}
        fields["target"] = np.eye(PLACES, dtype=np.int8)
        fields["source"] = np.roll(fields["target"], 1, axis=1)
        right = task.from_fields(fields).labels["right"]  # (target, place, slot)
        self.right = np.zeros((PLACES,) * 3, dtype=bool)  # (target, place, next place)
        for slot, neighbour in enumerate(neighbours.T):
            self.right[:, places, neighbour] |= right[:, :, slot]
        self.token = places + PLACES * np.eye(PLACES, dtype=np.int8)
        self.spec = TaskSpec(
            name="hidden_map",
            levels=("all",),
            fields={"token": Field("node", "symbol", (PLACES,), "int8", 0, 2 * PLACES - 1)},
            num_nodes=PLACES,
            num_choices=PLACES,
            choices="class",
            num_edits=PLACES * PLACES,
            neighbours=neighbours.astype(np.int32),
        )

    def sample(self, keys: np.ndarray, level: str) -> Instances:
        """One target for each key."""
        target = (keys % np.uint64(PLACES)).astype(np.int64)
        right = self.right[target]
        labels = {"answer": right.argmax(-1).astype(np.int8), "right": right}
        return Instances(keys, {"token": self.token[target].astype(np.int8)}, labels)


def hops_right(model: torch.nn.Module, task: HiddenMap, steps: int) -> dict[str, float]:
    """Over all targets: the share of right hops, and of targets to which all hops are right."""
    everything = task.sample(np.arange(PLACES, dtype=np.uint64), "all")
    batch, labels = to_batch(everything.fields), read_labels(everything)
    with torch.no_grad():
        logits = list(model.eval().iterate(batch, steps))[-1][0]
    right = labels["right"].gather(2, logits.argmax(-1)[..., None])[..., 0]
    share = right[labels["right"].any(-1)].float().mean()
    solved = solved_rows(logits, labels).float().mean()
    return {"hops_right": round(float(share), 4), "targets_solved": round(float(solved), 4)}


def second_stages(task: HiddenMap, found: torch.Tensor, seed: int, seconds: float) -> dict:
    """{graph: what a relational network reaches on it}."""
    degree = int((found >= 0).sum(-1).float().mean().round())
    others = torch.rand(PLACES, PLACES, generator=torch.Generator().manual_seed(seed))
    blind = others.fill_diagonal_(-1).topk(degree, -1).indices
    graphs = {"found": found, "true": torch.as_tensor(task.spec.neighbours).long(), "blind": blind}
    rows = {}
    for name, graph in graphs.items():
        model = refine_on(task, graph, NETWORK, "all", seed, seconds)
        rows[name] = {str(steps): hops_right(model, task, steps) for steps in (8, 32)}
    return rows


def main() -> None:
    """One map per seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--second", type=float, default=0.0, help="CPU seconds of each network")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    runs = []
    for seed in map(int, arguments.seeds.split(",")):
        task = HiddenMap(seed)
        run, training = follow(dataclasses.replace(RECIPE, seed=seed), 120.0, task)
        model, batch = training.model.eval(), training.carried.batch
        run["roads"] = int((task.spec.neighbours >= 0).sum())
        run["one_step"] = hops_right(model, task, 1)
        if not runs:
            picture = graph_picture(edge_shares(model, batch), task.spec)
            (arguments.out / "hidden-map.png").write_bytes(picture)
        if arguments.second:
            with torch.no_grad():
                found = model.likely_graph(batch)[0]
            run["second_stage"] = second_stages(task, found, seed, arguments.second)
        runs.append(run)
        document = {"setting": "hidden-map", "recipe": RECIPE.to_json(), "runs": runs}
        (arguments.out / "hidden-map.json").write_text(json.dumps(document) + "\n")
        print({k: v for k, v in run.items() if k != "curve"}, flush=True)
    worst = {k: min(run[k] for run in runs) for k in ("edge_precision", "edge_recall")}
    print(json.dumps({"setting": "hidden-map", "seeds": len(runs), "worst": worst}))


if __name__ == "__main__":
    main()
