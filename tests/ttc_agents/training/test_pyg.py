import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch_geometric.nn import GINEConv
from torch_geometric.utils import softmax, to_dense_batch

from ttc_agents.training.pyg import to_pyg
from ttc_envs import NextHopTask, SortingTask, SudokuTask

KEYS = np.arange(24, dtype=np.uint64)


class Tiny(torch.nn.Module):
    """Three rounds of GINE: any model that reads x, edge_index and edge_attr would do."""

    def __init__(self, batch, width=32):
        super().__init__()
        features, edges = batch.x.shape[1], max(batch.edge_attr.shape[1], 1)
        self.first = torch.nn.Linear(features + width, width)
        self.place = torch.nn.Embedding(64, width)
        self.rounds = torch.nn.ModuleList(
            GINEConv(
                torch.nn.Sequential(
                    torch.nn.Linear(width, width), torch.nn.ReLU(), torch.nn.Linear(width, width)
                ),
                edge_dim=edges,
            )
            for _ in range(3)
        )

    def forward(self, batch):
        place = torch.cat([torch.arange(n) for n in batch.ptr.diff().tolist()])
        h = self.first(torch.cat([batch.x, self.place(place)], dim=1))
        edges = batch.edge_attr
        edges = edges if edges.shape[1] else edges.new_zeros(len(edges), 1)
        for conv in self.rounds:
            h = h + conv(h, batch.edge_index, edges).relu()
        return h


def falls(model, loss_of, steps=40):
    """Whether training lowers a loss clearly."""
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses[-1] < 0.8 * losses[0]


def test_a_pyg_model_trains_on_paths():
    task = NextHopTask(places=16)
    batch = to_pyg(task.sample(KEYS, "spread16"), task.spec)
    torch.manual_seed(0)
    model, score = Tiny(batch), torch.nn.Linear(65, 1)

    def loss():
        h = model(batch)
        onward, node = batch.edge_index
        edge = score(torch.cat([h[node], h[onward], batch.edge_attr], dim=1))[:, 0]
        share = softmax(edge, node, num_nodes=batch.num_nodes)
        right = torch.zeros(batch.num_nodes).index_add(0, node, share * batch.edge_right)
        return -right[batch.y >= 0].clamp(min=1e-6).log().mean()

    assert falls(torch.nn.ModuleList([model, score]), loss)


def test_a_pyg_model_trains_on_lists():
    task = SortingTask(8)
    batch = to_pyg(task.sample(KEYS, "uniform"), task.spec)
    torch.manual_seed(0)
    model, place = Tiny(batch), torch.nn.Linear(1, 32)

    def loss():
        items, _ = to_dense_batch(model(batch), batch.batch)
        positions, _ = to_dense_batch(place(batch.pos / 8), batch.batch)
        logits = positions @ items.transpose(1, 2)
        return F.cross_entropy(logits.flatten(0, 1), batch.y, ignore_index=-1)

    assert falls(torch.nn.ModuleList([model, place]), loss)


def test_edges_lead_from_neighbours_with_their_distances():
    task = NextHopTask(places=12)
    maps = task.sample(KEYS[:3], "spread9")
    batch = to_pyg(maps, task.spec)
    assert batch.num_graphs == 3
    for row, graph in enumerate(batch.to_data_list()):
        neighbours, distances = (maps.fields[n][row] for n in ("neighbours", "distances"))
        expected = {
            (int(neighbours[i, s]), i, s, float(distances[i, s])): bool(
                maps.labels["right"][row, i, s]
            )
            for i, s in zip(*np.nonzero(neighbours >= 0), strict=True)
        }
        onward, node = graph.edge_index.tolist()
        slots, lengths = graph.edge_slot.tolist(), graph.edge_attr[:, 0].tolist()
        found = zip(onward, node, slots, lengths, strict=True)
        assert dict(zip(found, graph.edge_right.tolist(), strict=True)) == expected
        # One-hot in `x`: first the source, no or yes, then the target.
        assert graph.x.shape == (12, 4)
        np.testing.assert_array_equal(graph.x[:, 1].numpy(), maps.fields["source"][row])
        np.testing.assert_array_equal(graph.x[:, 3].numpy(), maps.fields["target"][row])
        counted = maps.labels["right"][row].any(axis=1)
        expected_y = np.where(counted, maps.labels["answer"][row], -1)
        np.testing.assert_array_equal(graph.y.numpy(), expected_y)


@pytest.mark.parametrize("view", ["complete", "adjacent"])
def test_what_stands_behind_a_shorter_list_is_apart(view):
    task = SortingTask(8, min_size=3, view=view)
    lists = task.sample(KEYS, "uniform")
    for row, graph in enumerate(to_pyg(lists, task.spec).to_data_list()):
        length = int(lists.fields["mask"][row].sum())
        assert graph.edge_index.max() == length - 1
        edges = length * (length - 1) if view == "complete" else 2 * (length - 1)
        assert graph.edge_index.shape[1] == edges
        assert graph.free.tolist() == (lists.fields["mask"][row] > 0).tolist()
        assert (graph.y[length:] == -1).all()
        np.testing.assert_array_equal(graph.y[:length], lists.labels["answer"][row, :length])
        np.testing.assert_array_equal(graph.x[:, 0], lists.fields["numbers"][row])
        np.testing.assert_array_equal(graph.pos[:, 0], np.arange(8))


def test_givens_are_one_hot_and_not_free():
    task = SudokuTask(4)
    puzzles = task.sample(KEYS[:2], "givens=7")
    batch = to_pyg(puzzles, task.spec)
    givens = torch.from_numpy(puzzles.fields["givens"].reshape(-1)).long()
    assert torch.equal(batch.x, F.one_hot(givens + 1, 5).float())
    assert torch.equal(batch.free, givens < 0)
    assert torch.equal(batch.y, torch.from_numpy(puzzles.labels["answer"].reshape(-1)).long())
    assert batch.edge_index.shape[1] == 2 * task.spec.neighbours.size


def test_a_task_without_a_graph_is_refused():
    task = SudokuTask(4)
    puzzles = task.sample(KEYS[:2], "givens=7")
    with pytest.raises(ValueError, match="0 tables of neighbours"):
        to_pyg(puzzles, task.spec.without_structure())
