"""The recurrent relational network of Palm et al. 2018 (arXiv 1711.08028) on the graph of a spec.

Each node i of the answer has an input x_i, a hidden state h_i and a cell c_i. One refinement step:

    x_i      = e([embeddings of the node's fields and position])     once per instance
    m_i      = sum_{j in N(i)} f([h_i ; h_j])
    h_i, c_i = LSTM(g([x_i ; m_i]), (h_i, c_i))                      h_i = x_i, c_i = 0 at first
    logits_i = W h_i + b

e, f and g are perceptrons of ReLU layers with a linear last one. Beyond the paper's network:

- f also reads the features of an edge, f([h_i ; h_j ; e_ij]): see `neighbour_graph`;
- the elementwise maximum of messages may stand in place of their sum (`aggregation="max"`), or a
  sum over the kinds of edges and a mean over the nodes (`aggregation="count"`; `count_messages`);
- a node may have potentials p_i, values without bound. A step adds to them, and other nodes see
  only differences of potentials. With them, lengths and counts can exceed those seen in training:

      f([h_i ; h_j ; e_ij ; p_j - p_i])
      p_i <- p_i + W_p m_i                                         p_i = P x_i at first

  With sums the update is linear: counts must be updated linearly, or they do not extrapolate
  beyond the counts seen in training. With greatest messages the update is W_p [g([x_i ; m_i]) ;
  m_i], since a shortest length also needs a comparison;

- pointers to neighbours or nodes may stand in place of classes: see `readout`;
- where a field shows the instance in the order of the current answer, the model reads the answer:
  x_i changes from step to step, f reads [h_i ; x_i] in place of h_i, and the logits of nodes are
  put in the order of the items that they show.

When to use it: where nodes have neighbours. Add potentials where lengths or counts add up along the
way and instances are larger at test time than in training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttc_agents.models.base import (
    Batch,
    Context,
    RefinementModel,
    check_name,
    sent,
    shows_answer,
)
from ttc_agents.models.count_messages import CountMessages, count_features
from ttc_agents.models.neighbour_graph import NeighbourGraph
from ttc_agents.models.neighbour_messages import (
    NeighbourMessages,
    PairPerceptron,
    Perceptron,
    linear,
)
from ttc_agents.models.node_inputs import NodeInputs
from ttc_agents.models.readout import make_readout, unreadable
from ttc_envs import TaskSpec

if TYPE_CHECKING:
    from ttc_agents.models.edge_messages import EdgeMessages


class RelationalNetwork(RefinementModel):
    """Recurrent relational network (see the module for the equations).

    The defaults are the dimensions of the paper's Sudoku network, as its authors' code has them.
    Embeddings have 16 numbers; e, f and g have three hidden layers of 96 and a linear layer of 96,
    the LSTM has 96. Messages are summed over neighbours. At first h = x, with Glorot weights and a
    forget bias of 1. What differs: the LSTM's own first input is x too (there zero), the readout
    has no class for an open node, and there is no edge input (there constant). The paper embeds row
    and column, that code multiplies these embeddings by zero: `positions` chooses. With
    `message_layers=1` no matrix product per edge is left, and training is several times faster.

    Args:
        spec: A task with node fields and neighbours (or the field `neighbours`, indices of nodes
            per neighbour; masks per node or neighbour say which of them are there).
        width: H, of states, messages and hidden layers.
        embedding: Width of the embedding of each field and of each axis of the positions.
        message_layers: Hidden layers of f; 0 makes it linear.
        node_layers: Hidden layers of e and g.
        positions: Read the positions of the spec; without it, node permutations that keep the
            graph permute the logits of classes.
        aggregation: `sum` or `max` of the messages, or `count`, which is dense and takes no message
            layers: what is counted is then right among many more neighbours than in training.
        potentials: K, values per node without bound.
        messages: `dense` for `NeighbourMessages`, `edges` for `EdgeMessages`. Weights of one fit
            the other.

    Shapes: state (B, N, 2H + K), hidden, cell and potentials; logits (B, N, C); neighbours (N, D)
        or (B, N, D), -1 where there is none.
    """

    training_defaults: ClassVar[dict[str, Any]] = {
        "model_options": {"width": 32, "message_layers": 1, "node_layers": 1},
        "optimizer": "muon",
    }

    takes_graph = True

    def __init__(
        self,
        spec: TaskSpec,
        width: int = 96,
        embedding: int = 16,
        message_layers: int = 3,
        node_layers: int = 3,
        positions: bool = True,
        aggregation: Literal["sum", "max", "count"] = "sum",
        potentials: int = 0,
        messages: Literal["dense", "edges"] = "dense",
    ) -> None:
        super().__init__(spec)
        if node_layers < 1 or min(message_layers, potentials) < 0:
            raise ValueError(
                "node_layers must be at least 1, message_layers and potentials at least 0, "
                f"got {node_layers}, {message_layers} and {potentials}"
            )
        check_name(aggregation, ("sum", "max", "count"), "aggregation")
        check_name(messages, ("dense", "edges"), "messages")
        self.reads_answer = shows_answer(spec)
        self.sizes = [width, width, potentials]
        self.graph = NeighbourGraph(spec)
        self.inputs = NodeInputs(spec, embedding, positions)
        self.encoder = Perceptron(self.inputs.width, width, node_layers)
        told = 2 * width if self.reads_answer else width
        features, signs = self.graph.num_features, self.graph.num_signs
        if aggregation == "count":
            features = count_features(features, signs)
        f = PairPerceptron(told, features, potentials, width, message_layers)
        self.messages = message_module(f, aggregation, messages, signs)
        self.update = Perceptron(2 * width, width, node_layers)
        self.gates = linear(2 * width, 4 * width)
        nn.init.ones_(self.gates.bias.data[width : 2 * width])  # remember, until taught otherwise
        if potentials:
            self.height = nn.Linear(width, potentials, bias=False)
            self.bent = aggregation == "max"
            self.drift = nn.Linear((1 + self.bent) * width, potentials, bias=False)
            if self.bent:
                nn.init.zeros_(self.drift.weight.data[:, :width])  # linear until taught otherwise
        self.logits = make_readout(spec, width, self.graph.num_features, potentials)

    @classmethod
    def supports(cls, spec: TaskSpec) -> str | None:
        """It needs a graph, and no fields but such as it reads."""
        if spec.neighbours is None and spec.graph_field is None:
            return "it has no neighbours, neither for all instances nor in a field of each"
        return unreadable(spec)

    def encode(self, batch: Batch, graph: Tensor | None = None) -> Context:
        """The inputs x, their share of the first layer of g, and the graph.

        Raises:
            ValueError: See `NeighbourGraph`.
        """
        inputs = self.inputs(batch).to(self.gates.weight)
        x = self.encoder(inputs.flatten(0, 1)).to(inputs)  # the state is not in half precision
        links = self.graph(batch, graph)
        own, _ = self.update.first.weight.chunk(2, dim=1)
        return {
            "x": x.unflatten(0, inputs.shape[:2]),
            "update": F.linear(x, own, self.update.first.bias),
            "prepared": self.messages.prepare(links),
            "seen": self.logits.seen(batch, links),
        }

    def initial_state(self, context: Context, generator: torch.Generator | None = None) -> Tensor:
        """The inputs as hidden state and no memory, or both uniform in (-1, 1)."""
        x = context["x"]
        parts = [x, torch.zeros_like(x)]
        if self.sizes[2]:
            parts.append(self.height(x).to(x))
        z = torch.cat(parts, dim=-1)
        if generator is None:
            return z
        drawn = torch.rand(z.shape, generator=generator, device=generator.device)
        noise = sent(drawn.to(z.dtype), z.device)
        bounded = torch.arange(z.shape[-1], device=z.device) < 2 * self.sizes[0]
        return torch.where(bounded, 2 * noise - 1, z)

    def step(self, context: Context, z: Tensor) -> Tensor:
        """One refinement step."""
        h, c, p = z.flatten(0, 1).split(self.sizes, dim=-1)
        v = torch.cat([h, context["x"].flatten(0, 1)], dim=-1) if self.reads_answer else h
        messages = self.messages(v, p, context["prepared"])
        _, other = self.update.first.weight.chunk(2, dim=1)
        u = self.update.last(self.update.hidden(context["update"] + F.linear(messages, other)))
        # Autocast may give gates in half precision; the state is kept in its own.
        gates = self.gates(torch.cat([u, h.to(u)], dim=-1)).to(z.dtype)
        enter, forget, leave, new = gates.chunk(4, dim=-1)
        c = forget.sigmoid() * c + enter.sigmoid() * new.tanh()
        parts = [leave.sigmoid() * c.tanh(), c]
        if self.sizes[2]:
            read = torch.cat([u, messages.to(u)], dim=-1) if self.bent else messages
            parts.append(p + self.drift(read).to(z.dtype))
        return torch.cat(parts, dim=-1).view(z.shape)

    def readout(self, context: Context, z: Tensor) -> Tensor:
        """The logits of a state."""
        h, _, p = z.split(self.sizes, dim=-1)
        return self.logits(h, p, context["seen"])

    def expected_choice(self, context: Context, chances: Tensor) -> Tensor:
        """Classes for themselves, pointers for the inputs of what they point to."""
        return self.logits.expected(chances, context["x"], context["seen"])

    def choice_embeddings(self) -> Tensor | None:
        """The tables of the inputs that have a row for each choice, side by side."""
        return self.inputs.choice_tables(self.spec.num_choices)


def message_module(
    f: PairPerceptron, aggregation: str, messages: str, signs: int
) -> NeighbourMessages | CountMessages | EdgeMessages:
    """What computes messages; `torch_geometric` is imported only where it is wanted."""
    if aggregation == "count":
        check_name(messages, ("dense",), "messages of aggregation='count'")
        return CountMessages(f, signs)
    if messages == "dense":
        return NeighbourMessages(f, aggregation)
    from ttc_agents.models.edge_messages import EdgeMessages

    return EdgeMessages(f, aggregation)
