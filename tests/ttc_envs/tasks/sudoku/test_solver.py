import itertools
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttc_envs.tasks.sudoku import kernels
from ttc_envs.tasks.sudoku.bank import load_bank
from ttc_envs.tasks.sudoku.generator import generate
from ttc_envs.tasks.sudoku.grid import grid_of
from ttc_envs.tasks.sudoku.solver import GAVE_UP, MOST_GUESSES, grade, parallel_singles, solve


def all_4x4_grids():
    """The 288 filled grids, by brute force over rows."""
    rows = list(itertools.permutations(range(4)))
    pairs = [
        (a, b)
        for a in rows
        for b in rows
        if len({*a[:2], *b[:2]}) == 4 and len({*a[2:], *b[2:]}) == 4
    ]
    grids = [
        (*a, *b, *c, *d)
        for a, b in pairs
        for c, d in pairs
        if all(len({a[i], b[i], c[i], d[i]}) == 4 for i in range(4))
    ]
    return np.array(grids, dtype=np.int8)


GRIDS_4 = all_4x4_grids()


def singles_by_sets(givens, answer, size):
    """`parallel_singles` for one answer, written from its definition."""
    groups = grid_of(size).groups.tolist()
    filled = np.where(givens >= 0, givens, answer).tolist()

    def left(cell):
        if filled[cell] >= 0:
            return set()
        return set(range(size)) - {filled[p] for g in groups if cell in g for p in g}

    candidates = [left(cell) for cell in range(size * size)]
    result = list(filled)
    for cell, digits in enumerate(candidates):
        hidden = {
            d
            for g in groups
            if cell in g
            for d in digits
            if sum(d in candidates[other] for other in g) == 1
        }
        if len(digits) == 1:
            result[cell] = min(digits)
        elif hidden:
            result[cell] = min(hidden)
    return result


def test_there_are_288_grids_of_4x4():
    assert len(GRIDS_4) == 288


@given(
    st.integers(0, 287),
    st.lists(st.booleans(), min_size=16, max_size=16),
    st.lists(st.tuples(st.integers(0, 15), st.integers(0, 3)), max_size=2),
)
def test_counts_agree_with_brute_force(grid, mask, changes):
    puzzle = np.where(mask, GRIDS_4[grid], -1).astype(np.int8)
    for cell, digit in changes:
        puzzle[cell] = digit
    fits = GRIDS_4[((puzzle == GRIDS_4) | (puzzle == -1)).all(axis=1)]
    solutions, counts = solve(puzzle[None], 4)
    assert counts[0] == min(len(fits), 2)
    if len(fits):
        assert (fits == solutions[0]).all(axis=1).any()
    else:
        assert (solutions == -1).all()


@pytest.mark.parametrize("size", [6, 9, 16])
def test_an_empty_grid_has_several_solutions_and_a_valid_one_is_returned(size):
    solutions, counts = solve(np.full((1, size * size), -1), size)
    assert counts[0] == 2
    assert (np.sort(solutions[0][grid_of(size).groups], axis=1) == np.arange(size)).all()


def test_a_minimal_puzzle_has_its_solution_and_without_a_given_several():
    bank = load_bank(9, "validation")
    puzzles, solutions = bank.puzzles[:30], bank.solutions[:30]
    found, counts = solve(puzzles, 9)
    assert (counts == 1).all()
    assert (found == solutions).all()
    fewer = puzzles.copy()
    fewer[np.arange(30), (puzzles >= 0).argmax(axis=1)] = -1
    assert (solve(fewer, 9)[1] == 2).all()


def test_a_wrong_digit_leaves_no_solution_also_where_nothing_clashes():
    bank = load_bank(9, "test")
    puzzle = bank.puzzles[0].copy()
    cell = int((puzzle < 0).argmax())
    around = set(puzzle[grid_of(9).peers[cell]].tolist())
    puzzle[cell] = next(d for d in range(9) if d not in {bank.solutions[0][cell], *around})
    solutions, counts = solve(puzzle[None], 9)
    assert counts[0] == 0
    assert (solutions == -1).all()


def test_grades_count_rounds_of_singles_and_guesses():
    bank = load_bank(9, "test")
    rounds, guesses = grade(bank.puzzles[:200], 9)
    assert (rounds == bank.rounds[:200]).all()
    assert (guesses == bank.guesses[:200]).all()
    answer, steps = bank.puzzles[:200], np.zeros(200, int)
    for _ in range(40):
        after = parallel_singles(bank.puzzles[:200], answer, 9)
        steps += (after != answer).any(axis=1)
        answer = after
    assert (steps == rounds).all()
    assert ((answer == bank.solutions[:200]).all(axis=1) == (guesses == 0)).all()
    assert 0 < (guesses == 0).mean() < 1


