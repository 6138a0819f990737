"""Shortest paths on a map whose roads are hidden: does the learned graph find the roads?

    python experiments/learned_graph/hidden_map.py --seeds 0,1,2,3,4

A map of 32 places stays (another one for each seed). An instance is a target and a permutation of
names: each place shows its name in that instance and whether it is the target, and answers with the
name of the place that comes next on a shortest way there. Roads, lengths, coordinates and the
numbers of the places are not shown; since names change, a name can only be learnt from the place
that bears it. The graph belongs to the task, k = 8 is an upper bound and edges cost 0.01, so that
the degrees need not be known.

With --second SECONDS relational networks are trained for so many CPU seconds on the graph that was
found of the first map, on its roads, and on as many neighbours drawn blindly, and measured with
names that training has not shown.

Writes results/hidden-map.json and .png; the last line on stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from measure import RESULTS, follow, refine_on

from ttc_agents.figures.graphs import graph_picture
from ttc_agents.inference.refine import refine
from ttc_agents.models import RefinementModel
from ttc_agents.training.recipes import RECIPES
from ttc_envs import Field, Instances, NextHopTask, Task, TaskSpec
from ttc_envs.random_words import random_words

PLACES, NEIGHBOURS = 32, 8
TESTED = 10
"""Times that each target is measured, with other names."""
NAME_STREAM = 0
RECIPE = RECIPES["graph-9x9"].replaced(
    level="all",
    updates=400,
    model_options={
        "neighbours": NEIGHBOURS,
        "layers": 0,
        "width": 4,
        "edge_cost": 0.01,
        "prune_from": 120,
    },
)
NETWORK = {"width": 48, "message_layers": 1, "node_layers": 1}


class HiddenMap(Task):
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
        self.spec = TaskSpec(
            name="hidden_map",
            levels=("all",),
            fields={
                "name": Field("node", "symbol", (PLACES,), "int8", 0, PLACES - 1),
                "target": Field("node", "symbol", (PLACES,), "int8", 0, 1),
            },
            num_nodes=PLACES,
            num_choices=PLACES,
            choices="class",
            num_edits=PLACES * PLACES,
            neighbours=neighbours.astype(np.int32),
        )

    def sample(self, keys: np.ndarray, level: str) -> Instances:
        """A target and names for each key."""
        target = (keys % np.uint64(PLACES)).astype(np.int64)
        place = random_words(keys, NAME_STREAM, PLACES).argsort(-1)  # (B, name)
        fields = {
            "name": place.argsort(-1).astype(np.int8),
            "target": np.eye(PLACES, dtype=np.int8)[target],
        }
        right = self.right_names(fields)
        return Instances(keys, fields, {"answer": right.argmax(-1).astype(np.int8), "right": right})

    def right_names(self, fields: dict[str, np.ndarray]) -> np.ndarray:
        """(B, N, C) bool: a shortest way to the target may go on with the place of that name."""
        place = fields["name"].argsort(-1)
        right = self.right[fields["target"].argmax(-1)]
        return np.take_along_axis(right, place[:, None], axis=2)

    def solve(self, instances: Instances) -> np.ndarray:
        """One right name for each place."""
        return self.right_names(instances.fields).argmax(-1).astype(np.int8)

    def score(self, instances: Instances, answer: np.ndarray) -> dict[str, np.ndarray]:
        """Shares of right hops; the target itself has none."""
        right = self.right_names(instances.fields)
        asked = right.any(-1)
        hit = np.take_along_axis(right, answer[..., None].astype(np.int64), axis=2)[..., 0]
        share = (hit.sum(-1) / asked.sum(-1)).astype(np.float32)
        return {"quality": share, "accuracy": share, "solved": (hit | ~asked).all(-1)}


def hops_right(model: RefinementModel, task: HiddenMap, steps: int) -> dict[str, float]:
    """Over all targets: the share of right hops, and of instances with all hops right."""
    everything = task.sample(np.arange(TESTED * PLACES, dtype=np.uint64), "all")
    with torch.no_grad():
        *_, last = refine(model.eval(), task, everything, steps)
    scores = task.score(everything, last.answer)
    solved = scores["solved"] & last.finite
    return {
        "hops_right": round(float(scores["accuracy"].mean()), 4),
        "solved": round(float(solved.mean()), 4),
    }


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
        run, training = follow(RECIPE.replaced(seed=seed), 120.0, task)
        model, batch = training.model.eval(), training.carried.batch
        run["roads"] = int((task.spec.neighbours >= 0).sum())
        run["one_step"] = hops_right(model, task, 1)
        if not runs:
            picture = graph_picture(model.edge_shares(batch), task.spec)
            (arguments.out / "hidden-map.png").write_bytes(picture)
        if arguments.second and not runs:
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
