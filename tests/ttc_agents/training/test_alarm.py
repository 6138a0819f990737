"""The alarm: it sees a training fall, takes it back to its best, and counts; resume knows of it."""

import dataclasses

import pytest
import torch

from ttc_agents.models.base import Trace
from ttc_agents.training import alarm, checkpoint
from ttc_agents.training.alarm import solver_metrics
from ttc_agents.training.recipes import Recipe
from ttc_agents.training.state import Training
from ttc_agents.training.trainer import train
from ttc_envs import make_task

TINY = Recipe(
    name="tiny",
    description="a few updates of an equilibrium on 4x4",
    env_id="ttc/Sudoku4-v0",
    model="equilibrium",
    level="givens=10",
    model_options={
        "inner": {
            "model": "factor_graph_network",
            "options": {"width": 8, "message_width": 8, "hidden_width": 8},
        },
        "max_steps": 6,
        "tol": 1e-2,
    },
    updates=8,
    batch_size=4,
    segment_steps=1,
    restart=0.5,
    warmup=1,
    precision="float32",
    compile="off",
    alarm_every=2,
)


def made(recipe=TINY):
    return Training(recipe, make_task(recipe.env_id), torch.device("cpu"))


@pytest.fixture
def probes(monkeypatch):
    """Makes probes find these shares, one after the other, and nothing else an alarm."""
    shares = []
    monkeypatch.setitem(alarm.KEEP, "settled", 0.0)
    monkeypatch.setattr(alarm, "probe", lambda *args: shares.pop(0))
    return shares


def weights(training):
    return [p.detach().clone() for p in (*training.parameters, *training.average)]


def equal(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_it_rolls_back_to_the_best_and_halves_the_rate(probes):
    training = made()
    engine = training.engine(str)
    probes += [0.1, 0.5, 0.4, 0.3]
    kept = []
    for _ in range(8):
        metrics = training.update(engine)
        if training.updates == 4:
            kept, optimizer = weights(training), training.optimizer.state_dict()
            first = next(iter(optimizer[0]["state"].values()))["exp_avg"].clone()
        if training.updates == 6:
            assert not equal(kept, weights(training))
            rate = training.rate()
    assert (float(metrics["probe"]), float(metrics["rollbacks"])) == (pytest.approx(0.3), 1)
    assert equal(kept, weights(training))
    state = next(iter(training.optimizer.state_dict()[0]["state"].values()))
    assert torch.equal(state["exp_avg"], first)
    assert training.alarm.scale == 0.5
    assert rate > training.rate()
    assert training.carried.state.isnan().all()


def test_a_second_fall_goes_back_to_the_same_weights(probes):
    training = made(dataclasses.replace(TINY, alarm_every=1))
    engine = training.engine(str)
    probes += [0.5, 0.1, 0.1]
    training.update(engine)
    kept = weights(training)
    for _ in range(2):
        training.update(engine)
        assert equal(kept, weights(training))
    assert training.alarm.rollbacks == 2


def test_nothing_happens_before_it_has_learnt(probes):
    training = made()
    engine = training.engine(str)
    probes += [0.19, 0.0, 0.19, 0.0]
    for _ in range(8):
        training.update(engine)
    assert training.alarm.rollbacks == 0
    assert training.alarm.kept is None


def test_solves_that_come_nowhere_are_an_alarm(probes, monkeypatch):
    monkeypatch.setitem(alarm.KEEP, "settled", 0.5)
    training = made()
    training.engine(str)
    probes += [0.5, 0.5]
    training.updates = 2
    training.alarm.after_update(training, {"settled": torch.tensor(0.9)})
    training.updates = 4
    found = training.alarm.after_update(training, {"settled": torch.tensor(0.4)})
    assert found["rollbacks"] == 1


def test_the_probe_is_right_about_an_answer(monkeypatch):
    training = made()
    task, instances = training.alarm.task, training.alarm.instances
    labels = torch.from_numpy(instances.labels["answer"]).long()
    logits = 9.0 * torch.nn.functional.one_hot(labels, task.spec.num_choices)
    wrong = logits.clone()
    wrong[::2, :, 0] = torch.nan
    for found, share in ((logits, 1.0), (wrong, 0.5)):
        monkeypatch.setattr(
            training.model, "iterate", lambda *args, found=found, **options: [(found, None)]
        )
        assert alarm.probe(training.model, task, instances, 1) == share
    assert training.model.training
    assert task.split == "validation"


def test_what_a_solve_reports_is_in_the_metrics():
    training = made()
    metrics = training.update(training.engine(str))
    assert {"residual", "converged", "settled", "backward_residual", "discarded"} <= set(metrics)
    trace = Trace(torch.zeros(1), torch.zeros(1))
    assert solver_metrics(torch.nn.Linear(1, 1), trace) == {}


def test_rows_whose_backward_fails_are_left_out():
    options = {**TINY.model_options, "discard_above": 0.0, "backward_tol": 0.0}
    training = made(dataclasses.replace(TINY, model_options=options))
    engine = training.engine(str)
    training.update(engine)
    assert training.update(engine)["discarded"] == 1


def test_resume_is_bit_identical_through_a_rollback(tmp_path, monkeypatch):
    def share(model, *args):
        return 0.5 if training_calls.pop(0) else 0.2

    whole = made()
    engine = whole.engine(str)
    training_calls = [1, 1, 0, 1]
    monkeypatch.setattr(alarm, "probe", share)
    monkeypatch.setitem(alarm.KEEP, "settled", 0.0)
    for _ in range(8):
        whole.update(engine)
    for split in (5, 6):
        training_calls = [1, 1, 0, 1]
        parts = made()
        engine = parts.engine(str)
        for _ in range(split):
            parts.update(engine)
        out = tmp_path / str(split)
        out.mkdir()
        parts.save(out)
        train(TINY, out, resume=True, show=False)
        resumed = checkpoint.load_model(out).state_dict()
        assert checkpoint.load_config(out)["rollbacks"] == whole.alarm.rollbacks == 1
        for name, values in whole.averaged_weights().items():
            assert torch.equal(resumed[name], values), name


def test_a_probe_leaves_the_training_as_it_was(monkeypatch):
    plain, watched = made(dataclasses.replace(TINY, alarm_every=None)), made()
    for training in (plain, watched):
        engine = training.engine(str)
        for _ in range(8):
            training.update(engine)
    assert watched.alarm.rollbacks == 0
    assert equal(weights(plain), weights(watched))


def test_a_checkpoint_without_alarm_is_not_resumed_with_one(tmp_path):
    train(dataclasses.replace(TINY, alarm_every=None, updates=2), tmp_path, show=False)
    with pytest.raises(ValueError, match="alarm_every: None there, 2 asked"):
        train(TINY, tmp_path, resume=True, show=False)


def test_an_impossible_interval_is_refused():
    with pytest.raises(ValueError, match="alarm_every must be at least 1, got 0"):
        dataclasses.replace(TINY, alarm_every=0)
