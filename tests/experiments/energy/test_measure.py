"""The numbers of experiments/energy, on cases that are known."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[3] / "experiments" / "energy" / "measure.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("measure", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_area_under_the_curve_is_the_chance_that_the_right_one_is_lower(script):
    values = np.array([0.1, 0.4, 0.3, 0.4])
    assert script.auc(values, np.array([True, True, False, False])) == pytest.approx(0.625)
    assert script.auc(values, np.array([True, False, False, False])) == 1.0
    assert script.auc(values, np.ones(4, dtype=bool)) is None


def test_instances_without_a_difference_have_no_rank(script):
    violated = np.array([[0, 1, 2, 3], [0, 2, 1, 3], [1, 1, 1, 1]])
    energies = np.array([[0.0, 1.0, 2.0, 3.0]] * 3)
    assert script.rank_correlation(energies, violated) == pytest.approx((1 + 0.8) / 2)
