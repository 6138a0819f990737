"""The graph of a batch as tables of neighbours, with what is known of each edge.

Shapes: B instances, N nodes, D neighbours per node, F features per edge, R = B * N rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ttc_agents.implicit.rows import free_to_look
from ttc_agents.models.base import Batch, fields_of, rows_of
from ttc_envs import Field as FieldSpec
from ttc_envs import TaskSpec


@dataclass(frozen=True)
class Links:
    """Neighbours of a batch.

    Args:
        neighbours: (B, N, D) int64; padding points at node 0.
        valid: (B, N, D) bool, what is no padding; None: everything.
        edges: (B, N, D, F) features.
    """

    neighbours: Tensor
    valid: Tensor | None
    edges: Tensor

    def rows(self) -> Tensor:
        """(R, D) the neighbours as rows of the batch laid end to end."""
        size, nodes, _ = self.neighbours.shape
        first_node = nodes * torch.arange(size, device=self.neighbours.device)[:, None, None]
        return (self.neighbours + first_node).flatten(0, 1)


class NeighbourGraph(nn.Module):
    """Reads the graph of a batch off the spec or its fields.

    An edge from i to its neighbour j has as features the real fields per neighbour and, for each
    real field of the nodes and each axis of the positions of pointers, the sign of what j has minus
    what i has: a comparison, which means the same in lists of any length.

    Args:
        spec: With `neighbours`, or with a field that holds the graph of each instance.
    """

    table: Tensor | None
    positions: Tensor

    def __init__(self, spec: TaskSpec) -> None:
        super().__init__()
        self.spec = spec
        table = None if spec.neighbours is None else torch.as_tensor(spec.neighbours).long()
        self.full = table is not None and check_neighbours(table, 1, spec.num_nodes)
        self.register_buffer("table", table, persistent=False)
        self.field = spec.graph_field
        self.own = fields_of(spec, "real", "neighbour")
        self.masks = fields_of(spec, "mask", "node", "neighbour")
        self.compared = fields_of(spec, "real", "node", "answer")
        pointers = spec.choices != "class" and spec.positions is not None
        positions = torch.as_tensor(spec.positions) if pointers else torch.zeros(spec.num_nodes, 0)
        self.register_buffer("positions", positions, persistent=False)
        compared = sum(width(spec.fields[name], 1) for name in self.compared)
        self.num_signs = positions.shape[1] + compared
        self.num_features = self.num_signs + sum(width(spec.fields[name], 2) for name in self.own)

    def forward(self, batch: Batch, graph: Tensor | None) -> Links:
        """The links of a batch, on `graph` (N, D) or (B, N, D) where there is one.

        Raises:
            ValueError: The graph has another number of nodes, or indices that are none; or edges
                have fields, which another graph's would not have.
        """
        rows = rows_of(batch)
        if graph is not None and self.own:
            raise ValueError(f"another graph would lack the fields {self.own} of its edges")
        if graph is None and self.table is not None:
            table, full = self.table, self.full
        else:
            table = batch[self.field or ""] if graph is None else graph
            full = check_neighbours(table, rows, self.spec.num_nodes)
        tables = table.clamp(min=0).expand(rows, -1, -1)
        valid = None if full else (table >= 0).expand(rows, -1, -1)
        for name in self.masks:
            per_edge = self.spec.fields[name].per == "neighbour"
            if per_edge and graph is not None:
                continue  # it belongs to the instance's own graph
            there = batch[name] > 0
            there = there if per_edge else gather_nodes(there[..., None], tables)[..., 0]
            valid = there if valid is None else valid & there
        return Links(tables, valid, self.features(batch, tables))

    def features(self, batch: Batch, tables: Tensor) -> Tensor:
        """(B, N, D, F), what is known of each edge."""
        parts = [batch[name][..., None].flatten(3) for name in self.own]
        compared = [batch[name][..., None].flatten(2) for name in self.compared]
        if self.positions.shape[1]:
            compared.append(self.positions.expand(tables.shape[0], -1, -1))
        parts += [(gather_nodes(v, tables) - v[:, :, None]).sign() for v in compared]
        if not parts:
            return torch.zeros(*tables.shape, 0, device=tables.device)
        return torch.cat([part.to(parts[0]) for part in parts], dim=-1)


def gather_nodes(values: Tensor, tables: Tensor) -> Tensor:
    """Values (B, N, ...) of neighbours (B, N, D) -> (B, N, D, ...)."""
    first = torch.arange(tables.shape[0], device=tables.device)[:, None, None]
    return values[first, tables]


def width(field: FieldSpec, axes: int) -> int:
    """The number of values of a field per node (axes = 1) or per edge (2)."""
    return math.prod(field.shape[axes:])


class EdgeWeights(nn.Module):
    """The graph of a batch as weights of edges, for models that sum over neighbours.

    Args:
        spec: With `neighbours`.

    Shapes: graph (N, D) or (B, N, D) neighbours, -1 where there is none, or weights (B, N, N) of
        the edges from a node's neighbours to it, a tensor of reals -> weights (B, N, N).
    """

    neighbours: Tensor

    def __init__(self, spec: TaskSpec) -> None:
        super().__init__()
        table = torch.as_tensor(spec.neighbours).long()
        self.register_buffer("neighbours", table, persistent=False)

    def forward(self, graph: Tensor | None, rows: int) -> Tensor:
        """The weights of `rows` instances; None takes the graph of the spec."""
        graph = self.neighbours if graph is None else graph
        if graph.is_floating_point():
            return graph
        return as_weights(graph.expand(rows, -1, -1), graph.shape[-2])


def as_weights(neighbours: Tensor, num_nodes: int) -> Tensor:
    """Neighbours (..., N, D), -1 where there is none -> weights (..., N, N) of 0 and 1."""
    valid = (neighbours >= 0).to(torch.get_default_dtype())
    weights = valid.new_zeros(*neighbours.shape[:-1], num_nodes)
    return weights.scatter_add_(-1, neighbours.clamp(min=0), valid)


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


def check_neighbours(neighbours: Tensor, rows: int, num_nodes: int) -> bool:
    """Whether every slot of neighbours (N, D) or (B, N, D) is filled, as far as is known.

    Values on other devices than a CPU are not looked at, since the host would wait for them: slots
    there count as perhaps empty, and indices beyond the nodes are for the device to refuse.

    Raises:
        ValueError: Another shape, or indices outside -1..N-1.
    """
    shape = tuple(neighbours.shape)
    if shape[:-1] not in ((rows, num_nodes), (num_nodes,)) or shape[-1] == 0:
        raise ValueError(
            f"neighbours must be (N, D) or (B, N, D) with B = {rows}, N = {num_nodes} and D > 0, "
            f"got {shape}"
        )
    if not neighbours.numel():
        return True
    if not free_to_look(neighbours):
        return False
    low, high = (int(bound) for bound in neighbours.aminmax())
    if low < -1 or high >= num_nodes:
        raise ValueError(
            f"neighbours must be -1 (none) or in 0..{num_nodes - 1}, got {low}..{high}"
        )
    return low >= 0
