"""What is known of each node of an instance, as one vector."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from ttc_agents.models.base import Batch
from ttc_envs import Field as FieldSpec
from ttc_envs import TaskSpec

PERIODS = (2, 4, 8)
"""Of the phases that stand for positions where their number is free."""


class NodeInputs(nn.Module):
    """What is known of each node, as one vector.

    Classes (kinds `given`, `symbol` and `mask`) are embedded, reals taken as they are. Positions
    are embedded, each axis by itself, where choices are classes. Where choices are pointers, a
    model may meet more nodes than in training: there each axis gives the sine and cosine of its
    phase in some short periods.

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
        ranks = [np.unique(axis, return_inverse=True)[1] for axis in embedded]
        self.axes = nn.ModuleList(nn.Embedding(int(rank.max()) + 1, embedding) for rank in ranks)
        place = torch.as_tensor(np.array(ranks, dtype=np.int64))  # (p, N)
        self.register_buffer("place", place, persistent=False)
        angles = [2 * math.pi * axis / n for axis in axes for n in PERIODS if not embedded]
        phases = [wave(angle) for angle in angles for wave in (np.cos, np.sin)]
        table = np.array(phases, dtype=np.float32).reshape(len(phases), spec.num_nodes).T
        self.register_buffer("phases", torch.as_tensor(table), persistent=False)
        self.width = embedding * len(embedded) + len(phases)
        for field in self.fields.values():
            each = 1 if field.kind == "real" else embedding
            self.width += math.prod(field.shape[1:]) * each

    def tables(self) -> dict[str, Tensor]:
        """{field: (V, E)}, the embeddings of its values 0, 1, ...; undecided is left out."""
        fields = [(name, field) for name, field in self.fields.items() if field.kind != "real"]
        tables = {}
        for (name, field), table in zip(fields, self.classes, strict=True):
            assert isinstance(table, nn.Embedding)
            tables[name] = table.weight[-int(field.low) :]
        return tables

    def forward(self, batch: Batch) -> Tensor:
        """The vectors of all nodes."""
        parts, tables = [], iter(self.classes)
        for name, field in self.fields.items():
            values = batch[name]
            if field.kind != "real":
                values = next(tables)(values.long() - int(field.low))
            parts.append(values.flatten(2) if values.dim() > 2 else values[..., None])
        rows = len(parts[0])
        parts += [table(rank) for table, rank in zip(self.axes, self.place, strict=True)]
        if self.phases.shape[1]:
            parts.append(self.phases)
        return torch.cat([part.expand(rows, -1, -1) for part in parts], dim=-1)


def is_input(field: FieldSpec) -> bool:
    """Whether a field is read as input of the nodes."""
    return field.per in ("node", "answer") and field.kind != "node"
