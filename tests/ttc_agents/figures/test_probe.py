"""The pictures of a probe."""

import numpy as np

from ttc_agents.evaluation.probe import Probe
from ttc_agents.figures.probe import probe_curve, probe_map
from ttc_agents.figures.theme import LINES


def test_true_and_probed_places_are_on_the_map(opened, has_colour):
    truth = np.array([[30.0, -90.0], [40.0, -100.0], [45.0, -80.0]])
    found = Probe(np.arange(3), truth, truth + np.array([[1, 2], [0, -3], [2, 1]]))
    image = opened(probe_map(found, "Some features"))
    assert all(has_colour(image, colour) for colour in LINES[:2])


def test_the_course_of_a_training_is_drawn(opened, has_colour):
    lines = [{"seconds": s, "probe_r2": s / 4 - 0.2, "probe_km": 900 - s} for s in (1, 2, 3)]
    image = opened(probe_curve(lines))
    middle = image.width // 2
    for half in ((0, 0, middle, image.height), (middle, 0, image.width, image.height)):
        assert has_colour(image.crop(half), LINES[0])
