"""From the states of the nodes to the logits of their choices, whatever kind of choices a task has.

`make_readout` makes the readout of a task: of classes (one linear layer), of pointers to neighbours
or of pointers to nodes. Pointers have no parameter per choice, so N and D are free: a model trained
on short lists or small maps can be run on long and large ones.

Shapes: B instances, N nodes, C choices, D neighbours per node, H width, K potentials.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttc_agents.models.base import Batch, fields_of, present_nodes, shows_answer
from ttc_agents.models.neighbour_graph import Links, gather_nodes
from ttc_agents.models.neighbour_messages import PairPerceptron, linear
from ttc_agents.models.node_inputs import is_input
from ttc_envs import TaskSpec

ABSENT = -1e4
"""Logit of a choice that is padding; finite, since rows that are not finite count as failed."""
POINTER_WIDTH = 16
SHARPNESS = 8.0
"""Of pointers to nodes. Cross-entropy is least where points are spread a little too widely, by a
share that falls as 1 / SHARPNESS; much sharper pointers give no derivatives to learn from."""


@dataclass(frozen=True)
class Seen:
    """What a readout needs to know of a batch beside the states.

    Args:
        links: The graph; None where the model reads none.
        present: (B, N) bool, the nodes that are no padding; None: all.
        answer: (B, N) int64, the current answer where the task shows its items in that order; None:
            node i shows item i.
    """

    links: Links | None
    present: Tensor | None
    answer: Tensor | None


class Readout(nn.Module):
    """Base of the readouts.

    Args:
        spec: Of the task.

    Shapes: h (B, N, H), p (B, N, K) -> logits (B, N, C).
    """

    def __init__(self, spec: TaskSpec) -> None:
        super().__init__()
        self.spec, self.shows_answer = spec, shows_answer(spec)

    def seen(self, batch: Batch, links: Links | None) -> Seen:
        """What `forward` needs of a batch."""
        answer = batch["answer"] if self.shows_answer else None
        return Seen(links, present_nodes(self.spec, batch), answer)

    def forward(self, h: Tensor, p: Tensor, seen: Seen) -> Tensor:
        """The logits of the choices."""
        logits = self.scores(h, p, seen)
        return logits if seen.answer is None else in_order_of_choices(logits, seen.answer)

    @abstractmethod
    def scores(self, h: Tensor, p: Tensor, seen: Seen) -> Tensor:
        """The logits (B, N, C) where node i shows item i."""

    def expected(self, chances: Tensor, x: Tensor, seen: Seen) -> Tensor:
        """The mean of what the choices stand for, by their probabilities (B, N, C).

        Pointers stand for the inputs x (B, N, H) of the node: (B, N, H). A class stands for itself:
        (B, N, C).
        """
        return chances


class ClassReadout(Readout):
    """Classes: W h + b.

    Args:
        spec: With class choices.
        width: H.
        layer: Makes the linear layer, which decides how its weights begin.
    """

    def __init__(self, spec: TaskSpec, width: int, layer: Callable[[int, int], nn.Linear]) -> None:
        super().__init__(spec)
        made = layer(width, spec.num_choices)
        self.weight, self.bias = made.weight, made.bias

    def scores(self, h: Tensor, p: Tensor, seen: Seen) -> Tensor:
        """One layer for all nodes."""
        return F.linear(h, self.weight, self.bias)


class NeighbourPointer(Readout):
    """A score of each neighbour: w . relu(u) + u_0, with (u, u_0) linear in all that f reads.

    Args:
        spec: With neighbour choices.
        width: H.
        features: Of each edge.
        potentials: K.
    """

    def __init__(self, spec: TaskSpec, width: int, features: int, potentials: int) -> None:
        super().__init__(spec)
        self.pair = PairPerceptron(width, features, potentials, POINTER_WIDTH + 1, 0)
        self.score = nn.Linear(POINTER_WIDTH, 1, bias=False)

    def scores(self, h: Tensor, p: Tensor, seen: Seen) -> Tensor:
        """(B, N, D); padding is absent."""
        links = seen.links
        assert links is not None
        rows = links.rows()
        mine, theirs, edge = self.pair.per_node(h.flatten(0, 1), p.flatten(0, 1))
        # index_select adds up its derivatives as they come; other ways of indexing sort them first.
        u = theirs.index_select(0, rows.flatten()).unflatten(0, rows.shape) + mine[:, None]
        for f in range(edge.shape[1]):
            u = torch.addcmul(u, links.edges.flatten(0, 1)[:, :, f, None].to(edge), edge[:, f])
        hidden, direct = u.split([POINTER_WIDTH, 1], dim=-1)
        logits = (self.score(F.relu(hidden)) + direct).view(links.neighbours.shape)
        return logits if links.valid is None else logits.masked_fill(~links.valid, ABSENT)

    def expected(self, chances: Tensor, x: Tensor, seen: Seen) -> Tensor:
        """The mean input of the neighbours."""
        assert seen.links is not None
        return (chances[..., None] * gather_nodes(x, seen.links.neighbours)).sum(2)


class NodePointer(Readout):
    """A place takes the node whose point is nearest to it: -SHARPNESS |y_j - x_i|^2.

        y_j = x_j + W_p p_j + W_h h_j

    x are the positions, so that at first each node stands at its own place; potentials and states
    move it. The scale is fixed: if it were learned it would grow until small errors cost nothing,
    and they would then never be corrected, although they grow with the number of nodes.

    Args:
        spec: With node choices and positions (N, p).
        width: H.
        potentials: K.
    """

    positions: Tensor

    def __init__(self, spec: TaskSpec, width: int, potentials: int) -> None:
        super().__init__(spec)
        positions = torch.as_tensor(spec.positions)
        self.register_buffer("positions", positions, persistent=False)
        axes = positions.shape[1]
        self.shift = linear(width, axes)
        nn.init.zeros_(self.shift.weight)
        self.potential = nn.Linear(potentials, axes, bias=False) if potentials else None

    def scores(self, h: Tensor, p: Tensor, seen: Seen) -> Tensor:
        """(B, N, N). An absent node is at its own place and at no other's."""
        places = self.positions.to(h)
        points = places + self.shift(h)
        if self.potential is not None:
            points = points + self.potential(p)
        # The square is not expanded: that would lose the digits that count.
        logits = -SHARPNESS * (places[:, None] - points[:, None]).square().sum(-1)
        present = seen.present
        if present is None:
            return logits
        own = torch.eye(h.shape[1], dtype=torch.bool, device=h.device)
        return logits.masked_fill(~(present[:, None] & present[:, :, None] | own), ABSENT)

    def expected(self, chances: Tensor, x: Tensor, seen: Seen) -> Tensor:
        """The mean input of the nodes."""
        return chances @ x


