"""A graph that is learned: attention draws each node's neighbours, another model works on them.

`EdgeLogits` scores all pairs of nodes. Every node draws k neighbours, one after the other and
without replacement, from the softmax of its scores; the inner model refines the answer on the graph
that was drawn,

    p(j_1 ... j_k of node i) = prod_m exp(s_{i j_m}) / sum_{j not in j_1 ... j_{m-1}} exp(s_{ij})

Drawing has no derivative, so the scores learn by the score function (Williams 1992; objective
`sampled_graphs`): several graphs are drawn for each instance, and a node's draw is made more likely
if its own losses are lower than in the other graphs. docs/learned_graphs.md has the equations.

With a cost per edge the graph is also pruned: a draw may be "no more", which ends a node's list, so
that k is only an upper bound.

No constraint structure of the task is read: no neighbours, groups or positions.

When to use it: where a graph is at work in the data, and is not known.

Shapes: B instances, N nodes, k drawn neighbours, S graphs per instance, T steps, C choices.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ttc_agents.models.base import Batch, Context, RefinementModel, Trace, free_nodes
from ttc_agents.models.count_network import CountNetwork
from ttc_agents.models.edge_logits import TABLE_SCALE, EdgeLogits
from ttc_agents.models.graph_draws import Drawn, draw_lists, draw_weighted, most_likely
from ttc_envs import TaskSpec

ESTIMATORS = ("score", "simple", "straight_through")
TEST_SEED = 0


class AdjacencyLearner(RefinementModel):
    """Learns the graph that another model works on (see the module).

    In training, `forward` draws S graphs of each instance, and its trace is that of the first; the
    others are in the extras, see there. Otherwise the neighbours are the most likely ones, or with
    `test_graphs` several graphs are drawn, whose probabilities are averaged. Nodes that a given
    decides always take their most likely neighbours.

    Args:
        spec: A task that the inner model supports once it has a graph.
        inner: The model that works on the graph, made for `inner_spec(spec, {"neighbours": k})`;
            None takes a `CountNetwork`.
        neighbours: k; None takes a quarter of the nodes.
        per_instance: The graph depends on the instance; otherwise it belongs to the task.
        width: Of the transformer.
        layers: Of the transformer.
        heads: Of each layer.
        table: Give the last head a learned bias for each pair of nodes.
        positions: Embed the spec's positions in place of the nodes' numbers: structure that is
            given away, for comparison only.
        field_scale: Of what is read of an instance, beside the embedding of its node: if it is
            small, the graphs of all instances begin alike.
        estimator: `score`; `simple` or `straight_through`, biased, for inner models that take
            weights of edges.
        training_graphs: S in training; 0 trains the inner model on the most likely graph.
        test_graphs: Graphs drawn otherwise; 0 takes the most likely one.
        temperature: First and last temperature of the draws.
        entropy: First and last weight of a bonus for the entropy of a node's first draw.
        schedule: Updates from first to last.
        edge_cost: Cost of an edge in nats of its node's loss; above 0 the graph is pruned.
        prune_from: Updates before which nothing is pruned.

    Shapes: state that of the inner model (B, ...), with `test_graphs` (B, S, ...).
    """

    updates: Tensor

    def __init__(
        self,
        spec: TaskSpec,
        inner: RefinementModel | None = None,
        neighbours: int | None = None,
        per_instance: bool = False,
        width: int = 16,
        layers: int = 1,
        heads: int = 4,
        table: bool = True,
        positions: bool = False,
        field_scale: float = 0.01,
        estimator: str = "score",
        training_graphs: int = 4,
        test_graphs: int = 0,
        temperature: tuple[float, float] = (1.0, 1.0),
        entropy: tuple[float, float] = (0.0, 0.0),
        schedule: int = 1000,
        edge_cost: float = 0.0,
        prune_from: int = 0,
    ) -> None:
        if inner is None:
            super().__init__(spec)
        else:
            # What `supports` says holds without an inner model; this one was made, so it fits.
            nn.Module.__init__(self)
            self.spec = spec
        self.neighbours = default_count(spec) if neighbours is None else neighbours
        if not 1 <= self.neighbours < spec.num_nodes:
            raise ValueError(f"neighbours must be in 1..{spec.num_nodes - 1}, got {neighbours}")
        if estimator not in ESTIMATORS:
            raise ValueError(f"estimator must be one of {ESTIMATORS}, got {estimator!r}")
        if estimator != "score" and edge_cost:
            raise ValueError(f"only the estimator 'score' prunes, got {estimator!r}")
        if min(temperature) <= 0 or min(*entropy, edge_cost) < 0:
            raise ValueError(
                "temperatures must be positive, entropy and edge_cost at least 0, got "
                f"{temperature}, {entropy} and {edge_cost}"
            )
        made_for = self.inner_spec(spec, {"neighbours": self.neighbours})
        self.inner = CountNetwork(made_for) if inner is None else inner
        if self.inner.reads_answer or (
            estimator != "score" and not getattr(self.inner, "weighted", False)
        ):
            raise ValueError(
                f"{type(self.inner).__name__} does not do as inner model: it reads the answer, or "
                f"takes no weights for the estimator {estimator!r}"
            )
        self.edges = EdgeLogits(
            spec, width, layers, heads, per_instance, table, positions, field_scale
        )
        self.stop = nn.Parameter(torch.zeros(spec.num_nodes)) if edge_cost else None
        self.estimator = estimator
        self.training_graphs, self.test_graphs = training_graphs, test_graphs
        self.temperature, self.entropy, self.schedule = temperature, entropy, schedule
        self.edge_cost, self.prune_from = edge_cost, prune_from
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    @classmethod
    def inner_spec(cls, spec: TaskSpec, options: dict[str, Any]) -> TaskSpec:
        """The spec of an inner model: no structure, and a ring in the place of the graph.

        Where the answer points to nodes, positions are what it means, and stay.
        """
        count = options.get("neighbours") or default_count(spec)
        ring = (np.arange(spec.num_nodes)[:, None] + np.arange(1, count + 1)) % spec.num_nodes
        return dataclasses.replace(
            spec.without_structure(),
            neighbours=ring.astype(np.int32),
            positions=spec.positions if spec.choices == "node" else None,
        )

    @classmethod
    def supports(cls, spec: TaskSpec) -> str | None:
        """What a `CountNetwork` supports; another inner model has its own say."""
        if spec.num_nodes < 2:
            return f"there is no graph on {spec.num_nodes} node"
        return CountNetwork.supports(cls.inner_spec(spec, {}))

    # The graph

    def edge_logits(self, batch: Batch) -> Tensor:
        """(B, N, N), or with an entry for "no more" (B, N, N + 1); B is 1 for a task's graph."""
        logits: Tensor = self.edges(batch)
        if self.stop is None:
            return logits
        stop = TABLE_SCALE * self.stop
        if self.training and self.updates < self.prune_from:
            stop = torch.full_like(stop, -torch.inf)
        return torch.cat([logits, stop.expand(len(logits), -1)[..., None]], dim=-1)

    def likely_graph(self, batch: Batch) -> Tensor:
        """(B, N, k) the most likely neighbours, -1 behind the end of a list; B as above."""
        logits = self.edge_logits(batch)
        return most_likely(logits, self.neighbours, len(logits)).neighbours[0]

    def scheduled(self, ends: tuple[float, float]) -> float:
        """A value between the first and the last of a schedule."""
        share = min(1.0, int(self.updates) / self.schedule)
        return ends[0] + share * (ends[1] - ends[0])

    def draw(self, logits: Tensor, batch: Batch, count: int) -> Drawn:
        """`count` graphs of each instance; 0 takes the most likely one."""
        rows = len(next(iter(batch.values())))
        if count == 0:
            return most_likely(logits, self.neighbours, rows)
        if self.estimator == "score" or not self.training:
            free = free_nodes(self.spec, batch)
            return draw_lists(logits, self.neighbours, count, rows, free)
        return draw_weighted(logits, self.neighbours, count, rows, self.estimator == "simple")

    # The contract

    def encode(self, batch: Batch, graph: Tensor | None = None) -> Context:
        """The inner model's context on the graph; `graph` is refused."""
        if graph is not None:
            raise ValueError("this model learns its graph, got another one")
        count = 0 if self.training else self.test_graphs
        if not count:
            return self.inner_context(batch, self.draw(self.edge_logits(batch), batch, 0))
        with fixed_random_state(TEST_SEED):
            return self.inner_context(batch, self.draw(self.edge_logits(batch), batch, count))

    def inner_context(self, batch: Batch, drawn: Drawn) -> Context:
        """The inner model's context for S graphs of each instance."""
        count = len(drawn.neighbours)
        return {"inner": self.inner.encode(repeated(batch, count), drawn.graphs), "graphs": count}

    def initial_state(self, context: Context, generator: torch.Generator | None = None) -> Tensor:
        """That of the inner model."""
        return folded(self.inner.initial_state(context["inner"], generator), context["graphs"])

    def step(self, context: Context, z: Tensor, t: Tensor) -> Tensor:
        """One step of the inner model on each graph."""
        count = context["graphs"]
        inner = self.inner.step(context["inner"], unfolded(z, count), t.repeat(count))
        return folded(inner, count)

    def readout(self, context: Context, z: Tensor) -> Tensor:
        """The inner model's logits, or of several graphs the logarithm of the mean probability."""
        count = context["graphs"]
        logits = self.inner.readout(context["inner"], unfolded(z, count))
        if count == 1:
            return logits
        return logits.unflatten(0, (count, -1)).log_softmax(-1).logsumexp(0) - math.log(count)

    def forward(
        self,
        batch: Batch,
        num_steps: int,
        state: Tensor | None = None,
        generator: torch.Generator | None = None,
        graph: Tensor | None = None,
        observe: Callable[[Tensor], Batch] | None = None,
    ) -> Trace:
        """As in the base, with extras from which the graph can be learned.

        `log_prob` (S, B, N) of the lists of neighbours; in training also `graph_logits`
        (S, T, B, N, C), of which the trace has the first graph's, `edge_cost` (S, B, N), and with
        an entropy bonus `penalty` (B or 1, N).
        """
        if not self.training or not self.training_graphs:
            trace = super().forward(batch, num_steps, state, generator, graph)
            drawn = self.draw(self.edge_logits(batch), batch, 0)
            return Trace(trace.logits, trace.state, {"log_prob": drawn.log_prob})
        if graph is not None or num_steps < 1:
            raise ValueError(f"expected no graph and a step at least, got {graph}, {num_steps}")
        logits = self.edge_logits(batch)
        count = self.training_graphs
        drawn = self.draw(logits / self.scheduled(self.temperature), batch, count)
        context = self.inner_context(batch, drawn)["inner"]
        if state is None:
            z = self.inner.initial_state(context, generator)
        else:
            z = state.repeat(count, *[1] * (state.ndim - 1))
        steps = []
        for i in range(num_steps):
            z = self.inner.step(context, z, torch.full((len(z),), i, device=z.device))
            steps.append(self.inner.readout(context, z).unflatten(0, (count, -1)))
        extras = {
            "log_prob": drawn.log_prob,
            "graph_logits": torch.stack(steps, 1),
            "edge_cost": self.edge_cost * (drawn.neighbours >= 0).sum(-1),
        }
        if any(self.entropy):
            extras["penalty"] = -self.scheduled(self.entropy) * entropy(logits)
        self.updates += 1
        rows = len(z) // count
        return Trace(extras["graph_logits"][0], z[:rows], extras)


def default_count(spec: TaskSpec) -> int:
    """A quarter of the nodes."""
    return max(1, spec.num_nodes // 4)


def entropy(logits: Tensor) -> Tensor:
    """(..., N) nats of logits (..., N, M), some of which may be minus infinity."""
    logs = logits.log_softmax(-1)
    return -(logs.exp() * logs.clamp_min(torch.finfo(logs.dtype).min)).sum(-1)


def repeated(batch: Batch, count: int) -> Batch:
    """The instances `count` times, one copy of all after the other."""
    return {name: values.repeat(count, *[1] * (values.ndim - 1)) for name, values in batch.items()}


def folded(z: Tensor, count: int) -> Tensor:
    """States (S * B, ...) -> (B, S, ...), or (B, ...) of one graph."""
    return z if count == 1 else z.unflatten(0, (count, -1)).transpose(0, 1)


def unfolded(z: Tensor, count: int) -> Tensor:
    """The inverse of `folded`."""
    return z if count == 1 else z.transpose(0, 1).flatten(0, 1)


@contextmanager
def fixed_random_state(seed: int) -> Iterator[None]:
    """Draws inside begin from a seed, and draws outside do not notice."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
