"""Learning a graph: draws, pruning, inference, what reaches the model, and learning itself."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from ttc_agents.models import (
    AdjacencyLearner,
    FactorGraphNetwork,
    RelationalNetwork,
    make_model,
)
from ttc_agents.models.adjacency_learner import TEST_SEED, fixed_random_state
from ttc_agents.models.base import to_batch
from ttc_agents.models.count_network import CountNetwork
from ttc_agents.models.graph_draws import draw_lists, most_likely, score_lists
from ttc_agents.models.neighbour_graph import as_weights, edge_scores, true_graph
from ttc_agents.stochastic import ordered_log_prob
from ttc_agents.training.loop import run
from ttc_agents.training.objectives import sampled_graphs
from ttc_agents.training.recipes import RECIPES
from ttc_agents.training.update import Training
from ttc_envs import Instances, SudokuTask, make_task


@pytest.fixture(scope="module")
def task():
    return SudokuTask(4)


@pytest.fixture(scope="module")
def instances(task):
    return task.sample(np.arange(3, dtype=np.uint64), "medium")


@pytest.fixture
def batch(instances):
    return to_batch(instances.fields)


def learner(task, **options):
    torch.manual_seed(0)
    return AdjacencyLearner(task.spec, **{"neighbours": 7, **options})


def knowing(task, **options):
    """A learner whose scores favour the task's own graph."""
    model = learner(task, **options)
    neighbours = torch.as_tensor(task.spec.neighbours).long()
    with torch.no_grad():
        model.edges.table.copy_(0.3 * (2 * as_weights(neighbours, task.spec.num_nodes) - 1))
        model.inner.table.copy_(-0.3 * torch.eye(4))
    return model


# Draws


def test_lists_end_at_no_more_and_their_probabilities_sum_to_one():
    logits = torch.tensor([0.2, -0.5, 1.0, 0.3], dtype=torch.float64)  # three nodes, "no more"
    orders = torch.tensor(list(itertools.permutations(range(4), 2)))
    lists, log_prob = score_lists(logits, orders, 3)
    distinct = {tuple(row): p.exp() for row, p in zip(lists.tolist(), log_prob, strict=True)}
    assert set(distinct) >= {(-1, -1), (0, -1), (0, 1)}
    torch.testing.assert_close(sum(distinct.values()), torch.ones((), dtype=torch.float64))
    torch.testing.assert_close(
        distinct[(0, 2)], ordered_log_prob(logits, torch.tensor([0, 2])).exp()
    )
    torch.testing.assert_close(distinct[(-1, -1)], logits.softmax(0)[3])


def test_only_free_nodes_draw():
    logits = torch.randn(1, 6, 6).masked_fill(torch.eye(6, dtype=torch.bool), -torch.inf)
    free = torch.tensor([[True] * 3 + [False] * 3, [False] * 6])
    drawn = draw_lists(logits, 2, 50, 2, free)
    likely = most_likely(logits, 2, 2)
    assert (drawn.log_prob[:, ~free] == 0).all()
    assert (drawn.log_prob[:, free] < 0).all()
    assert (drawn.neighbours[:, ~free] == likely.neighbours[0][~free]).all()
    assert (drawn.neighbours[:, free] != likely.neighbours[0][free]).any()
    assert (drawn.neighbours != torch.arange(6)[:, None]).all()


def test_every_graph_is_equally_likely_at_first(task, batch):
    logits = learner(task).edge_logits(batch)
    assert logits.shape == (1, 16, 16)
    assert (logits == torch.zeros(16, 16).masked_fill(torch.eye(16) > 0, -torch.inf)).all()
    assert learner(task, per_instance=True).edge_logits(batch).shape == (3, 16, 16)


# The model


def test_the_trace_in_training_has_the_first_of_several_graphs(task, batch):
    model = learner(task, edge_cost=0.5)
    trace = model(batch, 3)
    assert trace.logits.shape == (3, 3, 16, 4)
    assert trace.graphs.logits.shape == (4, 3, 3, 16, 4)
    assert trace.graphs.log_prob.shape == trace.graphs.edge_cost.shape == (4, 3, 16)
    assert (trace.logits == trace.graphs.logits[0]).all()
    assert trace.state.shape == (3, 16, 4)
    assert model(batch, 1, state=trace.state).state.shape == (3, 16, 4)


