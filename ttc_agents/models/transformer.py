"""Transformers whose depth at test time is free, with as many weights or more.

Nodes are tokens; `attention` has the equations of a block F. `share` says which weights are used
again, `layers` blocks in all:

    all    z_{t+1} = F_L(... F_1(norm(z_t + x)) ...)    x the inputs, z_0 = x
    top    z_{t+1} = F_L(z_t)                           z_0 = F_{L-1}(... F_1(x) ...)
    none   z_{t+1} = F_L(... F_1(x) ...)                a step more changes nothing

`all` is a universal transformer (Dehghani et al. 2018, arXiv 1807.03819) with its inputs injected
at every step, and has a loss at each in training; `top` repeats the last block alone; `none` is the
plain, feed-forward transformer, which `top` equals in its first step. Options:

- `halting`: adaptive computation time per node: see `halting`;
- `feedback`: what a step reads also holds its own last prediction, W p for classes and the mean
  input sum_j p_ij x_j of the nodes for pointers (self-conditioning, Chen et al. 2022, arXiv
  2208.04202);
- `memory`: a memory with product keys in place of one perceptron: see `product_keys`.

Where the graph is part of the instance, each edge adds a learned bias to its attention, linear in
what is known of it (as in Graphormer, Ying et al. 2021, arXiv 2106.05234). A graph that is the same
for all instances is not read: it has to be learnt from the positions.

When to use it: where the task has no graph, or shall not be told; as the feed-forward or the larger
model that a recurrent one is compared with. On tasks with a graph, networks that are told of it
learn from far fewer instances.

Shapes: B instances, N nodes, C choices, H width; state (B, N, H), with halting (B, N, 2 H + 3).
"""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttc_agents.models.attention import Block, Rotary, unit
from ttc_agents.models.base import Batch, Context, RefinementModel, Trace
from ttc_agents.models.halting import Halting
from ttc_agents.models.neighbour_graph import GRAPH_FIELD, Links, NeighbourGraph, is_graph
from ttc_agents.models.node_inputs import NodeInputs, is_input
from ttc_agents.models.product_keys import ProductKeyMemory
from ttc_agents.models.readouts import NeighbourPointer, NodePointer, in_order_of_choices
from ttc_envs import TaskSpec

SHARES = ("none", "all", "top")
POSITIONS = ("rotary", "grid")


