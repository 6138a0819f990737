import numpy as np
import pytest

from ttc_envs.tasks.sudoku.bank import load_bank
from ttc_envs.tasks.sudoku.generator import filled_grids
from ttc_envs.tasks.sudoku.grid import BOXES, grid_of
from ttc_envs.tasks.sudoku.solver import solve
from ttc_envs.tasks.sudoku.symmetry import apply_moves, fingerprint, random_moves

SIZES = sorted(BOXES)


@pytest.fixture(scope="module")
def grids():
    return {size: load_bank(size).solutions[:40] for size in SIZES}


def with_holes(grids, seed):
    keep = np.random.default_rng(seed).random(grids.shape) < 0.4
    return np.where(keep, grids, -1).astype(np.int8)


@pytest.mark.parametrize("size", SIZES)
def test_moved_grids_are_filled_grids(size, grids):
    moved = apply_moves(random_moves(np.arange(40), size), grids[size])
    assert moved.dtype == np.int8
    assert (np.sort(moved[:, grid_of(size).groups], axis=2) == np.arange(size)).all()
    assert (moved != grids[size]).any(axis=1).mean() > 0.9


@pytest.mark.parametrize("size", SIZES)
def test_moves_permute_cells_and_keep_groups_together(size):
    moves = random_moves(np.arange(50), size)
    grid = grid_of(size)
    assert (np.sort(moves.cells, axis=1) == np.arange(size * size)).all()
    whole = {frozenset(g) for g in grid.groups.tolist()}
    for cells in moves.cells:
        assert {frozenset(g) for g in cells[grid.groups].tolist()} == whole
    assert (np.sort(moves.digits, axis=1) == np.arange(-1, size)).all()
    assert (moves.digits[:, 0] == -1).all()


@pytest.mark.parametrize(("size", "share"), [(4, 0.5), (6, 0.0), (9, 0.5), (16, 0.5), (25, 0.5)])
def test_half_of_the_moves_transpose_where_boxes_are_square(size, share):
    cells = random_moves(np.arange(1000), size).cells.astype(int)
    row_from_row = cells[:, 0] // size == cells[:, 1] // size
    assert abs(1 - row_from_row.mean() - share) < 0.06


def test_every_digit_and_every_cell_goes_everywhere_equally_often():
    moves = random_moves(np.arange(8100), 9)
    for table, expected in ((moves.cells, 100), (moves.digits[:, 1:], 900)):
        for column in table.T:
            counts = np.bincount(column, minlength=table.shape[1])
            assert (abs(counts - expected) < 6 * expected**0.5).all()


@pytest.mark.parametrize("size", [4, 6, 9])
def test_a_puzzle_and_its_solution_stay_a_pair(size):
    bank = load_bank(size)
    moves = random_moves(np.arange(40), size)
    moved, counts = solve(apply_moves(moves, bank.puzzles[:40]), size)
    assert (counts == 1).all()
    assert (moved == apply_moves(moves, bank.solutions[:40])).all()


@pytest.mark.parametrize("size", SIZES)
def test_a_move_depends_on_its_own_key_alone(size):
    together, alone = random_moves(np.arange(9), size), random_moves(np.arange(5, 6), size)
    assert (together.cells[5] == alone.cells[0]).all()
    assert (together.digits[5] == alone.digits[0]).all()


@pytest.mark.parametrize("size", SIZES)
def test_fingerprints_do_not_change_under_moves(size, grids):
    for batch in (grids[size], with_holes(grids[size], 2)):
        before = fingerprint(batch, size)
        for seed in range(3):
            moves = random_moves(np.arange(len(batch)) + 100 * seed, size)
            assert (fingerprint(apply_moves(moves, batch), size) == before).all()


def test_fingerprints_tell_the_classes_of_small_grids_apart():
    assert len(np.unique(fingerprint(filled_grids(np.arange(300), 4), 4))) == 2
    classes = len(np.unique(fingerprint(load_bank(6).solutions, 6)))
    assert 30 <= classes <= 49


@pytest.mark.parametrize("size", [9, 16, 25])
def test_fingerprints_tell_large_grids_and_puzzles_apart(size, grids):
    assert len(np.unique(fingerprint(grids[size], size))) == 40
    assert len(np.unique(fingerprint(with_holes(grids[size], 3), size))) == 40


def test_a_fingerprint_sees_one_digit_more_or_less(grids):
    puzzles = with_holes(grids[9], 4)
    more = puzzles.copy()
    first = (puzzles < 0).argmax(axis=1)
    more[np.arange(40), first] = grids[9][np.arange(40), first]
    assert (fingerprint(puzzles, 9) != fingerprint(more, 9)).all()


def test_grids_that_do_not_fit_the_moves_are_refused(grids):
    with pytest.raises(ValueError, match=r"shape \(3, 81\), got \(40, 81\)"):
        apply_moves(random_moves(np.arange(3), 9), grids[9])
