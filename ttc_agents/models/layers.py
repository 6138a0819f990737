"""The graph between the open choices of a batch and their constraint groups, and sums over it.

A choice is open if it is not given and no given excludes it. Only open choices take part, so the
rows of all instances of a batch are laid end to end (R rows in all) and every sum is a sparse
one, in compressed rows. The transpose of each sum is known beforehand, which makes the backward
pass as cheap as the forward one.

Shapes: B instances, V = N * C choices, K kinds of group, G groups, R open rows, E edges (row in
group).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttc_agents.models.base import sent
from ttc_envs import TaskSpec


@dataclass(frozen=True)
class Bags:
    """A sparse sum in compressed rows: out[i] = sum of x[index[offsets[i] : offsets[i + 1]]]."""

    index: Tensor
    offsets: Tensor

    def sum(self, x: Tensor) -> Tensor:
        """(rows, H) -> (bags, H)."""
        return torch.embedding_bag(x, self.index, self.offsets, False, 0, False)[0]


class BagSum(torch.autograd.Function):
    """`Bags.sum` whose backward is the sum over the transposed bags, thus differentiable again."""

    @staticmethod
    def forward(x: Tensor, bags: Bags, transposed: Bags) -> Tensor:
        """The sum."""
        return bags.sum(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Bags, Bags], output: Tensor) -> None:
        """Keep the bags."""
        _, ctx.bags, ctx.transposed = inputs

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        """The transposed sum."""
        return BagSum.apply(grad.contiguous(), ctx.transposed, ctx.bags), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, bags: None, transposed: None) -> Tensor:
        """The sum is linear."""
        return BagSum.apply(tangent, ctx.bags, ctx.transposed)


@dataclass(frozen=True)
class OpenGraph:
    """The open choices of a batch and their groups.

    Args:
        rows: (R,) position of each open choice in the flattened (B * V).
        group_sizes: Groups with an open choice, per kind.
        to_groups: Messages (R * K, U) -> groups.
        from_groups: Their transpose.
        to_rows: Groups -> rows (R, Z).
        from_rows: Their transpose.
    """

    rows: Tensor
    group_sizes: list[int]
    to_groups: Bags
    from_groups: Bags
    to_rows: Bags
    from_rows: Bags

    def gather_groups(self, messages: Tensor) -> Tensor:
        """(R * K, U) messages -> (groups, U) sums."""
        return BagSum.apply(messages, self.to_groups, self.from_groups)

    def gather_rows(self, groups: Tensor) -> Tensor:
        """(groups, Z) -> (R, Z), each row the sum over the groups it is in."""
        return BagSum.apply(groups, self.to_rows, self.from_rows)


@dataclass(frozen=True)
class TableGraph:
    """The graph of all choices by tables, for a batch of any size; sums like `OpenGraph`.

    It is what exported models compute, since no runtime knows sums in compressed rows.

    Args:
        size: B.
        group_sizes: Groups of the batch, per kind.
        members: (G, n) messages in 0..V * K of each group, V * K where there is none.
        groups: (V, d) groups in 0..G of each choice, G where there is none.
    """

    size: int
    group_sizes: list[int]
    members: Tensor
    groups: Tensor

    def gather_groups(self, messages: Tensor) -> Tensor:
        """(B * V * K, U) messages -> (G * B, U) sums."""
        by_row = F.pad(messages.view(self.size, -1, messages.shape[-1]), (0, 0, 0, 1))
        return by_row[:, self.members].sum(2).transpose(0, 1).flatten(0, 1)

    def gather_rows(self, groups: Tensor) -> Tensor:
        """(G * B, Z) -> (B * V, Z), each row the sum over the groups it is in."""
        by_group = F.pad(groups.view(-1, self.size, groups.shape[-1]), (0, 0, 0, 0, 0, 1))
        return by_group[self.groups].sum(1).transpose(0, 1).flatten(0, 1)


def exclusive_cumsum(counts: Tensor) -> Tensor:
    """Where each bag begins."""
    return counts.cumsum(0) - counts


class GroupTables(nn.Module):
    """The constraint groups of a spec as tables, from which the graph of a batch is read off.

    Args:
        spec: With groups; all of them count, sorted by kind.
    """

    incidence: Tensor

    def __init__(self, spec: TaskSpec) -> None:
        """Build the tables once."""
        super().__init__()
        self.num_kinds = len(spec.groups)
        self.num_choices = spec.num_nodes * spec.num_choices
        flat = [g.members[..., 0] * spec.num_choices + g.members[..., 1] for g in spec.groups]
        kind_of = np.repeat(np.arange(self.num_kinds), [len(m) for m in flat])
        groups = [row for members in flat for row in members]
        incidence = np.zeros((len(groups), self.num_choices), dtype=np.float32)
        for group, members in enumerate(groups):
            incidence[group, members] = 1
        of_kind = [incidence[kind_of == kind].sum(0) for kind in range(self.num_kinds)]
        self.register_buffer("incidence", torch.as_tensor(incidence), persistent=False)
        self._whole: tuple[Any, OpenGraph] | None = None
        # These stay on the host, where graphs are made.
        self.members = torch.as_tensor(padded(groups, self.num_choices))
        self.member_of = torch.as_tensor(
            padded([row.nonzero()[0] for row in incidence.T], len(groups))
        )
        self.kind_of = torch.as_tensor(kind_of)
        self.kind_sizes = [len(m) for m in flat]
        none, own = self.num_choices * self.num_kinds, self.members * self.num_kinds
        self.messages = (own + self.kind_of[:, None]).clamp(max=none)
        self.kind_counts = torch.as_tensor(np.stack(of_kind, axis=1).astype(np.int64))

    def open_choices(self, given: Tensor) -> Tensor:
        """(B, V) bool: neither given nor excluded by a given; `given` (B, V) bool."""
        hits = given.to(self.incidence.dtype) @ self.incidence.T
        return (hits @ self.incidence) == 0

    def whole(self, like: Tensor) -> OpenGraph | TableGraph:
        """The graph of all choices of a batch (B, V), made anew only for another size or device.

        Its shapes do not depend on values, so nothing waits for them. While a model is exported,
        they do not depend on the size of the batch either.
        """
        if torch.compiler.is_exporting():
            size = like.shape[0]
            sizes = [size * n for n in self.kind_sizes]
            return TableGraph(size, sizes, self.messages, self.member_of)
        key, kept = (like.shape, like.device), self._whole
        if kept is None or kept[0] != key:
            with torch.inference_mode(False):  # trainings use it as well
                kept = key, self.graph(torch.ones(like.shape, dtype=torch.bool), like.device)
            self._whole = kept
        return kept[1]

    def graph(self, is_open: Tensor, device: torch.device | None = None) -> OpenGraph:
        """The graph of the open choices (B, V) bool.

        Its sizes depend on values, so it is made on the host: a device is waited for once.

        Args:
            is_open: Where the values are.
            device: Where the graph is wanted; None: there.
        """
        device, is_open = device or is_open.device, is_open.cpu()
        size, kinds, num_groups = len(is_open), self.num_kinds, len(self.kind_of)
        rows = is_open.flatten().nonzero()[:, 0]
        instance, choice = rows // self.num_choices, rows % self.num_choices
        position = torch.full((size, self.num_choices + 1), -1, device=rows.device)
        position[instance, choice] = torch.arange(len(rows), device=rows.device)

        members = position[:, self.members].transpose(0, 1)  # (G, B, n), -1 where closed
        there = members >= 0
        counts = there.sum(2).flatten()
        occupied = counts > 0
        new_id = occupied.cumsum(0) - 1
        counts = counts[occupied]
        told = (members * kinds + self.kind_of[:, None, None])[there]
        per_kind = torch.zeros(kinds, dtype=torch.int64, device=rows.device)
        per_kind.index_add_(0, self.kind_of, occupied.view(num_groups, size).sum(1))

        mine = self.member_of[choice]
        valid = mine < num_groups
        heard = new_id[(mine * size + instance[:, None]).clamp(max=len(new_id) - 1)][valid]
        tables = (
            rows,
            told,
            exclusive_cumsum(counts),
            heard,
            exclusive_cumsum(self.kind_counts[choice].flatten()),
            exclusive_cumsum(valid.sum(1)),
            torch.div(told, kinds, rounding_mode="floor"),
        )
        rows, told, begin, heard, by_kind, by_row, from_groups = (sent(t, device) for t in tables)
        return OpenGraph(
            rows,
            per_kind.tolist(),
            to_groups=Bags(told, begin),
            from_groups=Bags(heard, by_kind),
            to_rows=Bags(heard, by_row),
            from_rows=Bags(from_groups, begin),
        )


def padded(lists: list[Any], filler: int) -> np.ndarray[Any, Any]:
    """Lists of unequal length as one int64 table, filled up with `filler`."""
    table = np.full((len(lists), max(map(len, lists), default=0)), filler, dtype=np.int64)
    for row, values in zip(table, lists, strict=True):
        row[: len(values)] = values
    return table


def scaled(*shape: int) -> nn.Parameter:
    """Normal weights of variance one over the input width."""
    return nn.Parameter(torch.randn(*shape) / shape[-2] ** 0.5)
