import numpy as np
import pytest

from ttc_agents.evaluation import calibrate
from ttc_agents.figures.calibration import calibration_picture


@pytest.mark.parametrize(
    ("theme", "paper"), [("light", (255, 255, 255)), ("dark", (0x16, 0x18, 0x1D))]
)
def test_a_calibration_is_drawn(task, scripted, opened, has_colour, theme, paper):
    puzzles = task.sample(np.arange(10, dtype=np.uint64), "givens=6")
    calibration = calibrate(scripted(), task, puzzles, (1, 4, 10))
    image = opened(calibration_picture(calibration, theme))
    assert image.width > 1000
    assert image.getpixel((0, 0)) == paper
    assert has_colour(image, "#4caf72")
