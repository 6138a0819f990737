"""Messages that count edges and average nodes: the equation, and any number of nodes."""

import numpy as np
import pytest
import torch

from ttc_agents.models import RelationalNetwork
from ttc_agents.models.base import to_batch
from ttc_agents.models.count_messages import CountMessages, count_features, edge_sums
from ttc_agents.models.neighbour_graph import Links
from ttc_agents.models.neighbour_messages import PairPerceptron
from ttc_envs import SortingTask

NODES, SLOTS, WIDTH, KINDS = 5, 3, 4, 9
OPTIONS = {
    "width": 8,
    "message_layers": 0,
    "node_layers": 1,
    "positions": False,
    "potentials": 1,
    "aggregation": "count",
}


def weights(hidden_layers=0):
    torch.manual_seed(0)
    return PairPerceptron(WIDTH, 1 + KINDS, 2, WIDTH, hidden_layers).double()


def links(copies=1, masked=True):
    """A random graph with one real feature and two comparisons per edge, repeated side by side."""
    generator = torch.Generator().manual_seed(0)
    others = torch.rand(2, NODES, NODES - 1, generator=generator).argsort(-1)[..., :SLOTS]
    neighbours = others + (others >= torch.arange(NODES)[:, None])
    signs = torch.randint(-1, 2, (2, NODES, SLOTS, 2), generator=generator)
    edges = torch.cat([torch.rand(2, NODES, SLOTS, 1, generator=generator), signs], -1).double()
    valid = torch.rand(2, NODES, SLOTS, generator=generator) < 0.6 if masked else None
    return Links(neighbours, valid, edges)


def states():
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(2, NODES, n, generator=generator).double() for n in (WIDTH, 2)]


def by_pairs(mlp, v, p, links):
    """The equation of the module, one pair after the other."""
    own, other, edge, potential = mlp.first.weight.split(mlp.sizes, dim=1)
    out = torch.zeros(2, NODES, WIDTH).double()
    for b, i in np.ndindex(2, NODES):
        slots = [d for d in range(SLOTS) if links.valid is None or links.valid[b, i, d]]
        told = [other @ v[b, i]]
        for d in slots:
            j = links.neighbours[b, i, d]
            told.append(other @ v[b, j] + potential @ (p[b, j] - p[b, i]))
            real, first, second = links.edges[b, i, d]
            kind = int(first) + 1 + 3 * (int(second) + 1)
            out[b, i] += edge[:, 0] * real + edge[:, 1 + kind]
        out[b, i] += own @ v[b, i] + mlp.first.bias + torch.stack(told).mean(0)
    return out.flatten(0, 1)


@pytest.mark.parametrize("masked", [False, True])
def test_messages_are_those_of_the_equation(masked):
    mlp, graph, (v, p) = weights(), links(masked=masked), states()
    messages = CountMessages(mlp, 2)
    found = messages(v.flatten(0, 1), p.flatten(0, 1), messages.prepare(graph))
    torch.testing.assert_close(found, by_pairs(mlp, v, p, graph), rtol=1e-12, atol=1e-12)


def test_a_node_without_neighbours_hears_itself_alone():
    mlp, graph, (v, p) = weights(), links(), states()
    nobody = Links(graph.neighbours, torch.zeros_like(graph.neighbours).bool(), graph.edges)
    messages = CountMessages(mlp, 2)
    found = messages(v.flatten(0, 1), p.flatten(0, 1), messages.prepare(nobody))
    own, other, _, _ = mlp.first.weight.split(mlp.sizes, dim=1)
    expected = v.flatten(0, 1) @ (own + other).T + mlp.first.bias
    torch.testing.assert_close(found, expected)


def test_edges_without_comparisons_are_one_kind():
    there = torch.tensor([[[1.0, 0.0, 1.0]]])
    assert edge_sums(torch.zeros(1, 1, 3, 0), there, 0).tolist() == [[[2.0]]]
    assert count_features(2, 0) == 3


def test_counts_alone_grow_with_the_number_of_neighbours():
    """Every item twice, in lists of 6 and 12: ranks double, what nodes say of themselves stays."""
    keys = torch.tensor([[0.4, 0.1, 0.9, 0.6, 0.2, 0.3]])
    told = []
    for numbers in (keys, keys.repeat(1, 2)):
        torch.manual_seed(0)
        model = RelationalNetwork(SortingTask(size=numbers.shape[1]).spec, **OPTIONS).double()
        batch = {"numbers": numbers.double(), "mask": torch.ones_like(numbers).to(torch.int8)}
        context = model.encode(batch)
        h, _, p = model.initial_state(context).flatten(0, 1).split(model.sizes, dim=-1)
        counts = context["prepared"].counts
        told.append((model.messages(h, p, context["prepared"]) - counts)[:6])
    torch.testing.assert_close(told[0], told[1])


@pytest.mark.parametrize("level", ["uniform", "few_distinct"])
def test_a_weight_per_kind_of_edge_sorts_with_equal_keys_at_any_length(level):
    """Written by hand: each item moves by half of what the edges to it say, ties by position."""
    task = SortingTask(size=300)
    model = RelationalNetwork(task.spec, **OPTIONS)
    edge = model.messages.mlp.first.weight.split(model.messages.mlp.sizes, dim=1)[2]
    with torch.no_grad():
        for parameter in (*model.messages.mlp.first.parameters(), model.height.weight):
            parameter.zero_()
        model.drift.weight.copy_(torch.eye(1, 8))
        model.logits.potential.weight.fill_(1)
        for kind in range(KINDS):
            # The key comes first, then the position: of the other item less one's own.
            key, place = kind % 3 - 1, kind // 3 - 1
            edge[0, kind] = (place - (key or place)) / 2
    instances = task.sample(np.arange(3, dtype=np.uint64), level)
    with torch.no_grad():
        answer = model(to_batch(instances.fields), 1).logits[-1].argmax(-1)
    assert task.score(instances, answer.numpy())["solved"].all()


def test_what_cannot_be_counted_is_an_error():
    with pytest.raises(ValueError, match="take no message layers, got 1"):
        CountMessages(weights(hidden_layers=1), 2)
    with pytest.raises(ValueError, match="at most 4 comparisons per edge, got 5"):
        count_features(6, 5)
    spec = SortingTask(size=4).spec
    with pytest.raises(ValueError, match="must be one of dense, got 'edges'"):
        RelationalNetwork(spec, **OPTIONS, messages="edges")