def test_inference_is_repeatable_and_several_graphs_are_averaged(task, batch):
    one, several = knowing(task).eval(), knowing(task, test_graphs=3).eval()
    before = torch.get_rng_state()
    first, second = (several(batch, 4).logits for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(before, torch.get_rng_state())
    assert not torch.allclose(first, one(batch, 4).logits.log_softmax(-1))
    torch.testing.assert_close(first.exp().sum(-1), torch.ones(4, 3, 16))
    state = several.initial_state(several.encode(batch))
    assert state.shape == (3, 3, 16, 4)


def test_sampled_inference_is_the_inner_model_on_one_drawn_graph(on_graph, task, batch):
    model = knowing(task, test_graphs=1).eval()
    with fixed_random_state(TEST_SEED):
        (graph,) = model.draw(model.edge_logits(batch), batch, 1).neighbours
    assert (graph != model.likely_graph(batch)).any()
    torch.testing.assert_close(model(batch, 3).logits, on_graph(model.inner, batch, 3, graph))


def test_it_does_on_the_found_graph_what_the_inner_model_does_on_the_true_one(
    on_graph, task, instances, batch
):
    spec = AdjacencyLearner.inner_spec(task.spec, {"neighbours": 7})
    inner = RelationalNetwork(spec, width=8)
    model = learner(task, inner=inner).eval()
    with torch.no_grad():
        truth = torch.as_tensor(task.spec.neighbours).long()
        model.edges.table.copy_(as_weights(truth, 16))
    assert model.findings(task, instances) == {"edge_precision": 1, "edge_recall": 1}
    torch.testing.assert_close(model(batch, 4).logits, on_graph(inner, batch, 4, truth))


def test_no_structure_reaches_it(task, batch):
    torch.manual_seed(3)
    known = AdjacencyLearner(task.spec).eval()
    torch.manual_seed(3)
    blind = AdjacencyLearner(task.spec.without_structure()).eval()
    assert torch.equal(known(batch, 3).logits, blind(batch, 3).logits)
    assert known.inner.spec.positions is None
    assert known.inner.spec.groups == ()


def test_pruning_begins_late_and_costs_count_edges(task, batch):
    model = knowing(task, neighbours=12, edge_cost=0.25, prune_from=1)
    model.train()
    assert (model(batch, 1).graphs.edge_cost == 12 * 0.25).all()
    sizes = model(batch, 1).graphs.edge_cost / 0.25
    free = batch["givens"] < 0
    assert (sizes[:, free] <= 12).all()
    assert sizes[:, free].float().mean() < 11
    model.eval()
    assert edge_scores(model.likely_graph(batch), task.spec) == {
        "edge_precision": 1,
        "edge_recall": 1,
    }


def test_schedules_run_from_first_to_last(task, batch):
    model = learner(task, entropy=(0.5, 0.0), temperature=(2.0, 1.0), schedule=4)
    penalties = [float(model(batch, 1).graphs.penalty.mean().detach()) for _ in range(6)]
    expected = [-weight * np.log(15) for weight in (0.5, 0.375, 0.25, 0.125, 0, 0)]
    assert penalties == pytest.approx(expected, abs=1e-5)
    assert model.scheduled(model.temperature) == 1


@pytest.mark.parametrize("estimator", ["simple", "straight_through"])
def test_biased_estimators_differentiate_the_losses(task, instances, batch, estimator):
    model = knowing(task, estimator=estimator)
    trace = model(batch, 1)
    labels = {"answer": torch.as_tensor(instances.labels["answer"]).long()}
    trace.logits.log_softmax(-1).gather(-1, labels["answer"][None, ..., None]).sum().backward()
    assert model.edges.table.grad.abs().sum() > 0
    assert torch.isfinite(model.edges.table.grad).all()


def test_it_can_point_to_nodes_around_a_model_that_does():
    """Positions are what pointers to nodes mean, so they stay; links do not."""
    task = make_task("ttc/Sorting-v0", size=6)
    options = {"width": 8, "message_layers": 0, "potentials": 1}
    inner = {"inner": {"model": "relational_network", "options": options}, "neighbours": 2}
    drawn = to_batch(task.sample(np.arange(3, dtype=np.uint64), "uniform").fields)
    model = make_model("adjacency_learner", task.spec, inner)
    assert model.inner.spec.neighbours.shape == (6, 2)
    assert (model.inner.spec.positions == task.spec.positions).all()
    assert model(drawn, 1).graphs.logits.shape == (4, 1, 3, 6, 6)


def test_scores_of_instances_differ_as_much_as_the_fields_are_scaled(task, batch):
    spread = []
    for scale in (0.01, 1.0):
        model = learner(task, per_instance=True, table=False, field_scale=scale)
        with torch.no_grad():
            model.edges.query.weight.copy_(torch.eye(16))
        spread.append(float(model.edge_logits(batch).clamp_min(-1e9).std(0).mean().detach()))
    assert spread[1] > 20 * spread[0] > 0


def test_impossible_options_are_refused(task):
    for options in (
        {"neighbours": 16},
        {"estimator": "guess"},
        {"estimator": "simple", "edge_cost": 0.1},
        {"temperature": (0.0, 1.0)},
        {"width": 10, "heads": 4},
    ):
        with pytest.raises(ValueError, match="got"):
            learner(task, **options)
    inner = RelationalNetwork(AdjacencyLearner.inner_spec(task.spec, {}), width=8)
    with pytest.raises(ValueError, match="no weights of edges"):
        AdjacencyLearner(task.spec, inner, estimator="simple")
    with pytest.raises(ValueError, match="FactorGraphNetwork does not do as inner model"):
        AdjacencyLearner(task.spec, FactorGraphNetwork(task.spec))
    with pytest.raises(ValueError, match="no positions"):
        AdjacencyLearner(task.spec.without_structure(), positions=True)


def test_counting_counts(task, batch):
    """One step from nothing: the number of neighbours that hold each digit."""
    model = CountNetwork(task.spec)
    with torch.no_grad():
        model.table.copy_(torch.eye(4) / 20)
    logits = next(iter(model.iterate(batch, 1)))[0]
    givens = batch["givens"]
    for node in range(16):
        seen = givens[0][torch.as_tensor(task.spec.neighbours[node]).long()]
        free = int((seen < 0).sum()) / 4
        expected = [int((seen == digit).sum()) + free for digit in range(4)]
        assert logits[0, node].tolist() == pytest.approx(expected, abs=1e-5)


def test_a_step_down_the_surrogate_makes_lucky_draws_likelier(task, instances, batch):
    model = knowing(task)
    labels = {"answer": torch.as_tensor(instances.labels["answer"]).long()}
    free = batch["givens"] < 0
    with torch.no_grad():
        model.edges.table.zero_()
    gradient = torch.zeros(16, 16)
    for _ in range(100):
        loss = sampled_graphs(model(batch, 1), labels, free)
        gradient += torch.autograd.grad(loss, model.edges.table)[0]
    truth = as_weights(torch.as_tensor(task.spec.neighbours).long(), 16)
    asked = free.any(0)
    assert (gradient * truth)[asked].sum() < 0
    assert (gradient * (1 - truth))[asked].sum() > 0


# What it is judged by


def test_scores_of_graphs_that_are_known(task):
    truth = torch.as_tensor(task.spec.neighbours).long()[None]
    assert edge_scores(truth, task.spec) == {"edge_precision": 1, "edge_recall": 1}
    half = truth.clone()
    half[:, :, 4:] = -1
    assert edge_scores(half, task.spec) == {"edge_precision": 1, "edge_recall": 4 / 7}
    wrong = (15 - truth[:, :, :1]).expand(1, 16, 1)
    hits = true_graph(task.spec)[torch.arange(16), wrong[0, :, 0]].mean()
    assert edge_scores(wrong, task.spec)["edge_precision"] == pytest.approx(float(hits))
    with pytest.raises(ValueError, match="no graph of its own"):
        edge_scores(truth, task.spec.without_structure())


def test_shares_of_draws(task, batch):
    shares = learner(task).eval().edge_shares(batch)
    assert shares.shape == (16, 16)
    np.testing.assert_allclose(shares.sum(1), 7, rtol=1e-5)
    assert (np.diag(shares) == 0).all()


# Learning


class Permuted:
    """A task whose nodes are renumbered: what was node order[i] is node i."""

    def __init__(self, task, order):
        self.task, self.order = task, order
        place = np.argsort(order)
        self.spec = dataclasses.replace(
            task.spec.without_structure(), neighbours=place[task.spec.neighbours[order]]
        )

    def sample(self, keys, level):
        drawn = self.task.sample(keys, level)
        return Instances(
            drawn.keys,
            {name: values[:, self.order] for name, values in drawn.fields.items()},
            {name: values[:, self.order] for name, values in drawn.labels.items()},
        )


def learnt(task):
    recipe = RECIPES["graph-4x4"]
    training = Training(recipe, task, say=str)
    run(training, recipe.length)
    graph = training.model.eval().likely_graph(training.carried.batch)
    return edge_scores(graph, task.spec)


@pytest.mark.slow
def test_the_graph_is_found_however_the_cells_are_numbered():
    task = make_task(RECIPES["graph-4x4"].env_id)
    order = np.random.default_rng(0).permutation(16)
    exact = {"edge_precision": 1, "edge_recall": 1}
    assert learnt(task) == exact
    assert learnt(Permuted(task, order)) == exact


def test_the_equilibrium_of_a_model_that_takes_a_graph_can_be_the_inner_model():
    task = make_task("ttc/Sudoku4-v0")
    solved = {"model": "choice_network", "options": {"width": 8}}
    inner = {"model": "equilibrium", "options": {"inner": solved, "max_steps": 5}}
    model = make_model("adjacency_learner", task.spec, {"neighbours": 7, "inner": inner}).eval()
    batch = to_batch(task.sample(np.arange(3, dtype=np.uint64), "easy").fields)
    graph = model.likely_graph(batch).expand(3, -1, -1)
    context = model.inner.encode(batch, graph)
    expected = list(model.inner.steps(context, model.inner.initial_state(context), 3))[-1][0]
    torch.testing.assert_close(model(batch, 3).logits[-1], expected)
