"""Pointers: scores against loops, sizes that are free, padding that is never chosen."""

import numpy as np
import pytest
import torch

from ttc_agents.models import RelationalNetwork
from ttc_agents.models.base import to_batch
from ttc_agents.models.neighbour_graph import Links
from ttc_agents.models.readout import (
    ABSENT,
    SHARPNESS,
    NeighbourPointer,
    NodePointer,
    Seen,
    in_order_of_choices,
)
from ttc_envs import NextHopTask, SortingTask

KEYS = np.arange(3, dtype=np.uint64)


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def made(spec, **options):
    torch.manual_seed(0)
    return RelationalNetwork(
        spec, width=8, embedding=4, message_layers=1, node_layers=1, **options
    ).double()


def test_scores_of_neighbours_are_those_of_all_pairs():
    torch.manual_seed(0)
    pointer = NeighbourPointer(NextHopTask(places=8).spec, 3, 2, 2).double()
    valid = torch.rand(2, 4, 3) < 0.7
    edges = torch.randn(2, 4, 3, 2).double()
    links = Links(torch.randint(0, 4, (2, 4, 3)), valid, edges)
    h, p = torch.randn(2, 4, 3).double(), torch.randn(2, 4, 2).double()
    logits = pointer(h, p, Seen(links, None, None))
    for b, i, d in np.ndindex(2, 4, 3):
        j = links.neighbours[b, i, d]
        u = pointer.pair.first(torch.cat([h[b, i], h[b, j], edges[b, i, d], p[b, j] - p[b, i]]))
        expected = pointer.score(u[:-1].relu())[0] + u[-1]
        close(logits[b, i, d], expected if valid[b, i, d] else torch.tensor(ABSENT).double())


def test_scores_of_nodes_are_distances():
    torch.manual_seed(0)
    pointer = NodePointer(SortingTask(size=5).spec, 3, 2).double()
    torch.nn.init.normal_(pointer.shift.weight)
    h, p = torch.randn(2, 5, 3).double(), torch.randn(2, 5, 2).double()
    logits = pointer(h, p, Seen(None, None, None))
    for b, i, j in np.ndindex(2, 5, 5):
        point = j + pointer.shift(h[b, j]) + pointer.potential(p[b, j])
        close(logits[b, i, j], -SHARPNESS * (i - point).square()[0])


def test_absent_nodes_are_at_their_own_places():
    task = SortingTask(size=6, min_size=2)
    batch = to_batch(task.sample(KEYS, "uniform").fields)
    chosen = made(task.spec)(batch, 2).logits[-1].argmax(-1)
    for answer, mask in zip(chosen, batch["mask"] > 0, strict=True):
        length = int(mask.sum())
        assert (answer[:length] < length).all()
        assert (answer[length:] == torch.arange(length, 6)).all()


def test_padding_changes_nothing_for_the_rest():
    short, long = SortingTask(size=4), SortingTask(size=7)
    keys = torch.rand(3, 4).double()
    padded = {
        "numbers": torch.cat([keys, torch.ones(3, 3)], dim=1),
        "mask": torch.tensor([[1] * 4 + [0] * 3] * 3),
    }
    model, larger = made(short.spec), made(long.spec)
    larger.load_state_dict(model.state_dict())
    logits = model({"numbers": keys, "mask": torch.ones(3, 4).long()}, 3).logits
    close(larger(padded, 3).logits[:, :, :4, :4], logits)


@pytest.mark.parametrize("potentials", [0, 3])
def test_one_set_of_weights_works_on_maps_of_any_size(potentials):
    small, large = NextHopTask(places=8), NextHopTask(places=16, degree=10)
    model = made(small.spec, aggregation="max", potentials=potentials)
    other = made(large.spec, aggregation="max", potentials=potentials)
    other.load_state_dict(model.state_dict())
    instances = large.sample(KEYS, "spread16")
    logits = other(to_batch(instances.fields), 2).logits[-1]
    assert logits.shape == (3, 16, 10)
    padded = torch.as_tensor(instances.fields["neighbours"] < 0)
    assert (logits[padded] == ABSENT).all()
    assert (logits[~padded] > ABSENT / 2).all()


def test_potentials_are_seen_as_differences_only():
    task = NextHopTask(places=8)
    model, batch = made(task.spec, potentials=2), to_batch(task.sample(KEYS, "spread8").fields)
    context = model.encode(batch)
    z = model.initial_state(context)
    shifted = z.clone()
    shifted[..., -2:] += 100
    close(model.readout(context, shifted), model.readout(context, z))
    ahead, shifted = model.step(context, z), model.step(context, shifted)
    close(shifted[..., :-2], ahead[..., :-2])
    close(shifted[..., -2:], ahead[..., -2:] + 100)


def test_pointers_follow_the_order_of_the_answer():
    logits = torch.arange(9.0).view(1, 3, 3)
    answer = torch.tensor([[2, 0, 1]])  # node 0 shows item 2, ...
    items = in_order_of_choices(logits, answer)
    assert items[0].tolist() == [[1, 2, 0], [4, 5, 3], [7, 8, 6]]
    assert in_order_of_choices(logits, torch.tensor([[2, 2, 1]]))[0, 0, 0] == ABSENT


def test_where_keys_come_in_the_order_of_the_answer_the_model_reads_it():
    task = SortingTask(size=4, view="adjacent")
    model = made(task.spec)
    assert model.reads_answer
    assert not made(SortingTask(size=4).spec).reads_answer
    order = torch.tensor([[3, 1, 0, 2]])
    keys = torch.tensor([[0.1, 0.4, 0.2, 0.3]]).double()
    mask = torch.ones(1, 4).long()
    plain = model({"numbers": keys, "mask": mask, "answer": torch.arange(4)[None]}, 1).logits[0, 0]
    named = model({"numbers": keys, "mask": mask, "answer": order}, 1).logits[0, 0]
    close(named[:, order[0]], plain)
