"""The relational network: its two forms of messages against the equation, graphs, symmetries."""

import dataclasses
import sys

import numpy as np
import pytest
import torch

from ttc_agents.models import RelationalNetwork, neighbour_messages
from ttc_agents.models.base import to_batch
from ttc_agents.models.edge_messages import EdgeMessages
from ttc_agents.models.neighbour_graph import Links
from ttc_agents.models.neighbour_messages import NeighbourMessages, PairPerceptron
from ttc_envs import Field, SudokuTask, TaskSpec

NODES, SLOTS, WIDTH = 5, 3, 8
RING = np.array([[(i + d) % NODES for d in range(1, SLOTS + 1)] for i in range(NODES)])
PADDED = np.array([[1, 2, -1], [0, -1, 3], [-1, -1, -1], [0, 1, 2], [3, -1, -1]])
COLOUR = Field("node", "given", (NODES,), "int8", -1, 2)
GRAPH = Field("neighbour", "node", (NODES, SLOTS), "int32", 0, NODES - 1)
MASK = Field("neighbour", "mask", (NODES, SLOTS), "int8", 0, 1)


def colouring(table=None, **fields) -> TaskSpec:
    return TaskSpec(
        name="colouring",
        levels=("only",),
        fields={"colour": COLOUR, **fields},
        num_nodes=NODES,
        num_choices=3,
        choices="class",
        num_edits=3 * NODES,
        neighbours=None if table is None else np.asarray(table, dtype=np.int32),
    )


def made(spec, seed=0, **options):
    torch.manual_seed(seed)
    model = RelationalNetwork(spec, **{"width": WIDTH, "embedding": 4, **options}).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def colours(rows, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {"colour": torch.randint(-1, 3, (rows, NODES), generator=generator)}


def puzzles(size, count=3):
    return to_batch(
        SudokuTask(size=size).sample(np.arange(count, dtype=np.uint64), "minimal").fields
    )


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


def messages_by_pairs(mlp, v, p, links, aggregation):
    """The messages of `neighbour_messages`, one pair after the other."""
    rows, nodes, slots = links.neighbours.shape
    out = []
    for b, i in np.ndindex(rows, nodes):
        told = []
        for d in range(slots):
            if links.valid is None or links.valid[b, i, d]:
                j = links.neighbours[b, i, d]
                read = torch.cat([v[b, i], v[b, j], links.edges[b, i, d], p[b, j] - p[b, i]])
                told.append(mlp.hidden(mlp.first(read[None])))
        if aggregation == "sum":
            out.append(sum((mlp.last(u) for u in told), torch.zeros(1, WIDTH).double()))
        else:
            greatest = torch.cat(told).amax(0, keepdim=True) if told else torch.zeros(1, WIDTH)
            out.append(mlp.last(greatest.double()))
    return torch.cat(out)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("aggregation", "hidden_layers"), [("sum", 0), ("sum", 1), ("sum", 3), ("max", 0), ("max", 1)]
)
@pytest.mark.parametrize("potentials", [0, 2])
@pytest.mark.parametrize("module", [NeighbourMessages, EdgeMessages])
def test_messages_are_those_of_all_pairs(module, aggregation, hidden_layers, potentials, masked):
    torch.manual_seed(0)
    mlp = PairPerceptron(WIDTH, 3, potentials, WIDTH, hidden_layers).double()
    for parameter in mlp.parameters():
        torch.nn.init.normal_(parameter)
    v = torch.randn(2, NODES, WIDTH, dtype=torch.float64)
    p = torch.randn(2, NODES, potentials, dtype=torch.float64)
    valid = torch.rand(2, NODES, SLOTS) < 0.5 if masked else None
    edges = torch.randn(2, NODES, SLOTS, 3, dtype=torch.float64)
    links = Links(torch.randint(0, NODES, (2, NODES, SLOTS)), valid, edges)
    messages = module(mlp, aggregation)
    found = messages(v.flatten(0, 1), p.flatten(0, 1), messages.prepare(links))
    close(found, messages_by_pairs(mlp, v, p, links, aggregation))


def test_derivatives_of_the_greatest_message():
    torch.manual_seed(0)
    mlp = PairPerceptron(2, 1, 1, 3, 1).double()
    links = Links(torch.randint(0, 4, (1, 4, 3)), None, torch.randn(1, 4, 3, 1).double())
    messages = NeighbourMessages(mlp, "max")
    prepared = messages.prepare(links)
    v, p = (torch.randn(4, n, dtype=torch.float64, requires_grad=True) for n in (2, 1))
    assert torch.autograd.gradcheck(lambda v, p: messages(v, p, prepared), (v, p))


