"""Scores and pictures of learned graphs."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from ttc_agents.evaluation.graphs import (
    GraphWatch,
    edge_scores,
    edge_shares,
    graph_colours,
    graph_gif,
    graph_picture,
    node_orders,
    true_graph,
)
from ttc_agents.models import AdjacencyLearner
from ttc_agents.models.base import to_batch


@pytest.fixture
def model(task):
    return AdjacencyLearner(task.spec, neighbours=7)


def test_scores_of_graphs_that_are_known(task):
    truth = torch.as_tensor(task.spec.neighbours).long()[None]
    assert edge_scores(truth, task.spec) == {"edge_precision": 1, "edge_recall": 1}
    half = truth.clone()
    half[:, :, 4:] = -1
    assert edge_scores(half, task.spec) == {"edge_precision": 1, "edge_recall": 4 / 7}
    wrong = (15 - truth[:, :, :1]).expand(1, 16, 1)
    hits = true_graph(task.spec)[torch.arange(16), wrong[0, :, 0]].mean()
    assert edge_scores(wrong, task.spec)["edge_precision"] == pytest.approx(float(hits))
    with pytest.raises(ValueError, match="no graph of its own"):
        edge_scores(truth, task.spec.without_structure())


def test_shares_of_draws(task, model):
    batch = to_batch(task.sample(np.arange(2, dtype=np.uint64), "easy").fields)
    shares = edge_shares(model.eval(), batch)
    assert shares.shape == (16, 16)
    np.testing.assert_allclose(shares.sum(1), 7, rtol=1e-5)
    assert (np.diag(shares) == 0).all()


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


def test_the_watch_ignores_other_models(task):
    class Other:
        model = torch.nn.Linear(1, 1)

    assert GraphWatch()(Other()) == {}
