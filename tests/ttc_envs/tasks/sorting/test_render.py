import re

import gymnasium as gym
import numpy as np
import pytest

from ttc_envs.colours import confidence_colour
from ttc_envs.tasks.sorting.render import render

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
KEYS = np.array([0.9, 0.1, 0.5, 0.3])
BASE = 252  # the pixel row on which the bars stand
SLOT = 720 / 4


def text_of(keys, answer, **options):
    return ESCAPE.sub("", render(keys, answer, "ansi", **options)).splitlines()


def column_of(frame, position):
    """The pixels in the middle of a bar, from the top down to its foot."""
    return frame[:BASE, int(16 + (position + 0.5) * SLOT)]


def heights(frame):
    paper = frame[0, 0]
    columns = (column_of(frame, position) for position in range(4))
    return [int((column != paper).any(axis=1).sum()) for column in columns]


def test_bars_stand_in_the_order_of_the_answer():
    frame = render(KEYS, np.array([1, 3, 2, 0]), "rgb_array")
    assert frame.dtype == np.uint8
    assert frame.shape[2] == 3
    assert heights(frame) == sorted(heights(frame))
    swapped = heights(render(KEYS, np.array([3, 1, 2, 0]), "rgb_array"))
    assert swapped[0] > swapped[1]


def test_bars_have_the_colour_of_their_confidence():
    confidence = np.array([0.0, 0.5, 1.0, 0.25])
    frame = render(KEYS, np.array([1, 3, 2, 0]), "rgb_array", confidence)
    for position, value in enumerate(confidence):
        foot = column_of(frame, position)[-6]
        np.testing.assert_array_equal(foot, confidence_colour(value))
    plain = render(KEYS, np.array([1, 3, 2, 0]), "rgb_array")
    assert not np.array_equal(plain, frame)


def reds(frame):
    """The number of pixels in the red of what is wrong."""
    return int((frame == (200, 24, 66)).all(axis=2).sum())


def test_what_is_wrong_is_red():
    assert reds(render(KEYS, np.array([1, 3, 2, 0]), "rgb_array")) == 0
    descent = reds(render(KEYS, np.array([3, 1, 2, 0]), "rgb_array"))
    assert descent > 0
    # An item twice and one left out: rings around three bars.
    assert reds(render(KEYS, np.array([1, 1, 2, 0]), "rgb_array")) > 10 * descent


def test_an_empty_slot_has_no_bar():
    frame = render(KEYS, np.array([-1, 3, 99, 0]), "rgb_array")
    assert heights(frame)[0] == heights(frame)[2] <= 4


@pytest.mark.parametrize("size", [1, 2, 24, 25, 130, 1024])
def test_every_length_is_drawn(size):
    keys = np.random.default_rng(size).random(size)
    frame = render(keys, np.argsort(keys), "rgb_array")
    assert frame.shape == (440, max(720, size) + 32, 3)
    lines = text_of(keys, np.argsort(keys))
    assert len({len(line) for line in lines[:9]}) == 1
    assert len(lines[0]) <= 128
    assert lines[-1] == f"{size} keys, 0 of {size - 1} neighbours in wrong order"


def test_text_shows_bars_marks_and_items():
    lines = text_of(KEYS, np.array([3, 1, 2, 0]))
    assert len(lines) == 8 + 1 + 1 + 1
    tops = [next(row for row in range(8) if lines[row][3 * at] != " ") for at in range(4)]
    assert tops[1] > tops[0] > tops[2] > tops[3]
    assert lines[8] == "  ▾         "
    assert lines[9].split() == ["3", "1", "2", "0"]
    assert lines[10] == "4 keys, 1 of 3 neighbours in wrong order"
    lines = text_of(KEYS, np.array([1, 1, -1, 0]))
    assert lines[9].split() == ["1", "1", ".", "0"]
    assert lines[10].endswith("2 items left out")


def test_text_has_the_colours_of_the_confidence():
    text = render(KEYS, np.array([1, 3, 2, 0]), "ansi", np.ones(4))
    red, green, blue = confidence_colour(1.0)
    colours = set(re.findall(r"\x1b\[38;2;(\d+;\d+;\d+)m", text))
    assert colours == {f"{red};{green};{blue}"}


BAD = [
    ({"mode": "human"}, "mode must be"),
    ({"keys": np.array([0.1, np.nan])}, "keys must be"),
    ({"keys": np.zeros((1, 4))}, "keys must be"),
    ({"answer": np.arange(3)}, "answer must be integers"),
    ({"answer": np.zeros(4)}, "answer must be integers"),
    ({"confidence": np.ones(3)}, "confidence must have shape"),
    ({"confidence": np.full(4, np.nan)}, "confidence must lie"),
]


@pytest.mark.parametrize(("changed", "message"), BAD)
def test_bad_arguments_are_refused(changed, message):
    arguments = {"keys": KEYS, "answer": np.arange(4), "mode": "ansi", **changed}
    with pytest.raises(ValueError, match=message):
        render(**arguments)


def test_environments_draw_shorter_lists_without_padding():
    env = gym.make("ttc/Sorting-v0", size=8, action_mode="logits", render_mode="ansi")
    env.reset(options={"instance": {"numbers": np.linspace(1, 0, 8), "mask": [1] * 5 + [0] * 3}})
    assert "5 keys, 4 of 4 neighbours" in env.render()
    env.step(env.unwrapped.solution())
    assert "5 keys, 0 of 4 neighbours" in env.render()
