"""A model that infers the graph of a task, on which another model refines the answer.

`EdgeLogits` scores all pairs of nodes. Every node draws k neighbours, one after the other and
without replacement, from the softmax of its scores s:

    p(j_1 ... j_k of node i) = prod_m exp(s_{i j_m}) / sum_{j not in j_1 ... j_{m-1}} exp(s_{ij})

The inner model refines the answer on the graph that was drawn. Drawing has no derivative, so the
scores learn by the score function (Williams 1992; objective `sampled_graphs`). Several graphs are
drawn for each instance, and a node's draw becomes more likely if the node's loss is lower than in
the other graphs. docs/learned_graphs.md has the equations.

With a cost per edge the graph is also pruned: a draw may be "no more", which ends a node's list.
Then k is only an upper bound.

The model reads no constraint structure of the task: no neighbours, groups or positions.

When to use it: where the data follow a graph that is not known.

Shapes: B instances, N nodes, k drawn neighbours, S graphs per instance, T steps, C choices.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ttc_agents.models.base import (
    Batch,
    Context,
    DrawnGraphs,
    Observe,
    RefinementModel,
    Trace,
    check_name,
    device_of,
    free_nodes,
    rows_of,
    stacked,
    to_batch,
)
from ttc_agents.models.count_network import CountNetwork
from ttc_agents.models.graph_draws import (
    TABLE_SCALE,
    Drawn,
    EdgeLogits,
    draw_lists,
    draw_weighted,
    entropy,
    folded,
    most_likely,
    repeated,
    unfolded,
)
from ttc_agents.models.neighbour_graph import as_weights, edge_scores
from ttc_agents.models.wrapper import Wrapper
from ttc_envs import TaskSpec

if TYPE_CHECKING:
    from ttc_envs import Instances, Task

ESTIMATORS = ("score", "simple", "straight_through")
TEST_SEED = 0
SHARE_DRAWS, FINDING_ROWS = 32, 8


class AdjacencyLearner(Wrapper):
    """Learns the graph that another model works on (see the module).

    In training, `forward` draws S graphs of each instance. Its trace is that of the first one, and
    the logits of all of them are in the trace's `graphs`. At test time the most likely graph is
    taken, or with `test_graphs` several graphs are drawn and their probabilities averaged. Nodes
    that a given decides always take their most likely neighbours.

    Args:
        spec: A task that the inner model supports once it has a graph.
        inner: The model that works on the graph, made for `inner_spec(spec, {"neighbours": k})`.
            It has to take a graph, and must not read the answer. None takes a `CountNetwork`.
        neighbours: k; None takes a quarter of the nodes.
        estimator: `score`; or `simple` and `straight_through`, which are biased and need an inner
            model that takes weights of edges.
        training_graphs: S in training; 0 trains the inner model on the most likely graph.
        test_graphs: Graphs drawn at test time; 0 takes the most likely one.
        temperature: First and last temperature of the draws.
        entropy: First and last weight of a bonus for the entropy of a node's first draw.
        schedule: Updates from first to last.
        edge_cost: Cost of an edge, in nats of its node's loss; above 0 the graph is pruned.
        prune_from: Updates before which nothing is pruned.
        edges: Options of `EdgeLogits`: `width`, `layers`, `heads`, `per_instance`, `table`,
            `positions`, `field_scale`.

    Shapes: state that of the inner model (B, ...), with `test_graphs` (B, S, ...).
    """

    training_defaults: ClassVar[dict[str, Any]] = {
        "objective": "sampled_graphs",
        "model_options": {"layers": 0, "width": 4},
        "batch_size": 64,
        "segment_steps": 1,
        "restart": 1.0,
        "learning_rate": 5e-3,
        "clip": 100.0,
        "ema": 0.9,
    }

    learns_graph = True
    updates: Tensor

    def __init__(
        self,
        spec: TaskSpec,
        inner: RefinementModel | None = None,
        neighbours: int | None = None,
        estimator: str = "score",
        training_graphs: int = 4,
        test_graphs: int = 0,
        temperature: tuple[float, float] = (1.0, 1.0),
        entropy: tuple[float, float] = (0.0, 0.0),
        schedule: int = 1000,
        edge_cost: float = 0.0,
        prune_from: int = 0,
        **edges: Any,
    ) -> None:
        made_for = self.inner_spec(spec, {"neighbours": neighbours})
        super().__init__(spec, CountNetwork(made_for) if inner is None else inner)
        self.neighbours = default_count(spec) if neighbours is None else neighbours
        if not 1 <= self.neighbours < spec.num_nodes:
            raise ValueError(f"neighbours must be in 1..{spec.num_nodes - 1}, got {neighbours}")
        check_name(estimator, ESTIMATORS, "estimator")
        if estimator != "score" and edge_cost:
            raise ValueError(f"only the estimator 'score' prunes, got {estimator!r}")
        if min(temperature) <= 0 or min(*entropy, edge_cost) < 0:
            raise ValueError(
                "temperatures must be positive, entropy and edge_cost at least 0, got "
                f"{temperature}, {entropy} and {edge_cost}"
            )
        weighted = estimator == "score" or getattr(self.inner, "weighted", False)
        if self.inner.reads_answer or not self.inner.takes_graph or not weighted:
            raise ValueError(
                f"{type(self.inner).__name__} does not do as inner model: it reads the answer, "
                f"takes no graph, or no weights of edges for the estimator {estimator!r}"
            )
        self.takes_graph = False  # it has its own
        self.edges = EdgeLogits(spec, **edges)
        self.stop = nn.Parameter(torch.zeros(spec.num_nodes)) if edge_cost else None
        self.estimator = estimator
        self.training_graphs, self.test_graphs = training_graphs, test_graphs
        self.temperature, self.entropy, self.schedule = temperature, entropy, schedule
        self.edge_cost, self.prune_from = edge_cost, prune_from
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    @classmethod
    def inner_spec(cls, spec: TaskSpec, options: dict[str, Any]) -> TaskSpec:
        """The spec of an inner model: no structure, and a ring in the place of the graph.

        Where answers point to nodes, the positions stay: they are what the answers mean.
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
        if self.training and self.prune_from:
            stop = torch.where(self.updates < self.prune_from, -torch.inf, stop)
        return torch.cat([logits, stop.expand(len(logits), -1)[..., None]], dim=-1)

    def likely_graph(self, batch: Batch) -> Tensor:
        """(B, N, k) the most likely neighbours, -1 behind the end of a list; B as above."""
        logits = self.edge_logits(batch)
        return most_likely(logits, self.neighbours, len(logits)).neighbours[0]

    def scheduled(self, ends: tuple[float, float]) -> Tensor | float:
        """A value between the first and the last of a schedule."""
        if ends[0] == ends[1]:
            return ends[0]
        share = (self.updates / self.schedule).clamp(max=1.0)
        return ends[0] + share * (ends[1] - ends[0])

    def draw(self, logits: Tensor, batch: Batch, count: int) -> Drawn:
        """`count` graphs of each instance; 0 takes the most likely one."""
        rows = rows_of(batch)
        if count == 0:
            return most_likely(logits, self.neighbours, rows)
        if self.estimator == "score" or not self.training:
            free = free_nodes(self.spec, batch)
            return draw_lists(logits, self.neighbours, count, rows, free)
        return draw_weighted(logits, self.neighbours, count, rows, self.estimator == "simple")

    # The contract

    def encode(self, batch: Batch) -> Context:  # type: ignore[override]  # the graph is its own
        """The inner model's context on the most likely graph, or on `test_graphs` drawn ones."""
        count = 0 if self.training else self.test_graphs
        with fixed_random_state(TEST_SEED) if count else nullcontext():
            return self.inner_context(batch, self.draw(self.edge_logits(batch), batch, count))

    def inner_context(self, batch: Batch, drawn: Drawn) -> Context:
        """The inner model's context for S graphs of each instance."""
        count = len(drawn.neighbours)
        encode: Callable[..., Context] = self.inner.encode  # of a model that takes a graph
        return {"inner": encode(repeated(batch, count), drawn.graphs), "graphs": count}

    def initial_state(self, context: Context, generator: torch.Generator | None = None) -> Tensor:
        """That of the inner model on each graph."""
        return folded(super().initial_state(context, generator), context["graphs"])

    def step(self, context: Context, z: Tensor) -> Tensor:
        """One step of the inner model on each graph."""
        count = context["graphs"]
        return folded(self.inner.step(context["inner"], unfolded(z, count)), count)

    def readout(self, context: Context, z: Tensor) -> Tensor:
        """The inner model's logits, or of several graphs the logarithm of the mean probability."""
        count = context["graphs"]
        logits = super().readout(context, unfolded(z, count))
        if count == 1:
            return logits
        return logits.unflatten(0, (count, -1)).log_softmax(-1).logsumexp(0) - math.log(count)

    def forward(
        self,
        batch: Batch,
        num_steps: int,
        state: Tensor | None = None,
        observe: Observe | None = None,
    ) -> Trace:
        """As in the base, with `graphs`, from which the graph can be learned."""
        logits = self.edge_logits(batch)
        if not self.training or not self.training_graphs:
            trace = super().forward(batch, num_steps, state)
            trace.graphs = DrawnGraphs(self.draw(logits, batch, 0).log_prob)
            return trace
        count = self.training_graphs
        drawn = self.draw(logits / self.scheduled(self.temperature), batch, count)
        context = self.inner_context(batch, drawn)["inner"]
        if state is None:
            z = self.inner.initial_state(context)
        else:
            z = state.repeat(count, *[1] * (state.ndim - 1))
        stack, z = stacked(self.inner.steps(context, z, num_steps))
        all_logits = stack.unflatten(1, (count, -1)).transpose(0, 1)
        edge_cost = self.edge_cost * (drawn.neighbours >= 0).sum(-1)
        penalty = -self.scheduled(self.entropy) * entropy(logits) if any(self.entropy) else None
        graphs = DrawnGraphs(drawn.log_prob, all_logits, edge_cost, penalty)
        self.updates += 1
        return Trace(all_logits[0], z[: len(z) // count], graphs=graphs)

    # What is asked of trained models

    @torch.no_grad()
    def edge_shares(self, batch: Batch) -> np.ndarray:
        """(N, N), how often each edge is drawn, in the mean over the instances of a batch."""
        logits = self.edge_logits(batch).cpu()
        with fixed_random_state(TEST_SEED):
            drawn = draw_lists(logits, self.neighbours, SHARE_DRAWS, len(logits), None)
        return as_weights(drawn.neighbours, self.spec.num_nodes).mean((0, 1)).numpy()

    @torch.no_grad()
    def findings(self, task: Task, instances: Instances) -> dict[str, Any]:
        """`edge_precision` and `edge_recall` of the most likely graph where the task has its own.

        Where the graph depends on the instance, the mean over the first `FINDING_ROWS` instances.
        """
        if task.spec.neighbours is None:
            return {}
        batch = to_batch(instances[:FINDING_ROWS].fields, device_of(self))
        return edge_scores(self.likely_graph(batch), task.spec)


def default_count(spec: TaskSpec) -> int:
    """A quarter of the nodes."""
    return max(1, spec.num_nodes // 4)


@contextmanager
def fixed_random_state(seed: int) -> Iterator[None]:
    """Draws inside begin from a seed, and draws outside do not notice."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
