import numpy as np
import pytest

from ttc_agents.evaluation import sweep
from ttc_agents.figures.sweep import spread, sweep_picture


@pytest.fixture(scope="module")
def puzzles(task):
    return task.sample(np.arange(10, dtype=np.uint64), "givens=6")


@pytest.mark.parametrize(
    ("theme", "paper"), [("light", (255, 255, 255)), ("dark", (0x16, 0x18, 0x1D))]
)
def test_a_sweep_is_drawn_on_light_and_dark_paper(
    task, scripted, puzzles, opened, has_colour, theme, paper
):
    document = sweep(scripted(), task, {"all": puzzles}, (1, 4, 16)).to_json()
    image = opened(sweep_picture(document, title="A title", trained_steps=4, theme=theme))
    assert image.getpixel((0, 0)) == paper
    assert image.width > image.height > 600
    assert has_colour(image, "#2563eb")


def test_each_family_has_its_colour_and_each_protocol_its_line(
    task, scripted, puzzles, opened, has_colour
):
    families = {"a": puzzles, "b": task.sample(np.arange(10, dtype=np.uint64), "givens=12")}
    document = sweep(
        scripted(collapse=5), task, families, (1, 4, 8), protocols=("p1", "p2", "p3")
    ).to_json()
    image = opened(sweep_picture(document, title="Two"))
    assert has_colour(image, "#2563eb")
    assert has_colour(image, "#db2777")
    only = {**document, "rows": {"p1": document["rows"]["p1"]}}
    assert sweep_picture(only, title="Two") != sweep_picture(document, title="Two")


def test_one_recorded_step_is_enough(task, scripted, puzzles, opened):
    document = sweep(scripted(), task, {"all": puzzles}, (1,), classical=()).to_json()
    assert opened(sweep_picture(document, title="One")).width > 100


def test_labels_are_moved_apart_and_stay_below_the_top():
    assert spread([10, 50, 90], gap=5, top=100) == [10, 50, 90]
    assert spread([50, 50, 51], gap=5, top=100) == [50, 55, 60]
    assert spread([99, 100, 100], gap=5, top=100) == [90, 95, 100]
    assert spread([], gap=5, top=100) == []
