import io

import numpy as np
import pytest
from PIL import Image

from ttc_agents.evaluation import sweep
from ttc_agents.figures import animation
from ttc_agents.figures.animation import frames, gif_of, showcase, solve_gif, thinned
from ttc_agents.inference import full_float32, refine
from ttc_envs import SortingTask


@pytest.fixture(scope="module")
def puzzle(task):
    """Eight blank cells."""
    return task.sample(np.arange(1, dtype=np.uint64), "givens=8")


def watched(model, task, puzzle):
    with full_float32(model):
        return list(frames(refine(model, task, puzzle, 12), task, puzzle))


def test_frames_begin_before_the_first_step(task, scripted, puzzle):
    seen = watched(scripted(), task, puzzle)
    assert [frame.step for frame in seen] == list(range(13))
    np.testing.assert_array_equal(seen[0].answer, task.initial_answer(puzzle))
    assert seen[0].confidence is None
    assert [frame.solved for frame in seen] == [False] * 8 + [True] * 5
    # The first step decides all cells, each later one mends one of them.
    assert [frame.changed for frame in seen] == [0, 8, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0]


def test_what_is_not_finite_changes_nothing_and_solves_nothing(task, scripted, puzzle):
    keys = np.arange(50, dtype=np.uint64)
    many = task.sample(keys, "givens=8")
    row = int(np.flatnonzero(many.fields["givens"][:, 0] < 0)[0])
    seen = watched(scripted(broken=3), task, many[row : row + 1])
    assert [frame.finite for frame in seen] == [True] * 3 + [False] * 10
    assert not any(frame.solved for frame in seen)
    np.testing.assert_array_equal(seen[12].answer, seen[2].answer)


def test_a_gif_ends_shortly_after_the_answer_settled(task, scripted, puzzle):
    gif = Image.open(io.BytesIO(solve_gif(scripted(), task, puzzle, 30)))
    assert gif.n_frames == 15
    durations = []
    for frame in range(gif.n_frames):
        gif.seek(frame)
        durations.append(gif.info["duration"])
    assert durations == [animation.FRAME_MS] * 14 + [animation.LAST_MS]
    board = task.render(puzzle, puzzle.labels["answer"], "rgb_array")
    assert gif.size == (board.shape[1], board.shape[0] + 46)


def test_long_refinements_are_thinned_but_keep_both_ends(monkeypatch):
    monkeypatch.setattr(animation, "MOST_FRAMES", 20)
    assert thinned(list(range(20))) == list(range(20))
    kept = thinned(list(range(500)))
    assert len(kept) <= 20
    assert kept[:4] == [0, 1, 2, 3]
    assert kept[-1] == 499


def test_the_showcase_is_solved_late_for_good(task, scripted):
    keys = np.arange(12, dtype=np.uint64)
    puzzles = task.sample(keys, "givens=4..12")
    blanks = (puzzles.fields["givens"] < 0).sum(axis=1)
    (records,) = sweep(scripted(), task, {"a": puzzles}, (16,), classical=()).records["p1"]["a"]
    assert showcase(records) == blanks.argmax()
    late = np.sort(blanks)[-2]
    collapsing = scripted(collapse=late - 1)
    (records,) = sweep(collapsing, task, {"a": puzzles}, (late - 1,), classical=()).records["p1"][
        "a"
    ]
    assert blanks[showcase(records)] == max(b for b in blanks if b < late)
    (records,) = sweep(scripted(), task, {"a": puzzles}, (1,), classical=()).records["p1"]["a"]
    assert 0 <= showcase(records) < 12


def test_the_frames_of_a_classical_method():
    task = SortingTask(8)
    one = task.sample(np.arange(1, dtype=np.uint64), "reversed")
    seen = list(frames(refine(task.baselines()["bitonic"], task, one, 10), task, one))
    assert [frame.step for frame in seen] == list(range(11))
    assert all(frame.confidence is None and frame.finite for frame in seen)
    # Six rounds sort eight keys; what follows changes nothing.
    assert [frame.solved for frame in seen[-5:]] == [True] * 5
    assert not any(frame.changed for frame in seen[7:])
    film = Image.open(io.BytesIO(gif_of(task, one, seen)))
    assert film.n_frames <= 1 + 6 + animation.AFTERWARDS
