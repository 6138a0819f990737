"""A relational network with a state for every (node, choice) and the same weights for all choices.

    x_ic = E[given, ruled out by a given of its node, or open]
    u, v, w = relu(h V_u), relu(h V_v), h V_w
    z_ic = b + w_ic + x_ic V_x + 3/D_i sum_{j in N(i)} u_jc W_u + 3/C sum_d v_id W_v
    h_ic <- rms_norm(h_ic + silu(z_ic) W_2),        h = rms_norm(x) at first
    logit_ic = h_ic . w

A choice receives messages from the same choice at the D_i neighbours of its node, and from the
other choices of its node. It is the recurrent relational network of Palm et al. 2018 (arXiv
1711.08028) with weights shared over choices, so relabelling the choices permutes the logits. What
an edge means is not given: in a colouring, the network learns that neighbours differ.

When to use it: where choices are interchangeable symbols and only a graph is known, or is learned.
It needs far fewer instances than a network that treats each symbol differently. Where constraint
groups are known, a factor-graph network does better.

Shapes: B instances, N nodes, C choices, H width.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttc_agents.models.attention import unit
from ttc_agents.models.base import Batch, Context, RefinementModel, first_reason, noise
from ttc_agents.models.layers import scaled
from ttc_agents.models.neighbour_graph import EdgeWeights
from ttc_envs import TaskSpec

OPEN, RULED_OUT, GIVEN = 0, 1, 2
FEW = 3.0
"""Messages are means times 3: about a third of the choices is open, so that they keep unit size."""


class ChoiceNetwork(RefinementModel):
    """Network with weights shared over choices, on a graph (see the module for the equations).

    Args:
        spec: A task with class choices, a field of givens and neighbours.
        width: H, the state of a choice.
        message_width: Of u and v.
        hidden_width: Of z.

    Shapes: state (B, N, C * H); logits (B, N, C); graph as `EdgeWeights` takes it.
    """

    training_defaults: ClassVar[dict[str, Any]] = {
        "optimizer": "muon",
        "matrix_learning_rate": 0.015,
    }

    takes_graph = True
    per_choice = True
    weighted = True

    def __init__(
        self, spec: TaskSpec, width: int = 32, message_width: int = 32, hidden_width: int = 64
    ) -> None:
        super().__init__(spec)
        (self.given,) = spec.fields
        self.sizes = [message_width, message_width, hidden_width]
        self.inputs = nn.Embedding(3, width)  # E
        self.read = scaled(width, sum(self.sizes))  # V
        self.inject = scaled(width, hidden_width)  # V_x
        self.from_nodes = scaled(message_width, hidden_width)  # W_u
        self.from_choices = scaled(message_width, hidden_width)  # W_v
        self.bias = nn.Parameter(torch.zeros(hidden_width))  # b
        self.write = nn.Parameter(0.5 * scaled(hidden_width, width).data)  # W_2
        self.to_logit = nn.Parameter(torch.zeros(width))  # w
        self.graph = EdgeWeights(spec)

    @classmethod
    def supports(cls, spec: TaskSpec) -> str | None:
        """It needs class choices, givens and a graph, and reads nothing else."""
        kinds = [field.kind for field in spec.fields.values()]
        return first_reason(
            (spec.choices != "class", f"its choices are pointers ({spec.choices}), not classes"),
            (spec.neighbours is None, "it has no neighbours"),
            (kinds != ["given"], "it has other fields than one of givens"),
        )

    def encode(self, batch: Batch, graph: Tensor | None = None) -> Context:
        """What is known of each choice, and the graph as weights (B, N, N)."""
        givens = batch[self.given]
        choices = torch.arange(self.spec.num_choices, device=givens.device)
        known = (givens[..., None] >= 0).long() + (givens[..., None] == choices)
        x = self.inputs(known)
        weights = self.graph(graph, givens.shape[0]).to(x)
        edges = weights * (FEW / weights.sum(-1, keepdim=True).clamp(min=1.0))
        return {"x": x, "z": self.bias + x @ self.inject, "edges": edges}

    def initial_state(self, context: Context, generator: torch.Generator | None = None) -> Tensor:
        """What is known of each choice, or a random vector each."""
        x = context["x"]
        return unit(x if generator is None else noise(x, generator)).flatten(2)

    def step(self, context: Context, z: Tensor) -> Tensor:
        """One refinement step."""
        h = z.view(context["x"].shape)
        u, v, own = (h @ self.read).split(self.sizes, dim=-1)
        heard = (context["edges"].to(u) @ u.relu().flatten(2)).view(u.shape)
        others = v.relu().sum(2, keepdim=True) * (FEW / self.spec.num_choices)
        inner = own + context["z"] + heard @ self.from_nodes + others @ self.from_choices
        return unit(h + F.silu(inner) @ self.write).flatten(2).to(z)

    def readout(self, context: Context, z: Tensor) -> Tensor:
        """The logits of a state."""
        return z.view(context["x"].shape) @ self.to_logit
