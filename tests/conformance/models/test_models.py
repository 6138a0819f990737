"""What every model of `MODELS` keeps, on the task of every registered environment that it supports.

A model or a task is covered by being registered.
"""

import copy
import inspect
import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from ttc_agents.inference import BranchingPolicy
from ttc_agents.inference.boards import cannot_search, search
from ttc_agents.inference.search import Branching
from ttc_agents.models import MODELS, make_model
from ttc_agents.models.base import to_batch
from ttc_agents.models.conformance import CHECKS, first_batch, shaken
from ttc_agents.models.path_model import PathModel
from ttc_envs import make_task, registered

TASKS = {json.dumps(task.spec.to_json()): task for task in map(make_task, registered())}
TASKS = {f"{task.spec.name}-{task.spec.num_nodes}": task for task in TASKS.values()}


VARIANTS = {
    "transformer": {
        "top": {"share": "top", "positions": "grid"},
        "all-options": {"halting": 0.1, "feedback": True, "memory": {"keys": 8, "top": 4}},
    }
}
"""Options of a model that change what it computes, by what a case with them is called."""


@dataclass(frozen=True)
class Made:
    """A model by name; one that needs an inner model has each of the others in turn."""

    name: str
    inner: str | None = None
    variant: str | None = None

    def __call__(self, spec):
        inner = {"inner": {"model": self.inner, "options": {}}} if self.inner else {}
        options = VARIANTS[self.name][self.variant] if self.variant else {}
        return make_model(self.name, spec, {**options, **inner})

    def supports(self, spec):
        model = MODELS[self.name]
        if self.inner is None or model.supports(spec):
            return model.supports(spec)
        return MODELS[self.inner].supports(model.inner_spec(spec, {}))

    def tasks(self):
        """Those it supports; around another model, which has had them all, the smallest.

        A variant has one for each kind of choices.
        """
        names = [name for name, task in TASKS.items() if self.supports(task.spec) is None]
        if self.variant:
            names = list({TASKS[name].spec.choices: name for name in reversed(names)}.values())
        return names[:1] if self.inner else names


def inner_argument(model):
    """The argument of a model that wraps another; None for the others."""
    return inspect.signature(model).parameters.get("inner")


TASKS = dict(sorted(TASKS.items(), key=lambda item: item[1].spec.num_nodes))
NEED_INNER = [
    name
    for name, model in MODELS.items()
    if (inner := inner_argument(model)) and inner.default is inspect.Parameter.empty
]
CASES = {name: Made(name) for name in MODELS if name not in NEED_INNER} | {
    f"{name}-over-{inner}": Made(name, inner)
    for name in NEED_INNER
    for inner, model in MODELS.items()
    if inner_argument(model) is None and MODELS[name].cannot_wrap(model) is None
}
CASES |= {f"{n}-{v}": Made(n, variant=v) for n, variants in VARIANTS.items() for v in variants}
SUPPORTED = [
    pytest.param(case, TASKS[task], id=f"{name}-{task}")
    for name, case in CASES.items()
    for task in case.tasks()
]
# Counting on a drawn graph is too little to memorise with, and language models over paths learn
# from the right path so far: these have learning tests of their own.
OTHERWISE = [
    name
    for name, case in CASES.items()
    if name == "adjacency_learner" or issubclass(MODELS[case.inner or case.name], PathModel)
]
MEMORISING = {name: case for name, case in CASES.items() if name not in OTHERWISE}
on_each = pytest.mark.parametrize(("model_class", "task"), SUPPORTED)


SEARCHABLE = [
    pytest.param(case, TASKS[task], id=f"{name}-{task}")
    for name, case in CASES.items()
    for task in case.tasks()
    if TASKS[task].spec.num_nodes <= 36 and cannot_search(case(TASKS[task].spec)) is None
]
on_each_searchable = pytest.mark.parametrize(("model_class", "task"), SEARCHABLE)


def keys(count, first=0):
    return np.arange(first, first + count, dtype=np.uint64)


def made(model_class, task, seed=0):
    """A model with weights that are nowhere zero, in float64, and instances for it."""
    torch.manual_seed(seed)
    model = shaken(model_class(task.spec).double().eval(), seed)
    return model, first_batch(model, task)


@pytest.mark.parametrize("structure", [True, False])
@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
@pytest.mark.parametrize("model_class", CASES.values(), ids=CASES)
def test_supports_a_task_or_says_why_not(model_class, task, structure):
    spec = task.spec if structure else task.spec.without_structure()
    reason = model_class.supports(spec)
    if reason is None:
        model_class(spec)
    else:
        with pytest.raises(ValueError, match="does not support") as caught:
            model_class(spec)
        assert reason in str(caught.value)
        assert len(reason) > 10


def test_every_model_supports_a_task():
    assert {param.values[0] for param in SUPPORTED} == set(CASES.values())


@on_each
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_keeps_the_contract(model_class, task, check):
    check(*made(model_class, task))


@on_each
def test_a_second_step_changes_the_logits(model_class, task):
    model, batch = made(model_class, task)
    assert not torch.equal(*model(batch, 2).logits)