@pytest.mark.parametrize("spec", [colouring(RING), colouring(PADDED)], ids=["regular", "padded"])
def test_both_forms_give_the_same_logits_and_gradients(spec):
    dense, edges = made(spec, messages="dense"), made(spec, messages="edges")
    edges.load_state_dict(dense.state_dict())
    traces = [model(colours(4), 4) for model in (dense, edges)]
    close(traces[0].logits, traces[1].logits)
    close(traces[0].state, traces[1].state)
    for trace in traces:
        trace.logits.sin().sum().backward()
    for ours, theirs in zip(dense.parameters(), edges.parameters(), strict=True):
        close(ours.grad, theirs.grad)


def test_both_forms_agree_at_the_dimensions_of_the_paper():
    spec = SudokuTask(size=9).spec
    dense, edges = RelationalNetwork(spec).double(), RelationalNetwork(spec, messages="edges")
    edges.double().load_state_dict(dense.state_dict())
    close(dense(puzzles(9, 1), 3).logits, edges(puzzles(9, 1), 3).logits)


def test_the_defaults_are_the_dimensions_of_the_paper():
    h = 96
    layers = (h + 1) * h  # one linear layer of 96
    numbers = {
        "graph": 0,
        "inputs": 10 * 16 + 9 * 16 + 9 * 16,
        "encoder": (48 + 1) * h + 3 * layers,
        "messages": (2 * h + 1) * h + 3 * layers,
        "update": (2 * h + 1) * h + 3 * layers,
        "gates": (2 * h + 1) * 4 * h,
        "logits": (h + 1) * 9,
    }
    model = RelationalNetwork(SudokuTask(size=9).spec)
    found = {name: sum(p.numel() for p in m.parameters()) for name, m in model.named_children()}
    assert found == numbers
    assert (model.gates.bias.view(4, h).mean(1) == torch.tensor([0.0, 1, 0, 0])).all()


@pytest.mark.parametrize("chunk", [1, 2 * NODES * SLOTS * WIDTH])
def test_batches_in_chunks_give_the_same(monkeypatch, chunk):
    model = made(colouring(PADDED), messages="dense")
    whole = model(colours(5), 2).logits
    monkeypatch.setattr(neighbour_messages, "CHUNK", chunk)
    close(model(colours(5), 2).logits, whole)


@pytest.mark.parametrize("messages", ["dense", "edges"])
def test_padding_never_contributes(messages):
    """A masked slot may point anywhere, and might as well not be there."""
    model = made(colouring(neighbours=GRAPH, mask=MASK), messages=messages)
    there = torch.as_tensor(PADDED >= 0).long().expand(2, -1, -1)
    graph = torch.as_tensor(PADDED).clamp(min=0).expand(2, -1, -1)
    elsewhere = torch.where(there > 0, graph, NODES - 1)
    logits = [
        model({**colours(2), "neighbours": table, "mask": there}, 3).logits
        for table in (graph, elsewhere)
    ]
    close(*logits)
    on_spec = made(colouring(PADDED), messages=messages)
    on_spec.load_state_dict(model.state_dict())
    close(on_spec(colours(2), 3).logits, logits[0])
    all_there = model({**colours(2), "neighbours": graph, "mask": torch.ones_like(there)}, 3)
    assert not torch.allclose(all_there.logits, logits[0])


@pytest.mark.parametrize("messages", ["dense", "edges"])
def test_each_instance_may_have_its_own_graph(messages):
    """In a field that is told by its kind, whatever its name."""
    batch, model = colours(2), made(colouring(roads=GRAPH), messages=messages)
    tables = [RING, np.random.default_rng(0).permuted(RING, axis=0)]
    together = model({**batch, "roads": torch.as_tensor(np.stack(tables))}, 3).logits
    for row, table in enumerate(tables):
        alone = made(colouring(table), messages=messages)
        alone.load_state_dict(model.state_dict())
        close(alone(batch, 3).logits[:, row], together[:, row])


def test_another_graph_replaces_that_of_the_spec(on_graph):
    model, other = made(colouring(RING)), made(colouring(PADDED))
    other.load_state_dict(model.state_dict())
    expected = other(colours(2), 3).logits
    assert not torch.allclose(model(colours(2), 3).logits, expected)
    close(on_graph(model, colours(2), 3, torch.as_tensor(PADDED)), expected)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (torch.zeros(NODES + 1, SLOTS), r"neighbours must be \(N, D\).* got \(6, 3\)"),
        (torch.zeros(3, NODES, SLOTS), r"B = 2.* got \(3, 5, 3\)"),
        (torch.zeros(NODES, 0), r"D > 0, got \(5, 0\)"),
        (torch.zeros(NODES), "neighbours must be"),
        (torch.full((NODES, SLOTS), NODES), r"in 0\.\.4, got 5\.\.5"),
        (torch.full((NODES, SLOTS), -2), r"got -2\.\.-2"),
    ],
)
def test_an_impossible_graph_is_an_error(on_graph, graph, message):
    with pytest.raises(ValueError, match=message):
        on_graph(made(colouring(RING)), colours(2), 1, graph.long())


