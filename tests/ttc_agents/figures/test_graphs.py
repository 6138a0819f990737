"""Pictures of learned graphs."""

import io

import numpy as np
import pytest
from PIL import Image

from ttc_agents.figures.graphs import (
    draw_graph,
    graph_colours,
    graph_gif,
    graph_picture,
    node_orders,
)
from ttc_agents.inference.checkpoint import save_model
from ttc_agents.models import MODELS
from ttc_agents.models.neighbour_graph import true_graph


def test_nodes_are_ordered_by_their_groups(task):
    orders = node_orders(task.spec)
    assert list(orders) == ["row", "column", "box"]
    assert orders["row"].tolist() == list(range(16))
    assert orders["column"][:4].tolist() == [0, 4, 8, 12]
    assert orders["box"][:4].tolist() == [0, 1, 4, 5]
    assert list(node_orders(task.spec.without_structure())) == ["node"]


def test_right_edges_are_green_and_wrong_ones_red():
    colours = graph_colours(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[0, 1], [0, 0]]))
    assert colours[0, 0].tolist() == [255, 255, 255]
    assert colours[0, 1].argmax() == 1
    assert colours[1, 0].argmax() == 0


def test_the_pictures_open(task):
    truth = true_graph(task.spec).numpy()
    picture = Image.open(io.BytesIO(graph_picture(truth, task.spec)))
    assert picture.width > 2 * picture.height
    film = Image.open(io.BytesIO(graph_gif([truth / 2, truth], task.spec)))
    assert film.n_frames == 2
    assert film.size == (480, 480)


@pytest.mark.parametrize(
    ("model", "frames", "files"),
    [
        ("adjacency_learner", 2, {"graph.png", "graph.gif"}),
        ("adjacency_learner", 0, {"graph.png"}),
        ("factor_graph_network", 2, set()),
    ],
)
def test_the_graph_of_a_checkpoint_is_drawn_where_there_is_one(
    task, tmp_path, model, frames, files
):
    config = {"model": model, "model_options": {}, "env_id": "ttc/Sudoku4-v0", "task": {}}
    save_model(tmp_path, MODELS[model](task.spec).state_dict(), task.spec, config)
    before = set(tmp_path.iterdir())
    draw_graph(tmp_path, [true_graph(task.spec).numpy()] * frames)
    assert {path.name for path in set(tmp_path.iterdir()) - before} == files
