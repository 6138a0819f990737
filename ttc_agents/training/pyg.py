"""Instances as a `torch_geometric.data.Batch`, so that any PyG model can be trained on them.

Shapes: N nodes of an instance, E edges of it, F and F_e features; in the batch the nodes and the
edges of all instances stand end to end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ttc_envs import UNDECIDED, Field, Instances, TaskSpec

if TYPE_CHECKING:
    from torch_geometric.data import Batch

IGNORED = -1
"""In `y`, for `cross_entropy(..., ignore_index=-1)`."""


def to_pyg(instances: Instances, spec: TaskSpec) -> Batch:
    """The instances as graphs of tensors.

    - `x` (N, F) float32: the fields of the nodes, reals as they are, classes one-hot;
    - `edge_index` (2, E): from each neighbour (row 0) to the node that has it (row 1);
    - `edge_attr` (E, F_e) float32: the reals of the neighbours;
    - `edge_slot` (E,): which of the node's neighbours, 0..D-1, the edge comes from;
    - `y` (N,) int64: the labelled choice; -1 where a node does not count. It counts choices within
      its instance: pointers to nodes do not grow with the batch;
    - `free` (N,) bool: nodes that are there and that no given decides;
    - `edge_right` (E,) bool, where the labels know all right choices and choices are neighbours;
    - `pos` (N, p) float32, where the spec has positions;
    - `fields` of the instance as a whole, (1, ...) each, under their names.

    Fields in the order of the answer are in the order of the choices.

    Args:
        instances: With labels `answer` and, where there are any, `right`.
        spec: Of their task.
    """
    from torch_geometric.data import Batch, Data

    return Batch.from_data_list(
        [Data(**_graph(instances[row : row + 1], spec)) for row in range(len(instances))]
    )


def _graph(one: Instances, spec: TaskSpec) -> dict[str, Any]:
    """The tensors of one instance (B = 1)."""
    fields = {name: (field, one.fields[name][0]) for name, field in spec.fields.items()}
    there = np.ones(spec.num_nodes, dtype=bool)
    free = there.copy()
    for field, values in fields.values():
        if (field.per, field.kind) == ("node", "mask"):
            there &= values > 0
        if field.kind == "given":
            free &= values == UNDECIDED
    node, slot, neighbour = _edges(fields, spec, there)
    features = [_columns(*f) for f in fields.values() if f[0].per in ("node", "answer")]
    own = [v[node, slot] for f, v in fields.values() if (f.per, f.kind) == ("neighbour", "real")]
    graph: dict[str, Any] = {
        "x": _reals(features, spec.num_nodes),
        "edge_index": torch.from_numpy(np.stack([neighbour, node])),
        "edge_attr": _reals([values.reshape(len(node), -1) for values in own], len(node)),
        "edge_slot": torch.from_numpy(slot),
        "y": torch.from_numpy(_choices(one, there)),
        "free": torch.from_numpy(there & free),
        "num_nodes": spec.num_nodes,
    }
    if spec.choices == "neighbour" and "right" in one.labels:
        graph["edge_right"] = torch.from_numpy(one.labels["right"][0][node, slot])
    if spec.positions is not None:
        graph["pos"] = torch.from_numpy(spec.positions.astype(np.float32))
    whole = {name: v for name, (f, v) in fields.items() if f.per == "instance"}
    return graph | {name: torch.from_numpy(np.array(v))[None] for name, v in whole.items()}


def _edges(
    fields: dict[str, tuple[Field, np.ndarray]], spec: TaskSpec, there: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Node, slot and neighbour (E,) of every edge between nodes that are there."""
    tables = [v for f, v in fields.values() if (f.per, f.kind) == ("neighbour", "node")]
    if spec.neighbours is not None:
        tables = [spec.neighbours]
    if len(tables) != 1:
        raise ValueError(f"{spec.name} has {len(tables)} tables of neighbours, expected one")
    counts = tables[0] >= 0
    for field, values in fields.values():
        if (field.per, field.kind) == ("neighbour", "mask"):
            counts = counts & (values > 0)
    counts = counts & there[:, None] & there[np.maximum(tables[0], 0)]
    node, slot = np.nonzero(counts)
    return node, slot, tables[0][node, slot].astype(np.int64)


def _columns(field: Field, values: np.ndarray) -> np.ndarray:
    """(N, columns): reals as they are, classes and masks one-hot."""
    if field.kind == "real":
        return values.reshape(len(values), -1)
    classes = np.arange(int(field.low), int(field.high) + 1)
    return (values[..., None] == classes).reshape(len(values), -1)


def _reals(parts: list[np.ndarray], rows: int) -> torch.Tensor:
    """Columns side by side as float32."""
    empty = np.zeros((rows, 0), dtype=np.float32)
    return torch.from_numpy(np.concatenate([empty, *parts], axis=1, dtype=np.float32))


def _choices(one: Instances, there: np.ndarray) -> np.ndarray:
    """(N,) the labelled choices, `IGNORED` where a node does not count."""
    counts = there
    if "right" in one.labels:
        counts = counts & one.labels["right"][0].any(axis=1)
    return np.where(counts, one.labels["answer"][0], IGNORED).astype(np.int64)
