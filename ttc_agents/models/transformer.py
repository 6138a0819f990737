"""Transformers that may take any number of steps at test time, and their feed-forward form.

Nodes are tokens; `attention` has the equations of a block F. There are `layers` blocks, and `share`
says which of them are repeated at every step:

    all    z_{t+1} = F_L(... F_1(norm(z_t + x)) ...)    x the inputs, z_0 = x
    top    z_{t+1} = F_L(z_t)                           z_0 = F_{L-1}(... F_1(x) ...)
    none   z_{t+1} = F_L(... F_1(x) ...)                a step more changes nothing

`all` is a universal transformer (Dehghani et al. 2018, arXiv 1807.03819) into which the inputs are
injected at every step. `top` repeats the last block alone. `none` is the plain, feed-forward
transformer, which is also the first step of `top`. Options:

- `halting`: adaptive computation time per node: see `Halting`;
- `feedback`: a step also reads the last prediction p, as W p for classes and as the mean input
  sum_j p_ij x_j of the nodes for pointers (self-conditioning, Chen et al. 2022, arXiv 2208.04202);
- `memory`: a memory with product keys in place of one perceptron: see `product_keys`.

Where the graph is part of the instance, each edge adds a learned bias to its attention, linear in
the features of the edge (as in Graphormer, Ying et al. 2021, arXiv 2106.05234). A graph that is the
same for all instances is not read: it has to be learned from the positions.

When to use it: when no graph is available, or when it should be withheld; as the feed-forward or
larger model that a recurrent one is compared with. On tasks with a graph, networks that read it
learn from far fewer instances.

Shapes: B instances, N nodes, C choices, H width; state (B, N, H), with halting (B, N, 2 H + 3).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttc_agents.models.attention import Block, Rotary, unit
from ttc_agents.models.base import (
    Batch,
    Context,
    RefinementModel,
    Trace,
    check_name,
    noise,
    shows_answer,
)
from ttc_agents.models.neighbour_graph import NeighbourGraph
from ttc_agents.models.node_inputs import NodeInputs
from ttc_agents.models.product_keys import ProductKeyMemory
from ttc_agents.models.readout import Seen, make_readout, unreadable
from ttc_envs import TaskSpec

EPSILON = 0.01
FIRST_BIAS = -3.0


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

    training_defaults: ClassVar[dict[str, Any]] = {
        "optimizer": "muon",
        "learning_rate": 2e-3,
        "segment_steps": 4,
        "restart": 0.125,
    }

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
        self.reads_answer = shows_answer(spec)
        check_name(share, ("none", "all", "top"), "share")
        check_name(positions, ("rotary", "grid"), "positions")
        if layers < 1:
            raise ValueError(f"layers must be at least 1, got {layers}")
        if share == "none" and (feedback or halting is not None):
            raise ValueError("share='none' has one step: nothing to feed back or to halt")
        if feedback and self.reads_answer:
            raise ValueError(f"feedback: on {spec.name} the answer is read anyway")
        self.width, self.share, self.ponder_weight = width, share, halting or 0.0
        self.inputs = NodeInputs(spec, embedding, positions == "grid")
        self.enter = nn.Linear(self.inputs.width, width)
        self.graph = NeighbourGraph(spec) if spec.graph_field else None
        self.edge_bias = nn.Linear(self.graph.num_features + 1, heads) if self.graph else None
        remembers = None if memory is None else ProductKeyMemory(width, **memory)
        self.blocks = nn.ModuleList(
            Block(width, heads, remembers if i == (layers - 1) // 2 else None)
            for i in range(layers)
        )
        self.rotary = None
        if spec.positions is not None and positions == "rotary":
            self.rotary = Rotary(spec.positions, width // heads)
        features = self.graph.num_features if self.graph else 0
        self.logits = make_readout(spec, width, features, layer=nn.Linear)
        classes = spec.num_choices if spec.choices == "class" else width
        self.fed = nn.Linear(classes, width, bias=False) if feedback else None
        self.halting = None if halting is None else Halting(width)
        self.counts_steps = halting is not None

    @classmethod
    def supports(cls, spec: TaskSpec) -> str | None:
        """It needs inputs of the nodes, and no fields but such as it reads."""
        if spec.choices == "neighbour" and spec.graph_field is None:
            return "its pointers to neighbours need a field that holds the graph"
        return unreadable(spec)

    def encode(self, batch: Batch) -> Context:
        """The inputs x, what attention may see, and what runs once for each instance."""
        x = unit(self.enter(self.inputs(batch).to(self.enter.weight)))
        x = x.to(self.enter.weight)  # the state is not in half precision
        seen = self.logits.seen(batch, self.graph(batch, None) if self.graph else None)
        context = {"x": x, "seen": seen, "bias": self.bias(seen)}
        once = {"all": 0, "top": len(self.blocks) - 1, "none": len(self.blocks)}[self.share]
        context["below"] = self.through(context, x, slice(once))
        return context

    def bias(self, seen: Seen) -> Tensor | None:
        """What is added to attention, (B, A, N, N) or (B, 1, 1, N): of edges, and of padding."""
        bias, links = None, seen.links
        if links is not None and self.edge_bias is not None:
            rows, nodes, _ = links.neighbours.shape
            known = F.pad(links.edges.to(self.edge_bias.weight), (0, 1), value=1.0)
            each = self.edge_bias(known)  # (B, N, D, A)
            if links.valid is not None:
                each = each * links.valid[..., None]
            bias = each.new_zeros(rows, nodes, nodes, each.shape[-1])
            where = links.neighbours[..., None].expand_as(each)
            bias = bias.scatter_add(2, where, each).permute(0, 3, 1, 2)
        if seen.present is None:
            return bias
        there = seen.present[:, None, None]
        return there if bias is None else bias.masked_fill(~there, -torch.inf)

    def through(self, context: Context, h: Tensor, blocks: slice) -> Tensor:
        """(B, N, H) through some of the blocks."""
        for block in self.blocks[blocks]:
            h = block(h, rotary=self.rotary, bias=context["bias"])
        return h.to(context["x"])

    def initial_state(self, context: Context, generator: torch.Generator | None = None) -> Tensor:
        """What the first step reads, or a random vector of unit mean square at each node."""
        h = context["below"] if self.share == "top" else context["x"]
        if generator is not None:
            h = unit(noise(h, generator))
        return h if self.halting is None else self.halting.packed(h)

    def step(self, context: Context, z: Tensor) -> Tensor:
        """One refinement step."""
        if self.share == "none":
            return context["below"]
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
        chances = self.readout(context, z).softmax(-1)
        return self.fed(self.logits.expected(chances, context["x"], context["seen"])).to(z)

    def readout(self, context: Context, z: Tensor) -> Tensor:
        """The logits of a state."""
        h = z if self.halting is None else self.halting.output(z)
        return self.logits(h, h[..., :0], context["seen"])

    def expected_choice(self, context: Context, chances: Tensor) -> Tensor:
        """Classes for themselves, pointers for the inputs of what they point to."""
        return self.logits.expected(chances, context["x"], context["seen"])

    def forward(self, *arguments: Any, **options: Any) -> Trace:
        """As in the base; with halting the ponder cost is the penalty."""
        trace = super().forward(*arguments, **options)
        if self.halting is not None:
            trace.penalty = self.ponder_weight * self.halting.ponder(trace.state).mean()
        return trace

    def choice_embeddings(self) -> Tensor | None:
        """The tables of the inputs that have a row for each choice, side by side."""
        return self.inputs.choice_tables(self.spec.num_choices)


class Halting(nn.Module):
    """Adaptive computation time: each node decides when to stop (Graves 2016, arXiv 1603.08983).

        p_t = sigmoid(w . h_t + b),   N = the first step at which p_1 + ... + p_N >= 1 - epsilon
        output = sum_{t < N} p_t h_t + R h_N,   R = 1 - sum_{t < N} p_t
        ponder cost = N + R

    b begins low, so nodes take many steps at first: a node that stops at once never learns what
    further steps are good for. A node that has stopped keeps its state, and other nodes still read
    it.

    Args:
        width: H.

    Shapes: h (B, N, H); state (B, N, 2 H + 3): h, the sum of outputs so far, the sum of p before
        the last step, whether the node has stopped, the steps that it took.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.sizes = [width, width, 1, 1, 1]
        self.gate = nn.Linear(width, 1)
        nn.init.constant_(self.gate.bias, FIRST_BIAS)

    def packed(self, h: Tensor) -> Tensor:
        """The first state, of nodes that have not taken a step."""
        return torch.cat([h, h.new_zeros(*h.shape[:2], sum(self.sizes[1:]))], dim=-1)

    def advance(self, z: Tensor, new: Tensor) -> Tensor:
        """The state after a step whose result is `new` (B, N, H)."""
        h, output, spent, stopped, steps = z.split(self.sizes, dim=-1)
        going = 1 - stopped
        p = self.gate(new).sigmoid().to(z)
        last = going * (spent + p >= 1 - EPSILON)
        output = output + going * torch.where(last > 0, 1 - spent, p) * new
        spent = spent + going * (1 - last) * p
        h = torch.where(stopped > 0, h, new)
        return torch.cat([h, output, spent, stopped + last, steps + going], dim=-1)

    def output(self, z: Tensor) -> Tensor:
        """(B, N, H), as if every node stopped now."""
        h, output, spent, stopped, _ = z.split(self.sizes, dim=-1)
        return output + (1 - stopped) * (1 - spent) * h

    def ponder(self, z: Tensor) -> Tensor:
        """(B, N), steps and remainder."""
        _, _, spent, _, steps = z.split(self.sizes, dim=-1)
        return (steps + 1 - spent)[..., 0]
