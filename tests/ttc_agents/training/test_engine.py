"""The choice of number format, compilation and threads: by time, with a line, never fatal."""

import dataclasses

import pytest
import torch

from ttc_agents.models import FactorGraphNetwork
from ttc_agents.training import engine
from ttc_agents.training.engine import Pace, candidates, choose_engine, pick_device, threads
from ttc_agents.training.recipes import RECIPES
from ttc_envs import make_task

OPEN = dataclasses.replace(RECIPES["sudoku4-demo"], seconds=3600, compile="auto")


@pytest.fixture
def timed(monkeypatch):
    """Times by (bfloat16, compiled, threads, layout), in place of a clock."""
    seconds: dict[tuple[bool, bool, int, str | None], float] = {}
    steps = []

    def fake(chosen, inputs, num_steps):
        choice = chosen.bfloat16, chosen.compiled, chosen.threads, chosen.layout
        steps.append((*choice, num_steps))
        return num_steps * seconds[choice]

    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(engine, "timed_steps", fake)
    monkeypatch.setattr(torch, "compile", lambda model, **options: model)
    return seconds, steps


def choose(recipe, lines, present=None, model=None):
    model = model or FactorGraphNetwork(make_task(recipe.env_id).spec)
    return choose_engine(model, model, recipe, lambda num_steps: (), lines.append, present)


@pytest.mark.parametrize(
    "fastest",
    [
        (False, False, 1, None),
        (True, False, 2, None),
        (False, True, 1, None),
        (True, True, 2, None),
    ],
)
def test_the_fastest_is_taken_and_printed(timed, fastest):
    seconds, lines = timed[0], []
    for choice in candidates(OPEN):
        seconds[choice] = 0.5 if choice == fastest else 1.0
    chosen = choose(OPEN, lines)
    assert (chosen.bfloat16, chosen.compiled, chosen.threads, chosen.layout) == fastest
    assert chosen.seconds == 0.5
    assert len(lines) == 1
    assert lines[0].startswith(f"how it is computed: {chosen}, the fastest here (")
    assert "500 ms" in lines[0]


def test_a_hopeless_format_is_not_tried_further(timed):
    seconds, steps = timed
    seconds.update({(False, False, 1, None): 1.0, (False, False, 2, None): 9.0})
    choose(dataclasses.replace(OPEN, compile="off", precision="float32"), [])
    plain = (False, False, 1, None)
    assert steps == [(*plain, 1), (*plain, 3), (False, False, 2, None, 1)]


def test_threads_are_a_choice_where_a_training_is_given_in_seconds(timed):
    plain = dataclasses.replace(OPEN, compile="off", precision="float32")
    assert candidates(plain) == [(False, False, 1, None), (False, False, 2, None)]
    assert candidates(plain, "cuda") == [(False, False, 2, None)]
    of_updates = dataclasses.replace(plain, seconds=None, updates=10)
    assert candidates(of_updates) == [(False, False, 2, None)]
    lines = []
    assert choose(of_updates, lines).threads == 2
    assert lines == []


def test_layouts_are_a_choice_beside_a_device_where_a_training_is_given_in_seconds(timed):
    plain, layouts = dataclasses.replace(OPEN, compile="off", precision="float32"), ("a", "b")
    assert candidates(plain, "cuda", layouts) == [(False, False, 2, "a"), (False, False, 2, "b")]
    assert {choice[3] for choice in candidates(plain, "cpu", layouts)} == {None}
    of_updates = dataclasses.replace(plain, seconds=None, updates=10)
    assert candidates(of_updates, "cuda", layouts) == [(False, False, 2, None)]


