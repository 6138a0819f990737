"""Training throughput of the factor-graph network against plain autograd forms of its equations.

One update: 16 puzzles of 17 to 34 givens, 8 refinement steps, a loss at every step, backward.
`plain` works on all choices and masks the closed ones, `indexed` on the open ones with `index_add`
for the sums; `dense` is the network's own layout of all choices. The forms run in turn in one
process; process CPU time, medians, one thread.

    python benchmarks/factor_graph_network.py
    python benchmarks/factor_graph_network.py --size 16 --level givens=110 --forms dense
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ttc_agents.models.base import Batch, to_batch, to_tensor
from ttc_agents.models.factor_graph_network import MESSAGE_SCALE, FactorGraphNetwork
from ttc_agents.models.layers import Bags, OpenGraph
from ttc_agents.training.objectives import stepwise_cross_entropy
from ttc_envs import make_task

PUZZLES, STEPS, REPEATS = 16, 8, 9


class IndexedGraph:
    """An `OpenGraph` whose sums are `index_add`, differentiated by autograd."""

    def __init__(self, graph: OpenGraph) -> None:
        self.group_sizes = graph.group_sizes
        self.gather_groups = indexed_sum(graph.to_groups)
        self.gather_rows = indexed_sum(graph.to_rows)


def indexed_sum(bags: Bags) -> Callable[[Tensor], Tensor]:
    """The sum of the bags."""
    ends = torch.cat([bags.offsets[1:], torch.tensor([len(bags.index)])])
    owner = torch.arange(len(ends)).repeat_interleave(ends - bags.offsets)
    return lambda x: x.new_zeros(len(ends), x.shape[1]).index_add(0, owner, x[bags.index])


def indexed_forward(model: FactorGraphNetwork, batch: Batch) -> Tensor:
    """Logits (T, B, N, C)."""
    context = model.encode(batch)
    graph = IndexedGraph(model.graph(context))
    h = model.compact(context, model.initial_state(context))
    logits = []
    for _ in range(STEPS):
        h = model.advance(graph, h)
        logits.append(model.logits(context, h))
    return torch.stack(logits)


def plain_forward(model: FactorGraphNetwork, batch: Batch, num_steps: int) -> Tensor:
    """The equations of the network on all choices, the closed ones masked: logits (T, B, N, C).

    It is also the oracle of the network's tests.
    """
    context = model.encode(batch)
    certain, spec = context["certain"], model.spec
    is_open = context["is_open"].to(certain)[..., None]
    members = [
        torch.as_tensor(g.members[..., 0] * spec.num_choices + g.members[..., 1]).long()
        for g in spec.groups
    ]
    h = model.initial_state(context)
    logits = []
    for _ in range(num_steps):
        messages = torch.relu(h @ model.to_message) * is_open
        z = model.bias + h @ model.to_hidden
        for kind, message in enumerate(messages.split(model.message_width, dim=-1)):
            sums = message[:, members[kind]].sum(2) * MESSAGE_SCALE
            answers = (sums @ model.from_group[kind]).repeat_interleave(members[kind].shape[1], 1)
            z = z.index_add(1, members[kind].flatten(), answers)
        h = F.rms_norm(h + F.silu(z) @ model.to_update, (model.width,))
        mixed = torch.where(is_open[..., 0] > 0, h @ model.to_logit, certain)
        logits.append(mixed.view(-1, spec.num_nodes, spec.num_choices))
    return torch.stack(logits)


def main() -> None:
    """Time all forms and print one JSON document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=9, help="of the grid")
    parser.add_argument("--level", default="givens=17..34", help="of the puzzles")
    parser.add_argument("--puzzles", type=int, default=PUZZLES, help="in a batch")
    parser.add_argument("--forms", nargs="+", default=["indexed", "plain", "dense"], help="to time")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    task = make_task("ttc/Sudoku-v0", size=options.size)
    instances = task.sample(np.arange(options.puzzles, dtype=np.uint64), options.level)
    batch = to_batch(instances.fields)
    labels = {"answer": to_tensor(instances.labels["answer"])}
    model, dense = (FactorGraphNetwork(task.spec, layout=name) for name in ("ragged", "dense"))
    dense.load_state_dict(model.state_dict())

    def update(forward: Callable[[], Tensor]) -> float:
        start = time.process_time()
        stepwise_cross_entropy(forward(), labels, batch["givens"] < 0).backward()
        return time.process_time() - start

    forms = {
        "network": lambda: model(batch, STEPS).logits,
        "indexed": lambda: indexed_forward(model, batch),
        "plain": lambda: plain_forward(model, batch, STEPS),
        "dense": lambda: dense(batch, STEPS).logits,
    }
    forms = {name: forms[name] for name in ("network", *options.forms)}
    expected = forms["network"]()
    for forward in forms.values():
        torch.testing.assert_close(forward(), expected)
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    for repeat in range(REPEATS + 1):
        for name, forward in forms.items():
            taken = update(forward)
            if repeat:
                seconds[name].append(taken)
    rates = {name: options.puzzles / statistics.median(values) for name, values in seconds.items()}
    ratios = {
        name: statistics.median(
            theirs / ours for ours, theirs in zip(seconds["network"], values, strict=True)
        )
        for name, values in seconds.items()
        if name != "network"
    }
    shares = {"open": float(model.encode(batch)["is_open"].float().mean()), "steps": STEPS}
    print(json.dumps({"puzzles_per_second": rates, "ratio": ratios, **shares}))


if __name__ == "__main__":
    main()
