"""The choice of number format and compilation: by time, with a line, and never fatal."""

import dataclasses

import pytest
import torch

from ttc_agents.models import FactorGraphNetwork
from ttc_agents.training import engine
from ttc_agents.training.engine import candidates, choose_engine, pick_device
from ttc_agents.training.recipes import RECIPES
from ttc_envs import make_task

OPEN = dataclasses.replace(RECIPES["sudoku4-demo"], seconds=3600, compile="auto")


@pytest.fixture
def timed(monkeypatch):
    """Times by (bfloat16, compiled), in place of a clock."""
    seconds: dict[tuple[bool, bool], float] = {}
    steps = []

    def fake(chosen, inputs, num_steps):
        steps.append((chosen.bfloat16, chosen.compiled, num_steps))
        return num_steps * seconds[chosen.bfloat16, chosen.compiled]

    monkeypatch.setattr(engine, "timed_steps", fake)
    monkeypatch.setattr(torch, "compile", lambda model, **options: model)
    return seconds, steps


def choose(recipe, lines):
    model = FactorGraphNetwork(make_task(recipe.env_id).spec)
    return choose_engine(model, model, recipe, lambda num_steps: (), lines.append)


@pytest.mark.parametrize("fastest", [(False, False), (True, False), (False, True), (True, True)])
def test_the_fastest_is_taken_and_printed(timed, fastest):
    seconds, lines = timed[0], []
    for pair in candidates(OPEN):
        seconds[pair] = 0.5 if pair == fastest else 1.0
    chosen = choose(OPEN, lines)
    assert (chosen.bfloat16, chosen.compiled) == fastest
    assert len(lines) == 1
    assert lines[0].startswith(f"{chosen}: ")
    assert "500 ms" in lines[0]


def test_a_hopeless_format_is_not_tried_further(timed):
    seconds, steps = timed
    seconds.update({(False, False): 1.0, (True, False): 9.0})
    choose(dataclasses.replace(OPEN, compile="off"), [])
    assert steps == [(False, False, 1), (False, False, 3), (True, False, 1)]


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
        assert lines == [
            f"{dataclasses.replace(chosen, compiled=True)} does not work here "
            "(no compiler found), going on without"
        ]


def test_short_trainings_do_not_try_to_compile():
    short = dataclasses.replace(OPEN, seconds=60)
    assert candidates(short) == [(False, False), (True, False)]
    assert candidates(dataclasses.replace(short, compile="on", precision="bfloat16")) == [
        (True, True)
    ]


def test_an_unknown_device_is_one_clear_error():
    assert pick_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match="'abacus' cannot be used"):
        pick_device("abacus")
