import io

import numpy as np
import pytest
from PIL import Image

from ttc_agents.evaluation import calibrate
from ttc_agents.evaluation.calibration_figures import calibration_picture


@pytest.mark.parametrize(
    ("theme", "paper"), [("light", (255, 255, 255)), ("dark", (0x16, 0x18, 0x1D))]
)
def test_a_calibration_is_drawn(task, scripted, theme, paper):
    puzzles = task.sample(np.arange(10, dtype=np.uint64), "givens=6")
    calibration = calibrate(scripted(), task, puzzles, (1, 4, 10))
    with Image.open(io.BytesIO(calibration_picture(calibration, theme))) as opened:
        image = opened.convert("RGB")
    assert image.width > 1000
    assert image.getpixel((0, 0)) == paper
    assert (np.asarray(image) == (0x4C, 0xAF, 0x72)).all(axis=2).any()
