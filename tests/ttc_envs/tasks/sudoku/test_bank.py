import io
import runpy
from pathlib import Path

import numpy as np
import pytest

from ttc_envs.tasks.sudoku import bank as bank_module
from ttc_envs.tasks.sudoku.bank import SPLITS, draw, level_names, load_bank, pack, parse_file
from ttc_envs.tasks.sudoku.grid import BOXES, grid_of
from ttc_envs.tasks.sudoku.levels import parse_level
from ttc_envs.tasks.sudoku.solver import solve
from ttc_envs.tasks.sudoku.symmetry import fingerprint
from ttc_envs.tasks.sudoku.vicinity import extreme_island

SIZES = sorted(BOXES)
BANKS = [*((size, "") for size in SIZES), (9, "extreme"), (16, "few")]
DATA = Path(bank_module.__file__).parent / "data"
SCRIPT = Path(__file__).parents[4] / "scripts/make_sudoku_bank.py"


def some(array, count=2000):
    return array[:: max(1, len(array) // count)]


def test_there_are_some_30000_puzzles_of_9x9_in_under_2_megabytes():
    sizes = [len(load_bank(9, split)) for split in SPLITS]
    assert sum(sizes) > 29_000
    assert min(sizes) >= 1500
    assert (DATA / "sudoku9.npz").stat().st_size < 2_000_000


def test_there_are_some_15000_extreme_puzzles_in_under_700_kilobytes():
    banks = [load_bank(9, split, "extreme") for split in SPLITS]
    assert sum(map(len, banks)) > 14_000
    assert len(banks[0]) > 12_000
    assert min(map(len, banks)) > 1500
    assert (DATA / "sudoku9-extreme.npz").stat().st_size < 700_000
    assert min(np.median(bank.guesses) for bank in banks) > 20
    assert np.median(load_bank(9).guesses) == 1


@pytest.mark.parametrize(("size", "kind"), BANKS)
def test_every_split_holds_puzzles_with_their_solutions(size, kind):
    for split in SPLITS:
        bank = load_bank(size, split, kind)
        assert len(bank) >= 50
        assert (np.sort(bank.solutions[:, grid_of(size).groups], axis=2) == np.arange(size)).all()
        given = bank.puzzles >= 0
        assert (bank.puzzles[given] == bank.solutions[given]).all()
        wanted = {(16, ""): 110, (16, "few"): 80, (25, ""): 267}.get((size, kind))
        assert wanted is None or (given.sum(axis=1) == wanted).all()


@pytest.mark.parametrize(("size", "kind"), BANKS)
def test_puzzles_of_the_bank_have_one_solution_and_no_spare_given(size, kind):
    bank = load_bank(size, "train", kind)
    chosen = some(np.arange(len(bank)), 10 if size > 9 else 100)
    assert (solve(bank.puzzles[chosen], size)[1] == 1).all()
    minimal = chosen[bank.minimal[chosen]]
    assert len(minimal) == {4: len(minimal), 16: 0, 25: 0}.get(size, len(chosen))
    fewer = bank.puzzles[minimal].copy()
    fewer[np.arange(len(minimal)), (fewer >= 0).argmax(axis=1)] = -1
    assert (solve(fewer, size)[1] == 2).all()


def classes(size, split, count, kind=""):
    """Fingerprints by which a split is made: of puzzles for 4x4, of solutions otherwise."""
    bank = load_bank(size, split, kind)
    return set(fingerprint(some(bank.puzzles if size == 4 else bank.solutions, count), size))


@pytest.mark.parametrize(
    ("size", "kind", "count"),
    [
        (4, "", 9000),
        (6, "", 9000),
        (9, "", 2000),
        (9, "extreme", 4000),
        (16, "", 100),
        (16, "few", 100),
        (25, "", 50),
    ],
)
def test_splits_share_no_symmetry_class(size, kind, count):
    train, validation, test = (classes(size, split, count, kind) for split in SPLITS)
    assert not train & validation
    assert not train & test
    assert not validation & test


@pytest.mark.slow
def test_splits_of_9x9_share_no_symmetry_class_over_all_rows_of_both_banks():
    train, validation, test = (
        classes(9, split, 100_000) | classes(9, split, 100_000, "extreme") for split in SPLITS
    )
    assert not train & validation
    assert not train & test
    assert not validation & test
    assert len(train) > 23_000


@pytest.mark.parametrize(
    ("size", "level"),
    [(4, "easy"), (4, "minimal"), (6, "hard"), (9, "hard"), (9, "extreme"), (16, "givens=95")],
)
def test_what_is_drawn_shares_no_class_between_splits(size, level):
    found = []
    for split in SPLITS:
        puzzles, solutions, _ = draw(np.arange(400), size, level, split)
        found.append(set(fingerprint(puzzles if size == 4 else solutions, size)))
    assert not found[0] & found[1]
    assert not found[0] & found[2]
    assert not found[1] & found[2]


def test_all_4x4_puzzles_are_there():
    """13 classes with 4 givens and 36 minimal ones are known from exhaustive counts."""
    banks = [load_bank(4, split) for split in SPLITS]
    givens = np.concatenate([(bank.puzzles >= 0).sum(axis=1) for bank in banks])
    assert (givens == 4).sum() == 13
    assert sum(bank.minimal.sum() for bank in banks) == 36
    assert set(givens.tolist()) == set(range(4, 15))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("split", SPLITS)
def test_drawn_puzzles_belong_to_their_solutions_rows_and_levels(size, split):
    for level in level_names(size):
        puzzles, solutions, rows = draw(np.arange(60), size, level, split)
        assert puzzles.dtype == solutions.dtype == np.int8
        assert (np.sort(solutions[:, grid_of(size).groups], axis=2) == np.arange(size)).all()
        given = puzzles >= 0
        assert (puzzles[given] == solutions[given]).all()
        base = load_bank(size, split, parse_level(level, size).bank).solutions[rows[:10]]
        assert (fingerprint(solutions[:10], size) == fingerprint(base, size)).all()
        few = 1 if size > 9 else 20
        assert (solve(puzzles[:few], size)[1] == 1).all()


@pytest.mark.parametrize(
    ("size", "givens"), [(4, 9), (6, 15), (9, 40), (16, 133), (16, 85), (25, 305)]
)
def test_drawn_puzzles_have_the_wanted_number_of_givens(size, givens):
    puzzles, _, _ = draw(np.arange(500), size, f"givens={givens}")
    assert ((puzzles >= 0).sum(axis=1) == givens).all()


def test_where_a_minimal_puzzle_has_more_givens_than_wanted_it_is_drawn_as_it_is():
    puzzles, _, rows = draw(np.arange(2000), 9, "givens=17..34")
    base = (load_bank(9).puzzles[rows] >= 0).sum(axis=1)
    drawn = (puzzles >= 0).sum(axis=1)
    assert (drawn >= base).all()
    assert drawn.max() == 34
    assert 0.2 < (drawn == base).mean() < 0.6


def test_added_givens_are_spread_over_the_grid():
    puzzles, _, _ = draw(np.arange(8000), 9, "givens=40")
    share = (puzzles >= 0).mean(axis=0)
    assert (abs(share - 40 / 81) < 0.04).all()


@pytest.mark.parametrize(("size", "level"), [(4, "givens=5..9"), (6, "easy"), (9, "givens=24..40")])
def test_a_draw_depends_on_its_own_key_alone(size, level):
    keys = np.random.default_rng(5).integers(0, 2**64, 3000, dtype=np.uint64)
    together = draw(keys, size, level, "test")
    alone = draw(keys[2999:], size, level, "test")
    for many, one in zip(together, alone, strict=True):
        assert (many[2999] == one[0]).all()


def test_different_keys_give_different_puzzles():
    puzzles, _, rows = draw(np.arange(5000), 9, "minimal", "test")
    assert len(np.unique(puzzles, axis=0)) == 5000
    assert len(np.unique(rows)) > 2000


def test_no_keys_give_no_puzzles():
    puzzles, solutions, rows = draw(np.zeros(0, np.uint64), 9, "hard")
    assert puzzles.shape == solutions.shape == (0, 81)
    assert rows.shape == (0,)


def test_the_arrays_of_the_bank_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        load_bank(9).solutions[0, 0] = 1


def test_what_is_drawn_may_be_changed_without_harm():
    before = draw(np.arange(3), 4, "easy")
    copies = [array.copy() for array in before]
    before[0][:] = 0
    before[1][:] = 0
    after = draw(np.arange(3), 4, "easy")
    assert all((a == b).all() for a, b in zip(copies, after, strict=True))


def test_unknown_splits_sizes_and_levels_are_refused():
    with pytest.raises(ValueError, match="split must be one of"):
        load_bank(9, "dev")
    with pytest.raises(ValueError, match="size must be one of"):
        draw(np.arange(2), 7, "easy")
    with pytest.raises(ValueError, match="level of 9x9 Sudoku must be one of easy, medium, hard"):
        draw(np.arange(2), 9, "evil")
    with pytest.raises(ValueError, match="keys must be"):
        draw(np.zeros(3), 9, "givens=30..40")


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_bank_is_named(damage):
    data = bytearray((DATA / "sudoku6.npz").read_bytes())
    if damage == "flip":
        data[5000] ^= 1
    data = {"flip": data, "cut": data[:-10], "empty": b""}[damage]
    with pytest.raises(ValueError, match=r"sudoku6.npz is damaged: sha256 [0-9a-f]{64}, expected"):
        parse_file(bytes(data), "sudoku6.npz", bank_module.SHA256["sudoku6"])


@pytest.mark.parametrize(("size", "kind"), BANKS)
def test_banks_record_the_command_that_made_them(size, kind):
    made_by = load_bank(size, kind=kind).made_by
    assert made_by.startswith("python scripts/make_sudoku_bank.py")
    assert made_by.split(" (")[0] in bank_module.__doc__


@pytest.mark.parametrize("kind", ["extreme", "hard"])
def test_a_bank_that_does_not_exist_is_refused(kind):
    with pytest.raises(ValueError, match=f"there is no bank '{kind}' of 6x6 Sudoku"):
        load_bank(6, kind=kind)


def test_splitting_keeps_classes_whole_and_gives_each_split_its_share():
    splits_of = runpy.run_path(str(SCRIPT))["splits_of"]
    labels = np.repeat(np.arange(500, dtype=np.uint64), 3)
    splits = splits_of(labels)
    assert (splits.reshape(-1, 3) == splits[::3, None]).all()
    assert np.bincount(splits).tolist() == [1200, 150, 150]


def test_packing_can_be_undone():
    bank = load_bank(6, "test")
    content = pack(
        bank.solutions,
        bank.puzzles,
        (bank.rounds, bank.guesses),
        bank.minimal,
        np.full(len(bank), 2),
        "by hand",
    )
    again = np.load(io.BytesIO(content))
    assert (again["solutions"] == bank.solutions).all()
    assert (np.unpackbits(again["given"], axis=1, count=36) == (bank.puzzles >= 0)).all()
    assert str(again["made_by"]) == "by hand"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(bank_module.SHA256) - {"sudoku9-extreme"}))
def test_the_recorded_command_makes_the_same_puzzles_again(name):
    pytest.importorskip("numba")
    made = np.load(io.BytesIO(runpy.run_path(str(SCRIPT))["make"](name)))
    packaged = np.load(DATA / f"{name}.npz")
    assert all((made[name] == packaged[name]).all() for name in packaged.files)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "split"), [(0, "train"), (8, "validation"), (9, "test")])
def test_an_island_of_the_extreme_bank_can_be_made_again(number, split):
    pytest.importorskip("numba")
    seed = runpy.run_path(str(SCRIPT))["SEED"]
    island = {row.tobytes() for row in extreme_island(seed + number)[0]}
    packed = {row.tobytes() for row in load_bank(9, split, "extreme").puzzles}
    assert len(island & packed) > 0.9 * len(island)
