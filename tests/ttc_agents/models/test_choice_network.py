"""The network of alike choices: its equations, its symmetries, the graphs that it takes."""

import pytest
import torch
import torch.nn.functional as F

from ttc_agents.models.base import to_batch
from ttc_agents.models.choice_network import ChoiceNetwork
from ttc_agents.models.neighbour_graph import as_weights
from ttc_envs import make_task

TASK = make_task("ttc/Sudoku4-v0")
OPTIONS = {"width": 6, "message_width": 5, "hidden_width": 7}


@pytest.fixture
def model():
    torch.manual_seed(0)
    made = ChoiceNetwork(TASK.spec, **OPTIONS).double().eval()
    torch.nn.init.normal_(made.to_logit)
    return made


@pytest.fixture
def batch():
    return to_batch(TASK.sample([1, 2, 3], "minimal").fields, torch.device("cpu"))


def test_a_step_is_the_equations(model, batch):
    context = model.encode(batch)
    z = model.initial_state(context, torch.Generator().manual_seed(1))
    after = model.step(context, z).view(3, 16, 4, 6)
    h = z.view(3, 16, 4, 6)
    givens, width = batch["givens"], OPTIONS["message_width"]
    to_u, to_v, to_w = model.read.split([width, width, OPTIONS["hidden_width"]], dim=1)
    for row, node, choice in ((0, 0, 0), (1, 7, 3), (2, 15, 2)):
        given = int(givens[row, node])
        known = 0 if given < 0 else 2 if given == choice else 1
        inner = model.bias + h[row, node, choice] @ to_w + model.inputs.weight[known] @ model.inject
        near = TASK.spec.neighbours[node]
        heard = sum(torch.relu(h[row, int(j), choice] @ to_u) for j in near)
        others = sum(torch.relu(h[row, node, d] @ to_v) for d in range(4))
        inner = inner + 3 / len(near) * heard @ model.from_nodes
        inner = inner + 3 / 4 * others @ model.from_choices
        new = h[row, node, choice] + F.silu(inner) @ model.write
        torch.testing.assert_close(after[row, node, choice], F.rms_norm(new, (6,)))


def test_relabelling_the_choices_permutes_the_logits(model, batch):
    labels = torch.tensor([2, 0, 3, 1])
    givens = batch["givens"]
    relabelled = {"givens": torch.where(givens < 0, givens, labels[givens])}
    logits, other = model(batch, 4).logits, model(relabelled, 4).logits
    torch.testing.assert_close(other[..., labels], logits)


def test_numbering_the_nodes_anew_permutes_the_logits(on_graph, model, batch):
    order = torch.randperm(16, generator=torch.Generator().manual_seed(2))
    place = order.argsort()
    graph = place[torch.as_tensor(TASK.spec.neighbours).long()][order]
    logits = model(batch, 4).logits
    other = on_graph(model, {"givens": batch["givens"][:, order]}, 4, graph)
    torch.testing.assert_close(other, logits[:, :, order])


def test_weights_of_edges_do_for_a_graph(on_graph, model, batch):
    neighbours = torch.as_tensor(TASK.spec.neighbours).long()
    weights = as_weights(neighbours, 16).double().expand(3, -1, -1)
    expected = on_graph(model, batch, 3, neighbours)
    torch.testing.assert_close(on_graph(model, batch, 3, weights), expected)


def test_a_node_without_neighbours_is_left_alone(on_graph, model, batch):
    graph = torch.as_tensor(TASK.spec.neighbours).long().clone()
    graph[5] = -1
    assert on_graph(model, batch, 3, graph).isfinite().all()


def test_what_it_cannot_read_is_refused():
    assert "no neighbours" in ChoiceNetwork.supports(TASK.spec.without_structure())
    assert "pointers" in ChoiceNetwork.supports(make_task("ttc/Sorting-v0").spec)
