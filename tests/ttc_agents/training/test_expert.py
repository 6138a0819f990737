"""Expert iteration: no label is read, and what the rules accept is enough to learn from."""

import dataclasses
import re

import numpy as np
import pytest
import torch

from ttc_agents.inference.refine import solved_share
from ttc_agents.training import expert
from ttc_agents.training.expert import Expert, joined, unlabelled
from ttc_agents.training.loop import run
from ttc_agents.training.schedule import Length
from ttc_agents.training.update import Training
from ttc_envs import Instances, SudokuTask

TASK = SudokuTask(size=4)


class Garbled(SudokuTask):
    """Puzzles whose labels are wrong."""

    def sample(self, keys, level):
        puzzles = super().sample(keys, level)
        wrong = (puzzles.labels["answer"] + 1) % self.spec.num_choices
        return Instances(puzzles.keys, puzzles.fields, {"answer": wrong})


@pytest.fixture
def recipe(kinds):
    return kinds["expert"]


@pytest.fixture
def few(monkeypatch):
    """Searches of few puzzles, so that several follow each other."""
    monkeypatch.setattr(expert, "SEARCHED", 8)
    monkeypatch.setattr(expert, "USES", 1)


def trained(recipe, task, updates=4):
    training = Training(recipe, task, say=lambda line: None)
    run(training, Length(updates=updates))
    return training


def test_labels_are_not_read(recipe, few):
    right, wrong = (trained(recipe, kind(size=4)) for kind in (SudokuTask, Garbled))
    for mine, theirs in zip(right.learning.average, wrong.learning.average, strict=True):
        assert torch.equal(mine, theirs)
    assert right.carried.source.state_dict().keys() == wrong.carried.source.state_dict().keys()


def test_the_pool_holds_answers_that_the_rules_accept(recipe, few, monkeypatch):
    monkeypatch.setattr(expert, "KEPT", 11)
    source = trained(recipe, TASK).carried.source
    assert len(source.pool) == 11
    assert TASK.score(source.pool, source.pool.labels["answer"])["solved"].all()
    assert (source.pool.fields["givens"] == -1).any()
    labels = joined([unlabelled(TASK.sample(np.arange(3, dtype=np.uint64), "easy"))]).labels
    assert (labels["answer"] == -1).all()


def test_searches_are_paid_for(recipe, few):
    training = trained(recipe, TASK, updates=1)
    own = recipe.batch_size * recipe.segment_steps
    assert training.spent.env_steps > own + 8
    counted = Training(recipe, TASK, say=lambda line: None)
    counted.update(0.0)
    # What threads of searches do, no counter sees: the expert says it.
    assert counted.spent.flops > 1000
    assert counted.carried.source.take_cost().env_steps == 0


@pytest.mark.parametrize(("passed", "level"), [(0.0, 1), (1.1, 0)])
def test_the_next_level_begins_where_enough_is_accepted(recipe, few, monkeypatch, passed, level):
    monkeypatch.setattr(expert, "PASSED", passed)
    assert trained(recipe, TASK).carried.source.level == level


def source_of(levels, model, task=TASK):
    return Expert(task, levels, lambda: model.eval())


def test_while_nothing_is_accepted_fewer_are_searched_more_deeply(begun, recipe, few, monkeypatch):
    asked = []

    def refuse(model, task, instances, budget, *args, **options):
        asked.append((len(instances), budget))
        trees = real(model, task, instances, budget, *args, **options)
        for tree in trees if len(instances) > 2 else []:
            tree.events[-1] = dataclasses.replace(tree.events[-1], accepted=False)
        return trees

    real = expert.search
    monkeypatch.setattr(expert, "search", refuse)
    source = source_of(("givens=14", "minimal"), begun(recipe).averaged_model())
    drawn = source.draw(5, torch.Generator().manual_seed(0))
    budget = expert.BUDGET
    assert asked == [(8, budget), (4, 2 * budget), (2, 4 * budget)]
    # That is not to have passed the level.
    assert (len(drawn), len(source.pool), source.level) == (5, 2, 0)


def test_a_level_that_is_too_hard_is_an_error(begun, recipe, few, monkeypatch):
    monkeypatch.setattr(expert, "BUDGET", expert.SEARCH.steps)
    nine = SudokuTask(size=9)
    model = begun(recipe.replaced(env_id="ttc/Sudoku-v0")).averaged_model()
    source = source_of(("minimal",), model, nine)
    message = "no search was accepted on level 'minimal', the last within 256 steps: begin with"
    with pytest.raises(RuntimeError, match=re.escape(message)):
        source.draw(1, torch.Generator().manual_seed(0))


def test_what_cannot_search_is_refused(begun, kinds):
    with pytest.raises(ValueError, match=r"no search over pins: .* pointers"):
        begun(kinds["reader"], target="search")


def test_the_state_of_another_expert_is_refused(recipe, few):
    source = trained(recipe, TASK).carried.source
    saved = source.state_dict()
    with pytest.raises(ValueError, match="level is 7, expected one of 2"):
        source.load_state_dict({**saved, "level": 7})
    pool = {**saved["pool"], "keys": saved["pool"]["keys"][1:]}
    with pytest.raises(ValueError, match=r"the pool has \d+ keys, and rows of"):
        source.load_state_dict({**saved, "pool": pool})


@pytest.mark.slow
def test_it_learns_minimal_puzzles_from_nothing(recipe):
    levels = "givens=12,givens=10,givens=8,givens=6,minimal"
    options = {"width": 16, "message_width": 16, "hidden_width": 32}
    recipe = recipe.replaced(level=levels, model_options=options, updates=250, restart=0.25)
    recipe = recipe.replaced(optimizer="muon", segment_steps=4)
    test = SudokuTask(size=4, split="validation").sample(np.arange(200, dtype=np.uint64), "minimal")
    training = Training(recipe, TASK, say=lambda line: None)
    assert solved_share(training.averaged_model(), TASK, test, 16) < 0.3
    run(training, recipe.length)
    assert training.carried.source.level == 4
    assert solved_share(training.averaged_model(), TASK, test, 16) > 0.8