@on_each
def test_gradients_reach_every_parameter(model_class, task):
    model, batch = made(model_class, task)
    trace = model(batch, 3)
    # What a model says beside its logits is there to learn from.
    parts = [trace.logits, *([trace.graphs.log_prob] if trace.graphs else [])]
    sum(part.sin().sum() for part in parts).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


@on_each
def test_single_precision_agrees_with_double(model_class, task):
    model, batch = made(model_class, task)
    expected = model(batch, 2)
    single = copy.deepcopy(model).float()(batch, 2)
    assert single.logits.dtype == single.state.dtype == torch.float32
    torch.testing.assert_close(single.logits.double(), expected.logits, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "model_class",
    [
        pytest.param(case, id=name, marks=[pytest.mark.slow] if case.inner or case.variant else [])
        for name, case in MEMORISING.items()
    ],
)
def test_memorises_a_handful_of_instances(model_class):
    """On its smallest task; a model that cannot do this has a bug."""
    tasks = [task for task in TASKS.values() if model_class.supports(task.spec) is None]
    task = min(tasks, key=lambda task: task.spec.num_nodes)
    drawn = task.sample(keys(6), task.spec.levels[-1])
    batch, labels = to_batch(drawn.fields), torch.as_tensor(drawn.labels["answer"]).long()
    torch.manual_seed(0)
    model = model_class(task.spec)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(200):
        logits = model(batch, 6).logits
        if (logits[-1].argmax(-1) == labels).all():
            return
        losses = torch.nn.functional.cross_entropy(
            logits.flatten(0, 2), labels.expand(6, -1, -1).flatten()
        )
        optimizer.zero_grad()
        losses.backward()
        optimizer.step()
    pytest.fail(f"after 200 updates {(logits[-1].argmax(-1) == labels).float().mean():.2f} right")


def searchable(model_class, task, count):
    """A model with random weights, instances, and a search in which it is sure of half of them."""
    model, _ = made(model_class, task)
    instances = task.sample(keys(count), task.spec.levels[-1])
    how = Branching(steps=3, at_once=2, possible=0.1, doubts=2)
    first = search(model, task, instances, 3, how)
    sure = float(np.median([tree.boards[0].confidence.min() for tree in first]))
    return model, instances, replace(how, sure=sure)


def told(trees):
    """What searches have done, as plain numbers."""
    return [
        [(b.parent, b.pin, b.steps, b.fate, b.answer.tolist()) for b in tree.boards]
        + [(e.needs, e.used, e.visits, e.best, e.accepted) for e in tree.events]
        for tree in trees
    ]


@on_each_searchable
def test_a_search_is_the_same_in_any_batch_and_reads_no_label(model_class, task):
    model, instances, how = searchable(model_class, task, 6)
    together = search(model, task, instances, 60, how)
    assert len({len(tree.boards) for tree in together}) > 1, "these searches are all alike"
    blind = copy.deepcopy(instances)
    for labels in blind.labels.values():
        labels[:] = 0
    assert told(search(model, task, blind, 60, how, batch_size=2)) == told(together)
    alone = [search(model, task, instances[i : i + 1], 60, how)[0] for i in range(6)]
    assert told(alone) == told(together)


@on_each_searchable
def test_a_search_keeps_to_its_budget_and_a_larger_one_begins_the_same(model_class, task):
    model, instances, how = searchable(model_class, task, 4)
    whole = search(model, task, instances, 60, how)
    for budget in (3, 10, 11, 25, 60):
        for tree, longer in zip(search(model, task, instances, budget, how), whole, strict=True):
            assert tree.used <= budget
            assert tree.events[-1] == longer.at(budget)
            assert (tree.answer == longer.boards[longer.at(budget).best].answer).all()


@on_each_searchable
def test_a_search_asks_the_rules_under_p3_alone(model_class, task, monkeypatch):
    model, instances, how = searchable(model_class, task, 3)
    calls, score = [], task.score

    def counted(instances, answer):
        calls.append(len(answer))
        return score(instances, answer)

    monkeypatch.setattr(task, "score", counted)
    search(model, task, instances, 30, how)
    assert not calls
    trees = search(model, task, instances, 30, how, rules=True)
    assert sum(calls) == sum(len(tree.boards) for tree in trees)


@on_each_searchable
def test_a_policy_gives_the_answers_of_a_search_visit_by_visit(model_class, task):
    model, instances, how = searchable(model_class, task, 3)
    observation = {**instances.fields, "answer": task.initial_answer(instances)}
    trees = search(model, task, instances, 60, how)
    policy, state = BranchingPolicy(model, how, 60), None
    visits = [sorted({event.visits for event in tree.events}) for tree in trees]
    for call in range(max(map(len, visits))):
        answers, state = policy.predict(observation, state)
        for row, tree in enumerate(trees):
            reached = [e for e in tree.events if e.visits <= visits[row][: call + 1][-1]][-1]
            assert (answers[row] == tree.boards[reached.best].answer).all()
    assert all(one.visit is None for one in state)
