import numpy as np
import pytest

from ttc_envs.tasks.sudoku import generator
from ttc_envs.tasks.sudoku.generator import filled_grids, generate
from ttc_envs.tasks.sudoku.grid import grid_of
from ttc_envs.tasks.sudoku.levels import level_names, parse_level
from ttc_envs.tasks.sudoku.solver import parallel_singles, solve

KEYS = np.arange(100, 106, dtype=np.uint64)


def is_filled(grids, size):
    return (np.sort(grids[:, grid_of(size).groups], axis=2) == np.arange(size)).all()


@pytest.mark.parametrize("size", [4, 6, 9])
def test_minimal_puzzles_have_one_solution_and_need_every_given(size):
    puzzles, solutions = generate(KEYS, size, "minimal")
    assert is_filled(solutions, size)
    found, counts = solve(puzzles, size)
    assert (counts == 1).all()
    assert (found == solutions).all()
    rows, cells = np.nonzero(puzzles >= 0)
    fewer = puzzles[rows]
    fewer[np.arange(len(rows)), cells] = -1
    assert (solve(fewer, size)[1] == 2).all()


@pytest.mark.parametrize(
    ("size", "givens"),
    [(4, 5), (4, 10), (6, 11), (9, 26), (9, 40), (16, 130), (16, 85), (25, 280)],
)
def test_puzzles_have_the_wanted_number_of_givens(size, givens):
    puzzles, solutions = generate(KEYS[: 2 if size > 9 else 6], size, f"givens={givens}")
    assert ((puzzles >= 0).sum(axis=1) == givens).all()
    found, counts = solve(puzzles, size)
    assert (counts == 1).all()
    assert (found == solutions).all()


def test_singles_solve_25x25():
    puzzles, solutions = generate(KEYS[:2], 25, "givens=275")
    answer = puzzles
    for _ in range(250):
        answer = parallel_singles(puzzles, answer, 25)
    assert (answer == solutions).all()


def test_extreme_puzzles_are_not_made_one_by_one():
    with pytest.raises(ValueError, match="bred many at a time"):
        generate(KEYS, 9, "extreme")


def test_a_range_of_givens_is_used_to_both_ends():
    puzzles, _ = generate(np.arange(60), 6, "givens=13..16")
    assert set((puzzles >= 0).sum(axis=1).tolist()) == {13, 14, 15, 16}


def test_a_puzzle_depends_on_its_own_key_alone():
    together = generate(KEYS, 6, "minimal")
    alone = generate(KEYS[3:4], 6, "minimal")
    assert (together[0][3] == alone[0][0]).all()
    assert (together[1][3] == alone[1][0]).all()
    assert len(np.unique(together[1], axis=0)) == len(KEYS)


def test_filled_grids_are_spread_over_all_288_of_4x4():
    grids, counts = np.unique(filled_grids(np.arange(5000), 4), axis=0, return_counts=True)
    assert len(grids) == 288
    assert counts.max() < 8 * counts.min()


def test_fewer_givens_than_are_found_are_an_error(monkeypatch):
    monkeypatch.setattr(generator, "ATTEMPTS", 2)
    with pytest.raises(ValueError, match="no puzzle with 8 givens was found in 2 grids for row 0"):
        generate(np.arange(3), 6, "givens=8")


@pytest.mark.parametrize(
    ("level", "size"),
    [
        ("givens=16", 9),
        ("givens=81", 9),
        ("givens=30..20", 9),
        ("givens=-3", 9),
        ("givens=٣٠", 9),
        ("givens=30 ", 9),
        ("difficult", 9),
        ("", 9),
        ("minimal", 16),
        ("givens=79", 16),
        ("minimal", 25),
        ("givens=266", 25),
        ("extreme", 6),
        ("extreme", 16),
        ("givens=15", 4),
    ],
)
def test_unknown_levels_are_refused_with_their_name(level, size):
    with pytest.raises(ValueError, match=f"got {level!r}"):
        generate(KEYS, size, level)


@pytest.mark.parametrize("size", [4, 6, 9, 16, 25])
def test_named_levels_get_harder(size):
    highs = [parse_level(name, size).high for name in level_names(size)]
    assert highs == sorted(highs, reverse=True)


@pytest.mark.parametrize("keys", [np.zeros((2, 2), np.uint64), np.zeros(2), np.array(["a"])])
def test_keys_that_are_no_integers_are_refused(keys):
    with pytest.raises(ValueError, match="keys must be"):
        generate(keys, 4, "minimal")
