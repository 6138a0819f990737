import re
import time

import numpy as np
import pytest

from ttc_envs.colours import confidence_colour
from ttc_envs.tasks.sudoku.grid import BOXES
from ttc_envs.tasks.sudoku.render import clashes, render

SIZES = sorted(BOXES)
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def solved_board(size):
    height, width = BOXES[size]
    row, column = np.divmod(np.arange(size * size), size)
    return (row % height * width + row // height + column) % size


def first_cell(frame):
    """The 48 x 48 pixels of the first cell, which starts behind the margin and the thick line."""
    return frame[16 : 16 + 48, 16 : 16 + 48]


def free(size):
    return np.full(size * size, -1)


def board_text(text):
    """The symbols of an ansi rendering, row by row, without colours and lines."""
    rows = [line for line in ESCAPE.sub("", text).splitlines() if line.startswith("┃")]
    return ["".join(row.replace("┃", "").split()) for row in rows]


@pytest.mark.parametrize("size", SIZES)
def test_ansi_shows_every_symbol_in_its_place(size):
    answer = solved_board(size)
    answer[5] = -1
    symbols = "".join("." if d < 0 else "123456789ABCDEFGHIJKLMNOP"[d] for d in answer)
    expected = [symbols[start : start + size] for start in range(0, size * size, size)]
    assert board_text(render(free(size), answer, size, "ansi")) == expected


@pytest.mark.parametrize("size", SIZES)
def test_ansi_lines_are_equally_wide_and_boxes_divided(size):
    lines = ESCAPE.sub("", render(free(size), solved_board(size), size, "ansi")).splitlines()
    height, width = BOXES[size]
    assert {len(line) for line in lines} == {3 * size + size // width + 1}
    assert len(lines) == size + size // height + 1


def test_ansi_marks_givens_clashes_and_confidence():
    answer = solved_board(4)
    givens = free(4)
    givens[0] = answer[0]
    answer[1] = answer[3]
    cells = render(givens, answer, 4, "ansi", np.linspace(0, 1, 16)).split("\x1b[0m")
    assert "\x1b[1m" in cells[0]
    assert "\x1b[1m" not in "".join(cells[1:])
    assert ["\x1b[4m" in cell for cell in cells[:4]] == [False, True, False, True]
    red, green, blue = confidence_colour(1.0)
    assert f"48;2;{red};{green};{blue}m" in cells[15]


@pytest.mark.parametrize("size", SIZES)
def test_rgb_array_is_an_image_and_varies_with_the_answer(size):
    frame = render(free(size), solved_board(size), size, "rgb_array")
    assert frame.dtype == np.uint8
    assert frame.ndim == 3
    assert frame.shape[2] == 3
    assert min(frame.shape[:2]) >= 48 * size
    other = render(free(size), (solved_board(size) + 1) % size, size, "rgb_array")
    assert (frame != other).any()


@pytest.mark.parametrize("confidence", [0.0, 0.5, 1.0])
def test_rgb_array_background_is_the_confidence_colour(confidence):
    frame = render(free(9), solved_board(9), 9, "rgb_array", np.full(81, confidence))
    np.testing.assert_array_equal(first_cell(frame)[1, 1], confidence_colour(confidence))


def test_colours_go_from_red_to_green():
    red, yellow, green = (confidence_colour(c) for c in (0.0, 0.5, 1.0))
    assert red[0] > 1.5 * red[1]
    assert green[1] > 1.4 * green[0]
    assert min(yellow[:2]) > 1.5 * yellow[2]


def test_rgb_array_tells_givens_from_answers_and_ignores_their_confidence():
    answer = solved_board(9)
    as_answer = first_cell(render(free(9), answer, 9, "rgb_array", np.ones(81)))
    sure, unsure = (
        first_cell(render(answer, answer, 9, "rgb_array", np.full(81, c))) for c in (1.0, 0.0)
    )
    assert (sure != as_answer).any()
    np.testing.assert_array_equal(sure, unsure)
    assert (sure < 60).all(axis=2).sum() > 1.15 * (as_answer < 60).all(axis=2).sum()  # bold


def test_rgb_array_rings_clashing_cells_only():
    answer = solved_board(9)
    clashing = answer.copy()
    clashing[80] = clashing[79]
    before, after = (render(free(9), a, 9, "rgb_array") for a in (answer, clashing))
    np.testing.assert_array_equal(first_cell(before), first_cell(after))
    reddish = (after[:, :, 0].astype(int) - after[:, :, 1]) > 120
    assert reddish.any()
    assert not ((before[:, :, 0].astype(int) - before[:, :, 1]) > 120).any()


def test_a_given_is_shown_where_the_answer_differs():
    givens, answer = free(4), solved_board(4)
    givens[0] = (answer[0] + 1) % 4
    assert board_text(render(givens, answer, 4, "ansi"))[0][0] == str(givens[0] + 1)


def test_frames_do_not_share_memory():
    first = render(free(4), solved_board(4), 4, "rgb_array")
    kept = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(render(free(4), solved_board(4), 4, "rgb_array"), kept)


@pytest.mark.parametrize("size", SIZES)
def test_clashes_agree_with_a_pairwise_check(size):
    digits = np.random.default_rng(size).integers(-1, size, size * size)
    height, width = BOXES[size]

    def related(a, b):
        (r, c), (s, d) = divmod(a, size), divmod(b, size)
        return r == s or c == d or (r // height, c // width) == (s // height, d // width)

    cells = range(size * size)
    expected = [
        digits[a] >= 0 and any(a != b and digits[a] == digits[b] and related(a, b) for b in cells)
        for a in cells
    ]
    np.testing.assert_array_equal(clashes(digits, size), expected)
    assert not clashes(solved_board(size), size).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 5}, "size must be one of"),
        ({"mode": "human"}, "mode must be 'ansi' or 'rgb_array', got 'human'"),
        (
            {"answer": np.zeros(80, int)},
            r"answer must be integers of shape \(B, 81\), got int64 of shape \(1, 80\)",
        ),
        ({"answer": np.zeros(81)}, "answer must be integers .* got float64"),
        ({"answer": np.full(81, 9)}, r"answer must hold digits 0\.\.8 .* got 9\.\.9"),
        ({"givens": np.full(81, -2)}, r"givens must hold digits .* got -2\.\.-2"),
        ({"confidence": np.zeros(9)}, r"confidence must have shape \(81,\), got \(9,\)"),
        ({"confidence": np.full(81, np.nan)}, "confidence must lie in"),
        ({"confidence": np.full(81, 1.5)}, r"confidence must lie in \[0, 1\], got 1\.5"),
    ],
)
def test_bad_arguments_say_what_was_got_and_expected(change, message):
    arguments = {"givens": free(9), "answer": solved_board(9), "size": 9, "mode": "ansi"}
    with pytest.raises(ValueError, match=message):
        render(**(arguments | change))


def test_a_frame_takes_a_few_milliseconds_once_tiles_are_cached():
    rng = np.random.default_rng(0)
    confidences = rng.random((30, 81))
    for confidence in confidences:
        render(free(9), solved_board(9), 9, "rgb_array", confidence)
    times = []
    for confidence in confidences:
        start = time.process_time()
        render(free(9), solved_board(9), 9, "rgb_array", confidence)
        times.append(time.process_time() - start)
    assert np.median(times) < 0.02  # measured: 0.4 ms
