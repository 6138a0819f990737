"""The tables of experiments/recurrence, on runs that are made up."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "experiments" / "recurrence" / "tables.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("tables", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_of(row, seed, by_step, flops):
    return {
        "row": row,
        "seed": seed,
        "parameters": 1234,
        "seconds": 10.0 + seed,
        "distinct": 400,
        "flops_spent": 1000 + seed,
        "holds": {step: {"solved": solved} for step, solved in by_step.items()},
        "test_flops": {step: flops * int(step) for step in by_step},
    }


def test_a_row_shows_its_own_steps_with_intervals_and_its_cost(script):
    runs = [run_of("plain", seed, {"1": 0.25}, 100.0) for seed in range(3)]
    runs += [run_of("deep", seed, {"1": 0.1, "8": 0.5 + seed / 10}, 50.0) for seed in range(3)]
    runs += [run_of("rare", 0, {"1": 0.25}, 100.0)]
    document = {
        "settings": {"steps": [1, 8], "flops": 1000.0},
        "runs": runs,
        "verdicts": [{"words": "deep crosses plain."}],
    }
    head, _, plain, deep, rare, _, budget, _, said = script.lines(document)
    assert head == "| row | parameters | 1 | 8 | FLOPs per answer | CPU s |"
    # Equal seeds: what 400 instances leave open, sqrt(0.25 * 0.75 / 400) on either side twice.
    assert plain == "| plain | 1,234 | 25.0 (21-29) |  | 1e+02 | 11 |"
    assert rare == "| rare, one seed | 1,234 | 25.0 (21-29) |  | 1e+02 | 10 |"
    # Unequal ones: 3.3 standard errors of 0.063, at 2.8 degrees of freedom.
    assert deep == "| deep | 1,234 | 10.0 (7-13) | 60.0 (39-81) | 50 to 4e+02 | 11 |"
    assert budget == "Budget 1e+03 FLOPs, overspent by 0.20% at most."
    assert said == "- deep crosses plain."
