"""The inputs of the nodes: the fields and positions of each node as one vector."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from ttc_agents.models.base import Batch
from ttc_envs import Field as FieldSpec
from ttc_envs import TaskSpec

PERIODS = (2, 4, 8)
"""Periods of the waves that encode positions where the number of nodes is free."""


class NodeInputs(nn.Module):
    """The fields and positions of each node as one vector.

    Classes (kinds `given`, `symbol` and `mask`) are embedded, reals are taken as they are. Where
    choices are classes, each axis of the positions is embedded. Where choices are pointers, a model
    may meet more nodes than in training: there each axis is encoded by sines and cosines of some
    short periods.

    Args:
        spec: Of the task.
        embedding: Width of each embedding.
        positions: Whether positions are inputs.

    Shapes: fields (B, N, ...) -> (B, N, `width`).
    """

    place: Tensor
    phases: Tensor

    def __init__(self, spec: TaskSpec, embedding: int, positions: bool) -> None:
        super().__init__()
        self.fields = {name: field for name, field in spec.fields.items() if is_input(field)}
        self.classes = nn.ModuleList(
            nn.Embedding(int(field.high - field.low) + 1, embedding)
            for field in self.fields.values()
            if field.kind != "real"
        )
        axes = [] if spec.positions is None or not positions else list(spec.positions.T)
        embedded = axes if spec.choices == "class" else []
        self.register_buffer("place", ranks(embedded), persistent=False)
        self.axes = nn.ModuleList(nn.Embedding(int(r.max()) + 1, embedding) for r in self.place)
        angles = [2 * math.pi * axis / n for axis in axes for n in PERIODS if not embedded]
        phases = [wave(angle) for angle in angles for wave in (np.cos, np.sin)]
        table = np.array(phases, dtype=np.float32).reshape(len(phases), spec.num_nodes).T
        self.register_buffer("phases", torch.as_tensor(table), persistent=False)
        self.width = embedding * len(embedded) + len(phases)
        for field in self.fields.values():
            each = 1 if field.kind == "real" else embedding
            self.width += math.prod(field.shape[1:]) * each

    def choice_tables(self, num_choices: int) -> Tensor | None:
        """(C, F), the embeddings of the choices, of all fields that hold choices side by side."""
        fields = [field for field in self.fields.values() if field.kind != "real"]
        tables: list[Tensor] = []
        for field, table in zip(fields, self.classes, strict=True):
            rows = table.get_parameter("weight")[-int(field.low) :]  # without "undecided"
            tables += [rows] if len(rows) == num_choices else []
        return torch.cat(tables, dim=1) if tables else None

    def forward(self, batch: Batch) -> Tensor:
        """The vectors of all nodes."""
        parts, tables = [], iter(self.classes)
        for name, field in self.fields.items():
            values = batch[name]
            if field.kind != "real":
                values = next(tables)(values.long() - int(field.low))
            parts.append(values.flatten(2) if values.dim() > 2 else values[..., None])
        rows = parts[0].shape[0]
        parts += [table(self.place[axis]) for axis, table in enumerate(self.axes)]
        if self.phases.shape[1]:
            parts.append(self.phases)
        return torch.cat([part.expand(rows, -1, -1) for part in parts], dim=-1)


def ranks(axes: list[np.ndarray]) -> Tensor:
    """(p, N) int64, the rank of each node's position on each axis (N,), beginning at 0."""
    found = [np.unique(axis, return_inverse=True)[1] for axis in axes]
    return torch.as_tensor(np.array(found, dtype=np.int64))


def is_input(field: FieldSpec) -> bool:
    """Whether a field is read as input of the nodes."""
    return field.per in ("node", "answer") and field.kind != "node"
