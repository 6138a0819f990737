"""A learned energy of paths, and terms that forbid a region: added at test time, without training.

    .venv/bin/python experiments/energy/region.py --seconds 120 --seeds 1

A network learns the next hops of shortest paths on small maps. In each test map one place in the
middle of the shortest path is forbidden, where a detour exists. Three terms are added to the
energy, one at a time:

- `hops`: a hop into the region costs 1;
- `walks`: 1 for each place from which the hops, taken as chances, lead into the region at last;
- `arrivals`: 1 for each place from which they do not lead to the target past the region.

Measured are paths from the source after `STEPS` steps of descent: the share that arrives without
entering the region, and the share that is also the shortest of those, by Dijkstra's method of
networkx without the region. Writes results/region.json; the last line on stdout is that document.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import networkx as nx
import numpy as np
import torch
from common import arguments, of_trainings, trained, write
from torch import Tensor

from ttc_agents.evaluation.families import draw
from ttc_agents.evaluation.intervals import share
from ttc_agents.inference.descent import Descent, Gradient
from ttc_agents.inference.landscape import Term
from ttc_agents.inference.precision import full_float32
from ttc_agents.inference.refine import refine
from ttc_agents.models import RefinementModel
from ttc_agents.models.base import Batch
from ttc_agents.training.recipes import Recipe, find_recipe
from ttc_envs import Instances, Task, make_task

STEPS = 32
WEIGHTS = (1.0, 5.0)
TEST_SEED = 10_000
EXACT = 1e-6


def at_neighbours(batch: Batch, values: Tensor) -> Tensor:
    """Values (B, N) of places -> (B, N, D), those of the neighbours of each."""
    neighbours = batch["neighbours"].clamp(min=0)
    return values.gather(1, neighbours.flatten(1)).view(neighbours.shape)


def hops(batch: Batch, y: Tensor) -> Tensor:
    """(B,) expected hops into the region, of the places outside of it."""
    forbidden = batch["forbidden"].to(y)
    inside = (y * at_neighbours(batch, forbidden)).sum(2)
    return (inside * (1 - forbidden)).sum(1)


def walks(batch: Batch, y: Tensor) -> Tensor:
    """(B,) the chances that walks from the places enter the region, added up."""
    forbidden = at_neighbours(batch, batch["forbidden"].to(y))
    going = 1 - batch["target"].to(y)
    enters = torch.zeros_like(going)
    for _ in range(y.shape[1]):
        enters = going * (y * (forbidden + (1 - forbidden) * at_neighbours(batch, enters))).sum(2)
    return enters.sum(1)


def arrivals(batch: Batch, y: Tensor) -> Tensor:
    """(B,) the chances that walks from the places do not arrive past the region, added up."""
    target = batch["target"].to(y)
    safe = 1 - at_neighbours(batch, batch["forbidden"].to(y))
    arrives = target
    for _ in range(y.shape[1]):
        arrives = target + (1 - target) * (y * safe * at_neighbours(batch, arrives)).sum(2)
    return (1 - arrives).sum(1)


TERMS: dict[str, Term] = {"hops": hops, "walks": walks, "arrivals": arrivals}


def weighted(term: Term, weight: float) -> Term:
    """A term times a weight."""
    return lambda batch, y: weight * term(batch, y)


def forbidding(instances: Instances) -> tuple[Instances, np.ndarray]:
    """Instances with a field `forbidden` (B, N), and the length (B,) of the shortest detour.

    Those where the shortest path has no place to forbid, or where there is no detour, are left out.
    """
    kept, regions, optima = [], [], []
    for row in range(len(instances)):
        fields = {name: values[row] for name, values in instances.fields.items()}
        graph = nx.Graph()
        for place, (others, lengths) in enumerate(
            zip(fields["neighbours"], fields["distances"], strict=True)
        ):
            edges = zip(others, lengths, strict=True)
            graph.add_weighted_edges_from((place, int(n), float(d)) for n, d in edges if n >= 0)
        ends = int(fields["source"].argmax()), int(fields["target"].argmax())
        between = nx.dijkstra_path(graph, *ends)[1:-1]
        if not between:
            continue
        place = between[len(between) // 2]
        graph.remove_node(place)
        if nx.has_path(graph, *ends):
            kept.append(row)
            regions.append(np.arange(len(fields["source"])) == place)
            optima.append(nx.dijkstra_path_length(graph, *ends))
    chosen = instances[np.array(kept)]
    fields = {**chosen.fields, "forbidden": np.array(regions).astype(np.int8)}
    return dataclasses.replace(chosen, fields=fields), np.array(optima)


def paths(instances: Instances, answer: np.ndarray, optima: np.ndarray) -> dict[str, Any]:
    """Shares of paths from the source: arrived, past the region, and the shortest such."""
    neighbours, lengths = instances.fields["neighbours"], instances.fields["distances"]
    forbidden = instances.fields["forbidden"].astype(bool)
    rows = np.arange(len(answer))
    place, target = (instances.fields[name].argmax(1) for name in ("source", "target"))
    entered, length = np.zeros(len(answer), dtype=bool), np.zeros(len(answer))
    for _ in range(answer.shape[1]):
        slot = np.maximum(answer[rows, place], 0)
        going = (place != target) & (neighbours[rows, place, slot] >= 0)
        length += np.where(going, lengths[rows, place, slot], 0.0)
        place = np.where(going, neighbours[rows, place, slot], place)
        entered |= forbidden[rows, place]
    arrived = place == target
    past = arrived & ~entered
    found = {"arrived": arrived, "past": past, "shortest": past & (length <= optima + EXACT)}
    return {name: share(int(flags.sum()), len(flags)) for name, flags in found.items()}


def recipe_of(places: int) -> Recipe:
    """An energy of next hops on small maps."""
    recipe = find_recipe("shortest-path-cpu-20min")
    inner = {"model": recipe.model, "options": recipe.model_options}
    return recipe.replaced(
        model="energy",
        model_options={"inner": inner, "rounds": 4, "step_size": 1.0},
        task={"places": places},
        level=f"spread{places}",
        segment_steps=2,
        random_start=0.5,
    )


def rows_of(model: RefinementModel, task: Task, instances: Instances) -> dict[str, Any]:
    """By term and weight, and without one."""
    test, optima = forbidding(instances)
    ways = {"none": Descent(model)}
    for name, term in TERMS.items():
        for weight in WEIGHTS:
            ways[f"{name}, {weight}"] = Descent(model, Gradient(), term=weighted(term, weight))
    rows = {}
    for name, way in ways.items():
        with full_float32(way):
            *_, last = refine(way, task, test, STEPS)
        rows[name] = paths(test, last.answer, optima)
    with full_float32(model):
        *_, last = refine(model, task, instances, STEPS)
    right = task.score(instances, last.answer)["solved"]
    return {"shortest without a region": share(int(right.sum()), len(right)), "terms": rows}


def main() -> None:
    """Train, forbid, measure."""
    parser = of_trainings(arguments(__doc__, "region", count=300), seconds=120.0)
    parser.add_argument("--places", type=int, default=16)
    options = parser.parse_args()
    recipe = recipe_of(options.places)
    task = make_task(recipe.env_id, **recipe.task)
    test = make_task(recipe.env_id, **recipe.task, split="test")
    instances = draw(test, recipe.level, options.count, TEST_SEED)
    seeds = []
    for seed in range(options.seeds):
        model = trained(recipe.replaced(seed=seed), task, options.seconds)
        seeds.append(rows_of(model, test, instances))
    write(options, seeds=seeds)


if __name__ == "__main__":
    main()
