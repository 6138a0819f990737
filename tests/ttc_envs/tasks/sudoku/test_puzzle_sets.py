import gzip

import numpy as np
import pytest

from ttc_envs import load_puzzles, write_puzzles
from ttc_envs.tasks.sudoku import puzzle_sets
from ttc_envs.tasks.sudoku.solver import grade
from ttc_envs.tasks.sudoku.symmetry import fingerprint


@pytest.fixture(autouse=True)
def small_portions(monkeypatch):
    monkeypatch.setattr(puzzle_sets, "PORTION", 20)


def test_a_file_holds_puzzles_of_distinct_classes_with_solutions_and_guesses(tmp_path):
    result = write_puzzles(tmp_path / "a.csv", "minimal", 70, seed=5)
    assert (result["puzzles"], result["puzzles_written"]) == (70, 70)
    found = load_puzzles(tmp_path / "a.csv")
    assert len(found) == 70
    assert not found.rejected
    assert len(set(fingerprint(found.puzzles, 9).tolist())) == 70
    rows = (tmp_path / "a.csv").read_text().splitlines()
    assert rows[:2] == [
        "# ttc data sudoku --size 9 --level minimal --seed 5",
        "puzzle,solution,guesses",
    ]
    guesses = [int(row.split(",")[2]) for row in rows[2:]]
    assert guesses == grade(found.puzzles, 9)[1].tolist()
    assert result["guesses"] == np.percentile(guesses, [50, 90, 100]).tolist()


def test_fewer_puzzles_are_the_first_of_more_and_seeds_differ(tmp_path):
    for name, count, seed in (("few", 7, 1), ("many", 45, 1), ("other", 7, 2)):
        write_puzzles(tmp_path / name, "givens=30", count, seed)
    few, many, other = (load_puzzles(tmp_path / name).puzzles for name in ("few", "many", "other"))
    assert (few == many[:7]).all()
    assert ((many >= 0).sum(axis=1) == 30).all()
    assert (few != other).any()


def test_symmetric_puzzles_are_left_out_and_where_there_are_no_more_it_is_said(tmp_path):
    write_puzzles(tmp_path / "a.csv", "minimal", 30, size=4)
    assert len(np.unique(fingerprint(load_puzzles(tmp_path / "a.csv").puzzles, 4))) == 30
    with pytest.raises(ValueError, match=r"no more than 3[0-6] symmetry classes"):
        write_puzzles(tmp_path / "b.csv", "minimal", 40, size=4)


def stop_after(portions):
    calls = []

    def progress(label, share):
        calls.append(share)
        if len(calls) == portions:
            raise KeyboardInterrupt

    return progress


def test_an_interrupted_run_goes_on_where_it_was(tmp_path):
    whole, broken = tmp_path / "whole.csv.gz", tmp_path / "broken.csv.gz"
    write_puzzles(whole, "minimal", 65, seed=3)
    with pytest.raises(KeyboardInterrupt):
        write_puzzles(broken, "minimal", 65, seed=3, progress=stop_after(2))
    assert not broken.exists()
    left = tmp_path / "broken.csv.gz.partial" / ".000002.csv-of-a-writer-that-was-killed"
    left.write_text("# ttc da")
    shown = []
    result = write_puzzles(
        broken, "minimal", 65, seed=3, progress=lambda _, share: shown.append(share)
    )
    assert result["puzzles_written"] == 25
    assert len(shown) == 2
    assert broken.read_bytes() == whole.read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["broken.csv.gz", "whole.csv.gz"]


def test_a_damaged_portion_is_refused(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_puzzles(tmp_path / "a.csv", "minimal", 65, progress=stop_after(2))
    portion = tmp_path / "a.csv.partial" / "000001.csv"
    portion.write_text(portion.read_text()[:-40])
    with pytest.raises(ValueError, match="expected a solution of 81 cells"):
        write_puzzles(tmp_path / "a.csv", "minimal", 65)


def test_two_writers_of_a_file_are_kept_apart(tmp_path):
    file = tmp_path / "a.csv"

    def other_writer(label, share):
        with pytest.raises(BlockingIOError, match="another process is writing in"):
            write_puzzles(file, "minimal", 30)

    assert write_puzzles(file, "minimal", 30, progress=other_writer)["puzzles_written"] == 30


def test_a_file_that_is_there_is_kept(tmp_path):
    file = tmp_path / "a.csv.gz"
    write_puzzles(file, "easy", 9, seed=1)
    before = file.read_bytes()
    assert write_puzzles(file, "easy", 9, seed=1)["puzzles_written"] == 0
    for count, seed in ((10, 1), (9, 2)):
        with pytest.raises(ValueError, match=f"expected {count} puzzles after .*--seed {seed}'"):
            write_puzzles(file, "easy", count, seed)
    assert file.read_bytes() == before
    assert gzip.decompress(before).decode().count("\n") == 11


def test_a_draft_of_other_settings_is_refused(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_puzzles(tmp_path / "a.csv", "easy", 50, seed=1, progress=stop_after(1))
    with pytest.raises(ValueError, match=r"is a draft of .*--seed 1', expected .*--seed 2'"):
        write_puzzles(tmp_path / "a.csv", "easy", 50, seed=2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 0}, "count >= 1"),
        ({"seed": -1}, "0 <= seed"),
        ({"level": "evil"}, "level of 9x9 Sudoku must be one of"),
        ({"level": "extreme", "size": 6}, "level of 6x6 Sudoku must be one of"),
        ({"size": 7}, "size must be one of"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_written(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        write_puzzles(tmp_path / "a.csv", **{"level": "easy", "count": 5, **changes})
    assert not list(tmp_path.iterdir())


def test_extreme_puzzles_come_from_islands(tmp_path, monkeypatch):
    island = np.random.default_rng(0)
    keys = []

    def extreme_island(key):
        keys.append(key)
        return puzzle_sets.generate(island.integers(0, 2**63, 20), 9)

    monkeypatch.setattr(puzzle_sets, "extreme_island", extreme_island)
    write_puzzles(tmp_path / "a.csv", "extreme", 50, seed=4)
    assert len(load_puzzles(tmp_path / "a.csv")) == 50
    assert len(set(keys)) == 3