class Transformer(RefinementModel):
    """Transformer with weights shared over depth or not (see the module for the equations).

    Args:
        spec: A task with node fields.
        width: H.
        heads: Of the attention.
        layers: Blocks, L.
        share: `none`, `all` or `top`.
        positions: `rotary`: attention sees differences of positions. `grid`: each axis of the
            positions is embedded. Tasks without positions have neither.
        embedding: Width of the embedding of each field, and of each axis of a grid.
        halting: Weight of the ponder cost, which joins the loss; None: no halting.
        feedback: Read the last prediction.
        memory: Arguments of `ProductKeyMemory` in the middle block; None: no memory.

    Shapes: logits (B, N, C).
    """

    def __init__(
        self,
        spec: TaskSpec,
        width: int = 64,
        heads: int = 4,
        layers: int = 2,
        share: Literal["none", "all", "top"] = "all",
        positions: Literal["rotary", "grid"] = "rotary",
        embedding: int = 32,
        halting: float | None = None,
        feedback: bool = False,
        memory: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(spec)
        self.reads_answer = any(field.per == "answer" for field in spec.fields.values())
        check_options(share, positions, layers)
        if share == "none" and (feedback or halting is not None):
            raise ValueError("share='none' has one step: nothing to feed back or to halt")
        if feedback and self.reads_answer:
            raise ValueError(f"feedback: on {spec.name} the answer is read anyway")
        self.width, self.share, self.ponder_weight = width, share, halting or 0.0
        self.inputs = NodeInputs(spec, embedding, positions == "grid")
        self.enter = nn.Linear(self.inputs.width, width)
        self.graph = NeighbourGraph(spec) if reads_graph(spec) else None
        self.edge_bias = nn.Linear(self.graph.num_features + 1, heads) if self.graph else None
        remembers = None if memory is None else ProductKeyMemory(width, **memory)
        self.blocks = nn.ModuleList(
            Block(width, heads, remembers if i == (layers - 1) // 2 else None)
            for i in range(layers)
        )
        self.rotary = None
        if spec.positions is not None and positions == "rotary":
            self.rotary = Rotary(spec.positions, width // heads)
        self.present = [n for n, f in spec.fields.items() if (f.per, f.kind) == ("node", "mask")]
        self.logits = self.make_readout()
        classes = spec.num_choices if spec.choices == "class" else width
        self.fed = nn.Linear(classes, width, bias=False) if feedback else None
        self.halting = None if halting is None else Halting(width)

    def make_readout(self) -> nn.Module:
        """What gives the logits of this kind of choices."""
        if self.spec.choices == "neighbour":
            assert self.graph is not None
            return NeighbourPointer(self.width, self.graph.num_features, 0)
        if self.spec.choices == "node":
            return NodePointer(self.spec, self.width, 0)
        return nn.Linear(self.width, self.spec.num_choices)

    @classmethod
    def supports(cls, spec: TaskSpec) -> str | None:
        """It needs inputs of the nodes, and no fields but such as it reads."""
        if spec.choices == "node" and spec.positions is None:
            return "its pointers to nodes need positions"
        if spec.choices == "neighbour" and not reads_graph(spec):
            return f"its pointers to neighbours need a field {GRAPH_FIELD!r}"
        unread = [name for name, f in spec.fields.items() if not (is_input(f) or is_graph(name, f))]
        if unread:
            return f"this model does not read the fields {sorted(unread)}"
        if not any(is_input(f) for f in spec.fields.values()):
            return "it has no node fields"
        return None

    def encode(self, batch: Batch, graph: Tensor | None = None) -> Context:
        """The inputs x, what attention may see, and what runs once for each instance.

        Raises:
            ValueError: There is another graph, which attention would not follow.
        """
        if graph is not None:
            raise ValueError("attention sees every node: no other graph can be given to it")
        x = unit(self.enter(self.inputs(batch).to(self.enter.weight)))
        x = x.to(self.enter.weight)  # the state is not in half precision
        links = self.graph(batch, None) if self.graph else None
        present = None
        if self.present:
            present = torch.stack([batch[name] > 0 for name in self.present]).all(0)
        context = {
            "x": x,
            "links": links,
            "present": present,
            "bias": self.bias(links, present),
            "answer": batch["answer"] if self.reads_answer else None,
        }
        once = {"all": 0, "top": len(self.blocks) - 1, "none": len(self.blocks)}[self.share]
        context["below"] = self.through(context, x, slice(once))
        return context

    def bias(self, links: Links | None, present: Tensor | None) -> Tensor | None:
        """What is added to attention, (B, A, N, N) or (B, 1, 1, N): of edges, and of padding."""
        bias = None
        if links is not None and self.edge_bias is not None:
            rows, nodes, _ = links.neighbours.shape
            known = F.pad(links.edges.to(self.edge_bias.weight), (0, 1), value=1.0)
            each = self.edge_bias(known)  # (B, N, D, A)
            if links.valid is not None:
                each = each * links.valid[..., None]
            bias = each.new_zeros(rows, nodes, nodes, each.shape[-1])
            where = links.neighbours[..., None].expand_as(each)
            bias = bias.scatter_add(2, where, each).permute(0, 3, 1, 2)
        if present is None:
            return bias
        seen = present[:, None, None]
        return seen if bias is None else bias.masked_fill(~seen, -torch.inf)

    def through(self, context: Context, h: Tensor, blocks: slice) -> Tensor:
        """(B, N, H) through some of the blocks."""
        for block in self.blocks[blocks]:
            h = block(h, self.rotary, context["bias"])
        return h.to(context["x"])

    def initial_state(self, context: Context, generator: torch.Generator | None = None) -> Tensor:
        """What the first step reads, or a random vector of unit mean square at each node."""
        h = context["below"] if self.share == "top" else context["x"]
        if generator is not None:
            noise = torch.randn(h.shape, generator=generator, device=generator.device)
            h = unit(noise.to(h))
        return h if self.halting is None else self.halting.packed(h)

    def step(self, context: Context, z: Tensor, t: Tensor) -> Tensor:
        """One refinement step; the number of steps taken does not matter to it."""
        if self.share == "none":
            below: Tensor = context["below"]
            return below
        h = z[..., : self.width]
        read = h + context["x"] if self.share == "all" else h
        if self.fed is not None:
            read = read + self.prediction(context, z)
        blocks = slice(None) if self.share == "all" else slice(-1, None)
        plain = self.share == "top" and self.fed is None
        new = self.through(context, read if plain else unit(read), blocks)
        return new if self.halting is None else self.halting.advance(z, new)

    def prediction(self, context: Context, z: Tensor) -> Tensor:
        """(B, N, H), the last prediction as an input."""
        assert self.fed is not None
        p = self.readout(context, z).softmax(-1)
        if self.spec.choices == "node":
            p = p @ context["x"]
        elif self.spec.choices == "neighbour":
            nodes = context["links"].neighbours.flatten(1)[..., None].expand(-1, -1, self.width)
            theirs = context["x"].gather(1, nodes).unflatten(1, p.shape[1:])
            p = (p[..., None] * theirs).sum(2)
        fed: Tensor = self.fed(p).to(z)
        return fed

    def readout(self, context: Context, z: Tensor) -> Tensor:
        """The logits of a state."""
        h = z if self.halting is None else self.halting.output(z)
        none = h[..., :0]
        if self.spec.choices == "class":
            logits: Tensor = self.logits(h)
        elif self.spec.choices == "neighbour":
            logits = self.logits(h, none, context["links"])
        else:
            logits = self.logits(h, none, context["present"])
        if context["answer"] is None:
            return logits
        return in_order_of_choices(logits, context["answer"])

    def forward(self, *arguments: Any, **options: Any) -> Trace:
        """As in the base; with halting the extras hold `ponder_penalty`, which joins the loss."""
        trace = super().forward(*arguments, **options)
        if self.halting is not None:
            ponder = self.halting.ponder(trace.state).mean()
            trace.extras["ponder_penalty"] = self.ponder_weight * ponder
        return trace


def reads_graph(spec: TaskSpec) -> bool:
    """Whether the graph is part of the instance."""
    return GRAPH_FIELD in spec.fields


def check_options(share: str, positions: str, layers: int) -> None:
    """Refuse unknown names, and no layers."""
    for name, known in ((share, SHARES), (positions, POSITIONS)):
        if name not in known:
            raise ValueError(f"expected one of {known}, got {name!r}")
    if layers < 1:
        raise ValueError(f"layers must be at least 1, got {layers}")