def test_torch_geometric_is_needed_for_edges_only(monkeypatch):
    for name in ("torch_geometric", "ttc_agents.models.edge_messages"):
        monkeypatch.setitem(sys.modules, name, None)
    made(colouring(RING))
    with pytest.raises(ImportError):
        made(colouring(RING), messages="edges")


@pytest.mark.parametrize("messages", ["dense", "edges"])
def test_permuting_the_nodes_and_their_graph_permutes_the_logits(on_graph, messages):
    model, batch = made(colouring(PADDED), messages=messages), colours(3)
    order = torch.tensor([3, 0, 4, 1, 2])  # new node i is old node order[i]
    new_name = torch.cat([order.argsort(), torch.tensor([-1])])  # none (-1) stays none
    graph = new_name[torch.as_tensor(PADDED)[order]]
    before = model(batch, 4).logits
    after = on_graph(model, {"colour": batch["colour"][:, order]}, 4, graph)
    close(after, before[:, :, order])


def test_without_positions_turning_the_grid_turns_the_logits():
    """Transposition maps neighbours to neighbours, so the graph stays as it is."""
    turned = torch.arange(16).view(4, 4).T.flatten()
    batch = puzzles(4)
    for positions in (False, True):
        model = made(SudokuTask(size=4).spec, positions=positions)
        before, after = (
            model(b, 4).logits for b in (batch, {"givens": batch["givens"][:, turned]})
        )
        same = torch.allclose(after, before[:, :, turned], rtol=1e-11, atol=1e-11)
        assert same is not positions


def test_all_kinds_of_node_fields_are_read():
    fields = {
        "keys": Field("node", "real", (NODES,), "float32", 0, 1),  # also a method's name
        "places": Field("node", "real", (NODES, 2), "float32", 0, 1),
        "marks": Field("node", "symbol", (NODES, 2), "int8", 3, 5),
        "there": Field("node", "mask", (NODES,), "int8", 0, 1),
    }
    model = made(colouring(RING, **fields))
    assert model.inputs.width == 4 + 1 + 2 + 2 * 4 + 4
    batch = {
        "colour": torch.zeros(2, NODES).long(),
        "keys": torch.rand(2, NODES),
        "places": torch.rand(2, NODES, 2),
        "marks": torch.full((2, NODES, 2), 3),
        "there": torch.zeros(2, NODES).long(),
    }
    first = model(batch, 1).logits
    changed = {"colour": -1, "keys": 0.5, "places": 0.5, "marks": 5, "there": 1}
    for name, value in changed.items():
        values = batch[name].clone()
        values[0, 0] = value
        logits = model({**batch, name: values}, 1).logits
        assert not torch.allclose(logits[:, 0], first[:, 0]), name
        close(logits[:, 1], first[:, 1])


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (dataclasses.replace(colouring(RING), choices="node"), "pointers to nodes need positions"),
        (colouring(), "no neighbours, neither for all instances nor"),
        (colouring(RING, goal=Field("instance", "node", (1,), "int32", 0, 4)), r"\['goal'\]"),
        (dataclasses.replace(colouring(RING), fields={}), "it has no node fields"),
    ],
)
def test_refuses_what_it_cannot_read(spec, reason):
    with pytest.raises(ValueError, match=reason):
        RelationalNetwork(spec)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"messages": "fast"}, "messages must be one of dense, edges, got 'fast'"),
        ({"message_layers": -1}, "at least 0, got 3, -1 and 0"),
        ({"node_layers": 0}, "must be at least 1, .* got 0, 3 and 0"),
        ({"potentials": -1}, "got 3, 3 and -1"),
        ({"aggregation": "mean"}, "aggregation must be one of sum, max, count, got 'mean'"),
        ({"aggregation": "max"}, "at most one message layer, got 3"),
    ],
)
def test_refuses_impossible_options(options, message):
    with pytest.raises(ValueError, match=message):
        RelationalNetwork(colouring(RING), **options)


@pytest.mark.parametrize("messages", ["dense", "edges"])
def test_the_state_keeps_its_precision_under_autocast(messages):
    model = made(colouring(PADDED), messages=messages).float()
    expected = model(colours(2), 3)
    with torch.autocast("cpu", torch.bfloat16):
        trace = model(colours(2), 3)
    assert trace.state.dtype == torch.float32
    torch.testing.assert_close(trace.logits.float(), expected.logits, rtol=0.1, atol=0.1)