def test_a_nearly_full_grid_takes_one_round_and_an_empty_one_only_guesses():
    puzzle = np.where(np.arange(81) < 78, load_bank(9).solutions[0], -1)
    rounds, guesses = grade(np.stack([puzzle, np.full(81, -1)]), 9)
    assert rounds.tolist() == [1, 0]
    assert guesses[0] == 0
    assert guesses[1] > 0


def test_without_guesses_the_solver_gives_up_where_singles_do_not_decide():
    bank = load_bank(9, "test")
    rows = [bank.guesses.argmin(), bank.guesses.argmax()]
    solutions, counts = solve(bank.puzzles[rows], 9, most_guesses=0)
    assert counts.tolist() == [1, GAVE_UP]
    assert GAVE_UP not in (0, 1, 2)
    assert (solutions[0] == bank.solutions[rows[0]]).all()
    assert (solutions[1] == -1).all()


def test_the_guesses_allowed_for_a_puzzle_of_a_file_are_those_of_the_page():
    page = Path(__file__).parents[4] / "docs/trust.md"
    assert f"more than {MOST_GUESSES:,} guesses" in page.read_text("utf-8")


@given(st.sampled_from([4, 6]), st.integers(0, 2**32 - 1), st.floats(0.1, 0.9))
def test_parallel_singles_follow_their_definition_also_where_answers_clash(size, seed, share):
    rng = np.random.default_rng(seed)
    bank = load_bank(size)
    row = rng.integers(len(bank))
    givens = bank.puzzles[row : row + 1]
    answer = np.where(rng.random((1, size * size)) < share, bank.solutions[row], -1).astype(np.int8)
    wrong = rng.random(answer.shape) < 0.1
    answer[wrong] = rng.integers(0, size, wrong.sum())
    before = answer.copy()
    after = parallel_singles(givens, answer, size)
    assert after[0].tolist() == singles_by_sets(givens[0], answer[0], size)
    assert (answer == before).all()
    assert (after[givens >= 0] == givens[givens >= 0]).all()


@pytest.mark.parametrize(
    ("puzzles", "message"),
    [
        (np.zeros((1, 80), int), r"\(B, 81\), got int64 of shape \(1, 80\)"),
        (np.zeros((1, 81)), "got float64"),
        (np.full((1, 81), 9), "got 9..9"),
        (np.full((1, 81), -2), "got -2..-2"),
    ],
)
def test_malformed_puzzles_are_refused(puzzles, message):
    with pytest.raises(ValueError, match=message):
        solve(puzzles, 9)


def test_an_unknown_size_is_refused():
    with pytest.raises(ValueError, match=r"size must be one of \[4, 6, 9, 16, 25\], got 5"):
        solve(np.zeros((1, 25), int), 5)


def test_no_puzzles_give_no_solutions():
    solutions, counts = solve(np.zeros((0, 81), np.int8), 9)
    assert solutions.shape == (0, 81)
    assert counts.shape == (0,)


PLAIN = """
import json, sys
sys.modules["numba"] = None
import numpy as np
from ttc_envs.tasks.sudoku import kernels, solver, generator
assert kernels.numba is None
puzzles, solutions = generator.generate(np.arange(3), 9, "minimal")
more, _ = generator.generate(np.arange(3), 6, "givens=12")
solved = solver.solve(np.where(puzzles == 1, -1, puzzles), 9)
arrays = [puzzles, solutions, more, *solved, *solver.grade(puzzles, 9)]
print(json.dumps([array.tolist() for array in arrays]))
"""


def test_results_are_the_same_with_and_without_numba():
    pytest.importorskip("numba")
    plain = subprocess.run([sys.executable, "-c", PLAIN], capture_output=True, check=True)
    puzzles, solutions = generate(np.arange(3), 9, "minimal")
    more, _ = generate(np.arange(3), 6, "givens=12")
    solved = solve(np.where(puzzles == 1, -1, puzzles), 9)
    expected = [puzzles, solutions, more, *solved, *grade(puzzles, 9)]
    assert json.loads(plain.stdout) == [array.tolist() for array in expected]


def test_compiled_code_is_not_kept_where_no_folder_can_be_written(monkeypatch):
    def njit(function=None, cache=False):
        def refuse(function):
            raise RuntimeError("cannot cache function: no locator available")

        return refuse if cache else ("compiled", function)

    monkeypatch.setattr(kernels, "numba", SimpleNamespace(njit=njit))
    assert kernels.jit(len) == ("compiled", len)


def test_numba_is_imported_only_when_the_solver_is_used():
    code = (
        "import sys, numpy as np; from ttc_envs.tasks.sudoku import bank, solver, generator;"
        "bank.draw(np.arange(2), 9, 'easy'); assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
