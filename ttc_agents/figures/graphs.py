"""Learned graphs against a task's own: a picture, and a film of learning.

Shapes: N nodes, k neighbours, B instances.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ttc_agents.figures.theme import THEMES, canvas, gif, headline, png
from ttc_agents.inference.checkpoint import load_model, load_task
from ttc_agents.models.base import to_batch
from ttc_agents.models.neighbour_graph import true_graph
from ttc_envs import TaskSpec, write_atomically

FRAME_MS, LAST_MS = 120, 3000
PIXELS = 480
ROWS = 8
"""Instances over which the picture of a graph is a mean."""
TRUE, FALSE = np.array([22, 128, 61]), np.array([220, 38, 38])


def node_orders(spec: TaskSpec) -> dict[str, np.ndarray]:
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


def graph_colours(shares: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(N, N, 3) uint8: green edges are the task's, red ones are not, white is never drawn."""
    full = np.where(truth[..., None] > 0, TRUE, FALSE)
    mixed: np.ndarray = 255 + shares[..., None] * (full - 255.0)
    return mixed.round().astype(np.uint8)


def graph_picture(shares: np.ndarray, spec: TaskSpec) -> bytes:
    """The adjacency matrix as PNG, once for each kind of group by which nodes can be ordered."""
    truth = true_graph(spec)
    assert truth is not None
    colours, orders = graph_colours(shares, truth.numpy()), node_orders(spec)
    figure, axes = canvas(THEMES["light"], (4.2 * len(orders), 4.6), columns=len(orders))
    for panel, (kind, order) in zip(np.atleast_1d(axes), orders.items(), strict=True):
        panel.imshow(colours[np.ix_(order, order)], interpolation="nearest")
        headline(panel, f"nodes by {kind}")
        panel.set_xlabel("neighbour")
        panel.grid(False)
        panel.set_xticks([])
        panel.set_yticks([])
    return png(figure)


def graph_gif(frames: list[np.ndarray], spec: TaskSpec) -> bytes:
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
    return gif(images, FRAME_MS, LAST_MS)


def draw_graph(directory: Path, frames: list[np.ndarray]) -> None:
    """Put graph.png, and graph.gif of frames seen in training, beside a checkpoint.

    Nothing is drawn where its model learns no graph, or the task has none to compare with.
    """
    model: Any = load_model(directory)
    task = load_task(directory, "test")
    if not model.learns_graph or task.spec.neighbours is None:
        return
    few = task.sample(np.arange(ROWS, dtype=np.uint64), task.spec.levels[0])
    shares = model.edge_shares(to_batch(few.fields))
    write_atomically(directory / "graph.png", graph_picture(shares, task.spec))
    if frames:
        write_atomically(directory / "graph.gif", graph_gif(frames, task.spec))