@pytest.mark.parametrize("fastest", ["dense", "ragged"])
def test_the_model_is_left_in_the_fastest_layout(timed, monkeypatch, fastest):
    seconds, steps = timed
    device = torch.device("cuda")
    monkeypatch.setattr(engine, "device_of", lambda model: device)
    plain = dataclasses.replace(OPEN, compile="off", precision="float32")
    for choice in candidates(plain, "cuda", ("dense", "ragged")):
        seconds[choice] = 0.5 if choice[3] == fastest else 1.0
    lines = []
    model = FactorGraphNetwork(make_task(plain.env_id).spec)
    chosen = choose(plain, lines, model=model)
    assert (chosen.layout, model.layout, str(chosen)) == (fastest,) * 2 + (
        f"float32, eager, {fastest}",
    )
    assert f"float32, eager, {fastest}, the fastest here (" in lines[0]
    assert {step[4] for step in steps} == {1, plain.segment_steps}  # costs of an update, too
    steps.clear()
    again = choose(plain, [], chosen, model)  # a slow one keeps it
    assert (again.layout, model.layout, steps) == (fastest, fastest, [])


def test_a_layout_that_is_named_is_not_timed(timed):
    model = FactorGraphNetwork(make_task(OPEN.env_id).spec, layout="ragged")
    assert model.layouts == ()


def test_an_engine_that_has_become_slow_is_timed_for_its_threads_alone(timed):
    seconds, steps = timed
    for choice in candidates(OPEN):
        seconds[choice] = 1.0 if choice == (True, True, 2, None) else 2.0
    chosen = choose(OPEN, [])
    seconds[True, True, 2, None] = 100.0
    steps.clear()
    again = choose(OPEN, [], chosen)
    assert (again.bfloat16, again.compiled, again.threads) == (True, True, 1)
    assert {step[:2] for step in steps} == {(True, True)}


def test_an_engine_works_with_its_threads_and_leaves_those_of_others():
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_updates_are_slow_by_what_was_timed_and_by_the_quickest():
    pace = Pace(1.0)
    assert [pace.slow(s) for s in (1.2, 1.2, 30.0)] == [False, False, True]
    pace = Pace()  # nothing was timed
    assert not any(pace.slow(1.0) for _ in range(20))
    assert [pace.slow(30.0)] == [True]


def test_a_training_chooses_anew_when_its_updates_become_slow(begun, tiny, monkeypatch):
    chosen = []
    monkeypatch.setattr(
        "ttc_agents.training.update.choose_engine",
        lambda *args: chosen.append(args[-1]) or choose_engine(*args),
    )
    training = begun(tiny)
    for _ in range(8):
        training.update(0.0)
    assert chosen == [None]
    monkeypatch.setattr(training.pace, "slow", lambda seconds: True)
    training.update(0.0)
    assert len(chosen) == 2
    assert chosen[1] is not None


def test_a_failed_compilation_falls_back_with_a_line(monkeypatch, timed):
    def broken(chosen, inputs, num_steps):
        if chosen.compiled:
            raise RuntimeError("no compiler found\nmore")
        return 1.0

    monkeypatch.setattr(engine, "timed_steps", broken)
    for recipe, bfloat16 in (
        (dataclasses.replace(OPEN, compile="on", precision="float32"), False),
        (dataclasses.replace(OPEN, compile="on", precision="bfloat16"), True),
    ):
        lines = []
        chosen = choose(recipe, lines)
        assert (chosen.bfloat16, chosen.compiled) == (bfloat16, False)
        both = [dataclasses.replace(chosen, compiled=True, threads=count) for count in (1, 2)]
        assert lines == [
            f"{each} does not work here (no compiler found), going on without" for each in both
        ]


def test_short_trainings_do_not_try_to_compile():
    count = torch.get_num_threads()
    short = dataclasses.replace(OPEN, seconds=None, updates=60)
    assert candidates(short) == [(False, False, count, None), (True, False, count, None)]
    assert candidates(dataclasses.replace(short, compile="on", precision="bfloat16")) == [
        (True, True, count, None)
    ]


def test_an_unknown_device_is_one_clear_error():
    assert pick_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match="'abacus' cannot be used"):
        pick_device("abacus")