def make_readout(
    spec: TaskSpec,
    width: int,
    features: int = 0,
    potentials: int = 0,
    layer: Callable[[int, int], nn.Linear] = linear,
) -> Readout:
    """The readout of a task.

    Args:
        spec: Of the task, for which `unreadable` is None.
        width: H.
        features: Of each edge of the graph that the model reads.
        potentials: K.
        layer: Makes the linear layer of classes.
    """
    if spec.choices == "neighbour":
        return NeighbourPointer(spec, width, features, potentials)
    if spec.choices == "node":
        return NodePointer(spec, width, potentials)
    return ClassReadout(spec, width, layer)


def unreadable(spec: TaskSpec) -> str | None:
    """Why a model of the nodes cannot work on a task, or None.

    Such a model reads the fields of the nodes (`NodeInputs`) and of their neighbours
    (`NeighbourGraph`), and has a readout; whether it needs a graph is its own affair.
    """
    if spec.choices == "node" and spec.positions is None:
        return "its pointers to nodes need positions"
    inputs = {name for name, field in spec.fields.items() if is_input(field)}
    edges = {name for kind in ("mask", "real") for name in fields_of(spec, kind, "neighbour")}
    unread = set(spec.fields) - inputs - edges - {spec.graph_field}
    if unread:
        return f"this model does not read the fields {sorted(unread)}"
    return None if inputs else "it has no node fields"


def in_order_of_choices(logits: Tensor, answer: Tensor) -> Tensor:
    """Logits (B, N, N) over nodes that show item answer[j] -> over items.

    An item that no node shows is absent.
    """
    out = torch.full_like(logits, ABSENT)
    return out.scatter(2, answer[:, None].expand_as(logits), logits)
