"""Learned graphs against a task's own: precision and recall, a picture, and a film of learning.

Shapes: N nodes, k neighbours, B instances.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ttc_agents.evaluation.figures import THEMES, canvas, png
from ttc_agents.models import AdjacencyLearner
from ttc_agents.models.base import Batch
from ttc_agents.models.count_network import as_weights
from ttc_agents.models.graph_draws import draw_lists
from ttc_agents.training.state import Training
from ttc_envs import TaskSpec

FRAMES = 48
DRAWS = 32
FRAME_MS, LAST_MS = 120, 3000
PIXELS = 480
TRUE, FALSE = np.array([22, 128, 61]), np.array([220, 38, 38])


def true_graph(spec: TaskSpec) -> Tensor | None:
    """(N, N) 0 or 1, the edges that the spec has; None where it has none."""
    if spec.neighbours is None:
        return None
    return as_weights(torch.as_tensor(spec.neighbours).long(), spec.num_nodes)


def edge_scores(neighbours: Tensor, spec: TaskSpec) -> dict[str, float]:
    """`edge_precision` and `edge_recall` of neighbours (B, N, k), -1 where there is none.

    Raises:
        ValueError: The spec has no graph to compare with.
    """
    truth = true_graph(spec)
    if truth is None:
        raise ValueError(f"{spec.name} has no graph of its own to compare with")
    found = as_weights(neighbours.cpu(), spec.num_nodes)
    hits = float((found * truth).sum())
    return {
        "edge_precision": hits / max(float(found.sum()), 1.0),
        "edge_recall": hits / max(float(truth.sum()) * len(found), 1.0),
    }


@torch.no_grad()
def edge_shares(model: AdjacencyLearner, batch: Batch) -> np.ndarray[Any, Any]:
    """(N, N), how often each edge is drawn, in the mean over the instances of a batch."""
    logits = model.edge_logits(batch)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        drawn = draw_lists(logits.cpu(), model.neighbours, DRAWS, len(logits), None)
    shares: np.ndarray[Any, Any] = (
        as_weights(drawn.neighbours, model.spec.num_nodes).mean((0, 1)).numpy()
    )
    return shares


class GraphWatch:
    """Follows the graph of an `AdjacencyLearner` while it is trained; other models do not matter.

    It is called after each update and gives the scores of the most likely graph, as of the last
    of `FRAMES` looks that are spread over the training.
    """

    def __init__(self) -> None:
        """Begin without a film."""
        self.frames: list[np.ndarray[Any, Any]] = []
        self.scores: dict[str, Tensor] = {}
        self.looked: tuple[Training | None, float] = (None, -1.0)

    def __call__(self, training: Training) -> dict[str, Tensor]:
        """The scores; none where the model learns no graph or the task has none."""
        model = training.model
        if not isinstance(model, AdjacencyLearner) or training.task.spec.neighbours is None:
            return {}
        same = self.looked[0] is training
        if not same or training.progress() - self.looked[1] >= 1 / FRAMES:
            self.looked = (training, training.progress())
            model.eval()
            with torch.no_grad():
                graph = model.likely_graph(training.carried.batch)
            scores = edge_scores(graph, training.task.spec)
            self.scores = {name: torch.tensor(value) for name, value in scores.items()}
            if not training.recipe.frozen:
                self.frames.append(edge_shares(model, training.carried.batch))
            model.train()
        return self.scores


def node_orders(spec: TaskSpec) -> dict[str, np.ndarray[Any, Any]]:
    """{kind of group: the nodes (N,), those of one group side by side}; kinds of one node aside."""
    orders = {}
    for group in spec.groups:
        lowest = np.full(spec.num_nodes, spec.num_nodes)
        nodes = group.members[..., 0]
        if (nodes == nodes[:, :1]).all():
            continue
        for members in nodes:
            lowest[members] = np.minimum(lowest[members], members.min())
        orders[group.kind] = np.lexsort((np.arange(spec.num_nodes), lowest))
    return orders or {"node": np.arange(spec.num_nodes)}


def graph_colours(
    shares: np.ndarray[Any, Any], truth: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """(N, N, 3) uint8: green edges are the task's, red ones are not, white is never drawn."""
    full = np.where(truth[..., None] > 0, TRUE, FALSE)
    mixed: np.ndarray[Any, Any] = 255 + shares[..., None] * (full - 255.0)
    return mixed.round().astype(np.uint8)


def graph_picture(shares: np.ndarray[Any, Any], spec: TaskSpec, theme: str = "light") -> bytes:
    """The adjacency matrix as PNG, once for each kind of group by which nodes can be ordered."""
    truth = true_graph(spec)
    assert truth is not None
    colours, orders = graph_colours(shares, truth.numpy()), node_orders(spec)
    figure, axes = canvas(THEMES[theme], (4.2 * len(orders), 4.6), columns=len(orders))
    for panel, (kind, order) in zip(np.atleast_1d(axes), orders.items(), strict=True):
        panel.imshow(colours[np.ix_(order, order)], interpolation="nearest")
        panel.set_title(f"nodes by {kind}", loc="left", fontsize=11)
        panel.set_xlabel("neighbour")
        panel.grid(False)
        panel.set_xticks([])
        panel.set_yticks([])
    return png(figure)


def graph_gif(frames: list[np.ndarray[Any, Any]], spec: TaskSpec) -> bytes:
    """The adjacency matrix emerging, nodes ordered by the last kind of group."""
    truth = true_graph(spec)
    assert truth is not None
    order = list(node_orders(spec).values())[-1]
    scale = max(1, PIXELS // spec.num_nodes)
    grid = np.ix_(order, order)
    images = [
        Image.fromarray(
            graph_colours(f, truth.numpy())[grid].repeat(scale, 0).repeat(scale, 1)
        ).quantize(64, dither=Image.Dither.NONE)
        for f in frames
    ]
    stream = io.BytesIO()
    durations = [FRAME_MS] * (len(images) - 1) + [LAST_MS]
    images[0].save(
        stream, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0
    )
    return stream.getvalue()
