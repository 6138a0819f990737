"""The loop: it ends where it should, calls its hooks in order, and stops politely."""

import os
import signal
from dataclasses import replace

import pytest
import torch

from ttc_agents.training.loop import Hook, Look, StopRequest, run
from ttc_agents.training.schedule import NOTHING, Length, Spent


class Product:
    """Multiplies two matrices at each update, 4 steps of 1.5 seconds by its own clock."""

    FLOPS = 2 * 2 * 3 * 4

    def __init__(self, spent=NOTHING):
        self.spent, self.now, self.shares = spent, 0.0, []

    def update(self, done):
        self.shares.append(done)
        self.now += 1.5
        loss = (torch.ones(2, 3) @ torch.ones(3, 4)).sum()
        spent = self.spent
        self.spent = replace(spent, updates=spent.updates + 1, env_steps=spent.env_steps + 4)
        return {"loss": loss}

    def clock(self):
        return self.now


class Noting(Hook):
    """Notes what it is told, takes a second, and adds a number of its own."""

    def __init__(self, name, notes):
        self.name, self.notes = name, notes

    def after_update(self, training, metrics, done):
        self.notes.append((self.name, training.spent.updates, sorted(metrics), round(done, 3)))
        training.now += 1.0
        return {self.name: torch.tensor(1.0)}


class Aside(Noting):
    """The same, outside the training's time."""

    counted = False


def test_a_look_comes_every_few_updates_and_costs_nothing():
    training, seen = Product(), []

    def look(trained, metrics):
        seen.append((trained.spent.updates, sorted(metrics)))
        trained.now += 100.0

    spent = run(training, Length(updates=5), [Look(look, every=2)], clock=training.clock)
    assert seen == [(2, ["loss"]), (4, ["loss"])]
    assert spent.seconds == 5 * 1.5


def test_it_ends_after_so_many_updates():
    training = Product()
    spent = run(training, Length(updates=4), clock=training.clock)
    assert spent == training.spent == Spent(6.0, 4, 16)
    assert training.shares == [0.0, 0.25, 0.5, 0.75]


def test_it_ends_after_so_many_seconds():
    training = Product()
    assert run(training, Length(seconds=5), clock=training.clock).updates == 4
    assert training.shares == pytest.approx([0.0, 0.3, 0.6, 0.9])


def test_it_ends_after_so_many_operations():
    training = Product()
    spent = run(training, Length(flops=2.5 * Product.FLOPS))
    assert (spent.updates, spent.flops) == (3, 3 * Product.FLOPS)
    assert training.shares == pytest.approx([0.0, 0.4, 0.8])


def test_operations_are_counted_beside_another_length_only_where_wanted():
    assert run(Product(), Length(updates=2)).flops == 0
    assert run(Product(), Length(updates=2), count_flops=True).flops == 2 * Product.FLOPS


def test_what_was_spent_before_counts():
    training = Product(Spent(seconds=10.0, updates=3, env_steps=12, flops=5.0))
    spent = run(training, Length(updates=4), clock=training.clock, count_flops=True)
    assert spent == Spent(11.5, 4, 16, 5.0 + Product.FLOPS)
    assert training.shares == [0.75]
    assert run(training, Length(updates=4)) is spent


def test_hooks_are_called_in_their_order_with_what_those_before_found():
    training, notes = Product(), []
    hooks = [Noting("a", notes), Noting("b", notes)]
    run(training, Length(updates=2), hooks, clock=training.clock)
    assert notes == [
        ("a", 1, ["loss"], 0.5),
        ("b", 1, ["a", "loss"], 0.5),
        ("a", 2, ["loss"], 1.0),
        ("b", 2, ["a", "loss"], 1.0),
    ]


def test_the_time_of_a_hook_counts_unless_it_says_otherwise():
    times = {}
    for kind in (Noting, Aside):
        training = Product()
        run(training, Length(seconds=4), [kind("a", [])], clock=training.clock)
        times[kind] = training.spent
    # Each update takes 1.5 seconds; of the counted hook, the last call is not measured any more.
    assert times[Noting] == Spent(4.0, 2, 8)
    assert times[Aside] == Spent(4.5, 3, 12)


def test_a_hook_by_itself_does_nothing():
    hook = Hook()
    assert hook.after_update(None, {}, 0.0) == {}
    assert hook.state_dict() == {}
    hook.load_state_dict({})


class Interrupting(Hook):
    """Ctrl-C at an update."""

    def __init__(self, update, times=1):
        self.update, self.times = update, times

    def after_update(self, training, metrics, done):
        if training.spent.updates == self.update:
            for _ in range(self.times):
                os.kill(os.getpid(), signal.SIGINT)
        return {}


def test_a_stop_is_obeyed_after_the_update(capsys):
    before = signal.getsignal(signal.SIGINT)
    training = Product()
    with StopRequest() as stop:
        run(training, Length(updates=9), [Interrupting(3)], stop=stop)
    assert training.spent.updates == 3
    assert "once more to leave at once" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before


def test_the_second_signal_leaves_at_once():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), StopRequest() as stop:
        run(Product(), Length(updates=9), [Interrupting(3, times=2)], stop=stop)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_stop_that_was_asked_for_before_leaves_no_update():
    training, stop = Product(), StopRequest()
    stop.requested = True
    assert run(training, Length(updates=9), stop=stop) == NOTHING
    assert training.shares == []
