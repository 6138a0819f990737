import json
import os
import subprocess
import sys

import numpy as np
import pytest

from ttc_envs.tasks.sudoku import vicinity
from ttc_envs.tasks.sudoku.bank import load_bank
from ttc_envs.tasks.sudoku.generator import generate
from ttc_envs.tasks.sudoku.solver import grade, solve
from ttc_envs.tasks.sudoku.symmetry import apply_moves, fingerprint, random_moves
from ttc_envs.tasks.sudoku.vicinity import extreme_island, rate

FOUNDERS, STEPS, MEMBERS = 24, 150, 72
compiled = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT") == "1",
    reason="an island takes many minutes without compiled kernels; a small one is compared below",
)


@pytest.fixture(autouse=True, scope="module")
def growth_in_small_parts():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vicinity, "STEPS_AT_ONCE", 5)
        yield


@pytest.fixture(scope="module")
def island(growth_in_small_parts):
    return extreme_island(3, FOUNDERS, STEPS, MEMBERS)


@compiled
def test_the_puzzles_of_an_island_have_one_solution_and_need_every_given(island):
    puzzles, solutions = island
    found, counts = solve(puzzles, 9)
    assert (counts == 1).all()
    assert (found == solutions).all()
    rows, cells = np.nonzero(puzzles >= 0)
    fewer = puzzles[rows]
    fewer[np.arange(len(rows)), cells] = -1
    assert (solve(fewer, 9)[1] == 2).all()


@compiled
def test_an_island_grows_to_different_puzzles(island):
    assert len(np.unique(island[0], axis=0)) == len(island[0]) == MEMBERS
    assert len(np.unique(fingerprint(island[0], 9))) > MEMBERS - 3


@compiled
def test_an_island_that_finds_no_more_has_fewer_puzzles(monkeypatch):
    monkeypatch.setattr(vicinity, "MOST_STEPS", 5)
    puzzles, solutions = extreme_island(3, FOUNDERS, STEPS, 40 * FOUNDERS)
    assert FOUNDERS <= len(puzzles) == len(solutions) < 3 * FOUNDERS
    assert len(np.unique(puzzles, axis=0)) == len(puzzles)


@compiled
def test_breeding_makes_them_harder_in_versions_that_no_choice_has_seen(island):
    before, _ = extreme_island(3, FOUNDERS, 0, FOUNDERS)
    easy, hard = (
        rate(apply_moves(random_moves(np.arange(len(puzzles)), 9), puzzles))[0]
        for puzzles in (before, island[0])
    )
    assert np.median(hard) > 1.5 * np.median(easy)


@compiled
def test_an_island_depends_on_its_key_alone(island):
    again = extreme_island(3, FOUNDERS, STEPS, MEMBERS)
    assert all((one == other).all() for one, other in zip(island, again, strict=True))
    assert (extreme_island(4, FOUNDERS, STEPS, MEMBERS)[0] != island[0]).any()


def test_the_rating_counts_the_guesses_of_the_solver():
    bank = load_bank(9, "test")
    whole, first = rate(bank.puzzles)
    assert (first == bank.guesses).all()
    assert (whole >= first).all()
    assert whole.sum() > 1.1 * first.sum()


def test_the_rating_refuses_what_has_not_one_solution():
    puzzle = load_bank(9).puzzles[0]
    several = np.where(np.arange(81) == (puzzle >= 0).argmax(), -1, puzzle)
    empty = np.full(81, -1)
    clash = np.where(np.arange(81) < 2, 0, -1)
    whole, first = rate(np.stack([several, empty, clash, puzzle]))
    assert whole.tolist()[:3] == first.tolist()[:3] == [-1, -1, -1]
    assert whole[3] >= 0


def test_the_whole_tree_does_not_depend_on_how_digits_are_called():
    puzzles, _ = generate(np.arange(40), 9)
    renamed = np.where(puzzles >= 0, 8 - puzzles, -1)
    assert (rate(renamed)[0] == rate(puzzles)[0]).all()
    assert (grade(renamed, 9)[1] != grade(puzzles, 9)[1]).any()


@pytest.mark.parametrize(
    ("founders", "steps", "members"), [(1, 5, 4), (4, -1, 8), (4, 5, 3), (4, 5, 10)]
)
def test_impossible_islands_are_refused(founders, steps, members):
    with pytest.raises(ValueError, match=f"got {founders}, {steps} and {members}"):
        extreme_island(0, founders, steps, members)


PLAIN = """
import json, sys
sys.modules["numba"] = None
from ttc_envs.tasks.sudoku import kernels, vicinity
assert kernels.numba is None
vicinity.STEPS_AT_ONCE = 5
arrays = vicinity.extreme_island(1, 4, 3, 8)
print(json.dumps([array.tolist() for array in [*arrays, *vicinity.rate(arrays[0])]]))
"""


def test_results_are_the_same_with_and_without_numba():
    pytest.importorskip("numba")
    plain = subprocess.run([sys.executable, "-c", PLAIN], capture_output=True, check=True)
    arrays = extreme_island(1, 4, 3, 8)
    expected = [array.tolist() for array in [*arrays, *rate(arrays[0])]]
    assert json.loads(plain.stdout) == expected
    assert len(arrays[0]) > 4
