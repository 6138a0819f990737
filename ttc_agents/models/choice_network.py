"""A relational network with a state for every (node, choice), in which all choices are alike.

    x_ic = E[given, ruled out by a given of its node, or open]
    u, v, w = relu(h V_u), relu(h V_v), h V_w
    z_ic = b + w_ic + x_ic V_x + 3/D_i sum_{j in N(i)} u_jc W_u + 3/C sum_d v_id W_v
    h_ic <- rms_norm(h_ic + silu(z_ic) W_2),        h = rms_norm(x) at first
    logit_ic = h_ic . w

A choice hears of the same choice at its node's neighbours, D_i in number, and of the other choices
of its node. It is the recurrent relational network of Palm et al. 2018 (arXiv 1711.08028) with
weights shared over choices, so that relabelling the choices permutes the logits; what an edge means
(in a colouring, that both differ) has to be learnt.

When to use it: where only a graph is known, or one is learned, and choices are interchangeable
symbols. It learns from far fewer instances than a network that is told each symbol apart; where
constraint groups are known, a factor-graph network does better.

Shapes: B instances, N nodes, C choices, H width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttc_agents.models.attention import unit
from ttc_agents.models.base import Batch, Context, RefinementModel
from ttc_agents.models.count_network import as_weights
from ttc_agents.models.layers import scaled
from ttc_envs import TaskSpec

OPEN, RULED_OUT, GIVEN = 0, 1, 2
FEW = 3.0
"""About a third of what is summed is open, so that sums keep unit size."""


class ChoiceNetwork(RefinementModel):
    """Network of alike choices on a graph (see the module for the equations).

    Args:
        spec: A task with class choices, a field of givens and neighbours.
        width: H, the state of a choice.
        message_width: Of u and v.
        hidden_width: Of z.

    Shapes: state (B, N, C * H); logits (B, N, C); graph (N, D) or (B, N, D) neighbours, -1 where
        there is none, or (B, N, N) weights of edges from a node's neighbours to it, a tensor of
        reals.
    """

    weighted = True
    neighbours: Tensor

    def __init__(
        self, spec: TaskSpec, width: int = 32, message_width: int = 32, hidden_width: int = 64
    ) -> None:
        super().__init__(spec)
        self.given = next(name for name, f in spec.fields.items() if f.kind == "given")
        self.sizes = [message_width, message_width, hidden_width]
        self.inputs = nn.Embedding(3, width)  # E
        self.read = scaled(width, sum(self.sizes))  # V
        self.inject = scaled(width, hidden_width)  # V_x
        self.from_nodes = scaled(message_width, hidden_width)  # W_u
        self.from_choices = scaled(message_width, hidden_width)  # W_v
        self.bias = nn.Parameter(torch.zeros(hidden_width))  # b
        self.write = nn.Parameter(0.5 * scaled(hidden_width, width).data)  # W_2
        self.to_logit = nn.Parameter(torch.zeros(width))  # w
        self.register_buffer(
            "neighbours", torch.as_tensor(spec.neighbours).long(), persistent=False
        )

    @classmethod
    def supports(cls, spec: TaskSpec) -> str | None:
        """It needs class choices, givens and a graph, and reads nothing else."""
        if spec.choices != "class":
            return f"its choices are pointers ({spec.choices}), not classes"
        if spec.neighbours is None:
            return "it has no neighbours"
        if [field.kind for field in spec.fields.values()] != ["given"]:
            return "it has other fields than one of givens"
        return None

    def encode(self, batch: Batch, graph: Tensor | None = None) -> Context:
        """What is known of each choice, and the graph as weights (B, N, N)."""
        givens = batch[self.given]
        graph = self.neighbours if graph is None else graph
        if not graph.is_floating_point():
            graph = as_weights(graph.expand(len(givens), -1, -1), self.spec.num_nodes)
        choices = torch.arange(self.spec.num_choices, device=givens.device)
        known = (givens[..., None] >= 0).long() + (givens[..., None] == choices)
        x = self.inputs(known)
        edges = graph.to(x) * (FEW / graph.to(x).sum(-1, keepdim=True).clamp(min=1.0))
        return {"x": x, "z": self.bias + x @ self.inject, "edges": edges}

    def initial_state(self, context: Context, generator: torch.Generator | None = None) -> Tensor:
        """What is known of each choice, or a random vector each."""
        h = context["x"]
        if generator is not None:
            h = torch.randn(h.shape, generator=generator, device=generator.device).to(h)
        return unit(h).flatten(2)

    def step(self, context: Context, z: Tensor, t: Tensor) -> Tensor:
        """One refinement step; the number of steps taken does not matter to it."""
        h = z.view(context["x"].shape)
        u, v, own = (h @ self.read).split(self.sizes, dim=-1)
        heard = (context["edges"].to(u) @ u.relu().flatten(2)).view(u.shape)
        others = v.relu().sum(2, keepdim=True) * (FEW / self.spec.num_choices)
        inner = own + context["z"] + heard @ self.from_nodes + others @ self.from_choices
        return unit(h + F.silu(inner) @ self.write).flatten(2).to(z)

    def readout(self, context: Context, z: Tensor) -> Tensor:
        """The logits of a state."""
        return z.view(context["x"].shape) @ self.to_logit
