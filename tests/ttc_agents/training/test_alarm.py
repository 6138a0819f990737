"""The alarm: it sees a training fall, takes it back to its best, and counts."""

import pytest
import torch

from ttc_agents.training import hooks
from ttc_agents.training.hooks import Alarm
from ttc_agents.training.loop import run


@pytest.fixture
def recipe(kinds):
    return kinds["equilibrium"]


@pytest.fixture
def probes(monkeypatch):
    """Makes probes find these shares, one after the other, and nothing else an alarm."""
    shares = []
    monkeypatch.setitem(hooks.KEEP, "settled", 0.0)
    monkeypatch.setattr(hooks, "solved_share", lambda *args: shares.pop(0))
    return shares


def weights(training):
    learning = training.learning
    return [p.detach().clone() for p in (*learning.parameters, *learning.average)]


def equal(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def first_moment(training):
    return next(iter(training.learning.optimizer.state_dict()[0]["state"].values()))["exp_avg"]


def test_it_rolls_back_to_the_best_and_halves_the_rate(begun, until, recipe, probes):
    training, watch = begun(recipe), Alarm(recipe)
    probes += [0.1, 0.5, 0.4, 0.3]
    run(training, recipe.length, [watch], stop=until(training, 4))
    kept, moment = weights(training), first_moment(training).clone()
    run(training, recipe.length, [watch], stop=until(training, 6))
    assert not equal(kept, weights(training))
    assert not torch.equal(moment, first_moment(training))
    run(training, recipe.length, [watch], stop=until(training, 7))
    metrics = training.update(7 / 8)
    found = watch.after_update(training, metrics, 1.0)
    assert (float(found["validation"]), float(found["rollbacks"])) == (pytest.approx(0.3), 1)
    assert equal(kept, weights(training))
    assert torch.equal(first_moment(training), moment)
    assert training.rate(0.0) == 0.5
    assert training.carried.state.isnan().all()


def test_a_second_fall_goes_back_to_the_same_weights(begun, recipe, probes):
    recipe = recipe.replaced(alarm_every=1)
    training, watch = begun(recipe), Alarm(recipe)
    probes += [0.5, 0.1, 0.1]
    watch.after_update(training, training.update(0.0), 0.0)
    kept = weights(training)
    for _ in range(2):
        metrics = training.update(0.0)
        assert not equal(kept, weights(training))
        watch.after_update(training, metrics, 0.0)
        assert equal(kept, weights(training))
    assert training.rollbacks == 2


def test_nothing_happens_before_it_has_learnt(begun, recipe, probes):
    training, watch = begun(recipe), Alarm(recipe)
    probes += [0.19, 0.0, 0.19, 0.0]
    run(training, recipe.length, [watch])
    assert probes == []
    assert training.rollbacks == 0
    assert watch.kept is None


def test_solves_that_come_nowhere_are_an_alarm(begun, recipe, probes, monkeypatch):
    monkeypatch.setitem(hooks.KEEP, "settled", 0.5)
    training, watch = begun(recipe.replaced(alarm_every=1)), Alarm(recipe.replaced(alarm_every=1))
    training.update(0.0)
    probes += [0.5, 0.5]
    watch.after_update(training, {"settled": torch.tensor(0.9)}, 0.0)
    found = watch.after_update(training, {"settled": torch.tensor(0.4)}, 0.0)
    assert found["rollbacks"] == 1


def test_the_probe_is_right_about_an_answer(begun, recipe, monkeypatch):
    training, watch = begun(recipe), Alarm(recipe)
    labels = torch.from_numpy(watch.instances.labels["answer"]).long()
    logits = 9.0 * torch.nn.functional.one_hot(labels, watch.task.spec.num_choices)
    wrong = logits.clone()
    wrong[::2, :, 0] = torch.nan
    for said, share in ((logits, 1.0), (wrong, 0.5)):
        monkeypatch.setattr(
            training.model, "steps", lambda *args, said=said: [(said, torch.zeros(len(said), 1))]
        )
        watch.check(training)
        assert watch.last == share
    assert training.model.training
    assert watch.task.split == "validation"


def test_it_looks_at_tasks_without_splits_too(kinds):
    watch = Alarm(kinds["reader"].replaced(alarm_every=2))
    assert len(watch.instances) == hooks.COUNT


def test_a_probe_leaves_the_training_as_it_was(begun, recipe):
    plain, watched = begun(recipe), begun(recipe)
    run(plain, recipe.length)
    run(watched, recipe.length, [Alarm(recipe)])
    assert watched.rollbacks == 0
    assert equal(weights(plain), weights(watched))
