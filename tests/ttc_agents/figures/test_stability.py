"""The picture of a stability report."""

import dataclasses

import numpy as np
import pytest

from ttc_agents.evaluation.stability import stability
from ttc_agents.figures.stability import stability_picture
from ttc_agents.figures.theme import LINES, THEMES


@pytest.fixture(scope="module")
def puzzles(task):
    return task.sample(np.arange(10, dtype=np.uint64), "givens=6")


@pytest.mark.parametrize("theme", THEMES)
def test_a_report_is_drawn(task, scripted, puzzles, opened, has_colour, theme):
    report = stability(scripted(collapse=20), task, puzzles, 5, factors=(1, 2, 8))
    image = opened(stability_picture(report, theme))
    assert has_colour(image, THEMES[theme].paper)
    assert all(has_colour(image, colour) for colour in LINES[:2])


def test_a_report_without_a_finite_number_is_drawn(task, scripted, puzzles, opened):
    report = stability(scripted(), task, puzzles, 5, factors=(1,))
    nothing = np.full_like(report.residual, np.nan)
    lost = dataclasses.replace(report, residual=nothing, radius=nothing)
    assert opened(stability_picture(lost)).width > 1000
