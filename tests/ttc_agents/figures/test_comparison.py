"""Pictures of comparisons, of runs that are made up."""

from ttc_agents.figures.comparison import comparison_picture, frontier_picture
from ttc_agents.figures.theme import LINES, THEMES


def run(row, seed, shares, seconds=10.0):
    """A run from {step: solved}; each step costs 100 FLOPs."""
    by_step = {str(step): {"solved": solved, "n": 50} for step, solved in shares.items()}
    last = max(shares.values())
    parts = [{"solved": s * last, "flops": 1e6 * s, "env_steps": 99 * s} for s in (0.5, 1)]
    return {
        "row": row,
        "seed": seed,
        "seconds": seconds,
        "distinct": 50,
        "reached": by_step,
        "holds": by_step,
        "curve": parts if seconds else [],
        "test_flops": {str(step): 100.0 * step for step in shares},
    }


RUNS = [
    run("first", 0, {1: 0.2, 8: 0.7}),
    run("first", 1, {1: 0.3, 8: 0.8}),
    run("second", 0, {1: 0.4, 8: 0.5}),
    run("second", 1, {1: 0.4, 8: 0.6}),
    run("exact", 0, {1: 1.0, 8: 1.0}, seconds=0),
]


def panels(image, count):
    """The parts of a picture, side by side."""
    width = image.width // count
    return [image.crop((i * width, 0, (i + 1) * width, image.height)) for i in range(count)]


def test_trained_rows_have_a_line_in_each_panel_and_others_in_the_first(opened, has_colour):
    image = opened(comparison_picture("A table", RUNS))
    for panel in panels(image, 3):
        assert all(has_colour(panel, colour) for colour in LINES[:2])
        assert not has_colour(panel, LINES[2])
    alone = opened(comparison_picture("A table", RUNS[:4]))
    assert image.size == alone.size
    assert image.tobytes() != alone.tobytes()


def test_the_frontier_lies_behind_the_lines_of_all_rows(opened, has_colour):
    rows = {"first": RUNS[:2], "second": RUNS[2:4]}
    image = opened(frontier_picture("A table", rows))
    assert all(has_colour(image, colour) for colour in (*LINES[:2], THEMES["light"].grid))
