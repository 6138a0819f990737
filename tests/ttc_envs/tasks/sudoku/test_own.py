import hashlib

import gymnasium as gym
import numpy as np
import pytest

from ttc_envs import SudokuTask, make_task
from ttc_envs.tasks.sudoku import own as own_module
from ttc_envs.tasks.sudoku.own import SHARES, own_puzzles
from ttc_envs.tasks.sudoku.solver import solve
from ttc_envs.tasks.sudoku.symmetry import apply_moves, fingerprint, random_moves

KEYS = np.arange(2000, dtype=np.uint64)


def written(path, size, count):
    """A file with the puzzles drawn by the first keys; returns the distinct ones."""
    task = SudokuTask(size)
    puzzles = task.sample(np.arange(count, dtype=np.uint64), "medium").fields["givens"]
    path.write_text("\n".join(map(task.spell, puzzles)))
    return np.unique(puzzles, axis=0)


@pytest.fixture(params=[4, 9])
def own(request, tmp_path):
    """Size, path and puzzles of a file."""
    path = tmp_path / "own.txt"
    return request.param, path, written(path, request.param, 120)


def tasks_of(own):
    size, path, _ = own
    return {split: SudokuTask(size, split=split, puzzles=path) for split in SHARES}


def classes_of(task, givens):
    """The symmetry classes of the puzzles (4x4), or of their solutions."""
    return fingerprint(givens if task.size == 4 else solve(givens, task.size)[0], task.size)


def test_what_is_drawn_is_a_row_of_the_file_under_a_move(own):
    _, _, puzzles = own
    rows = {}
    for task in tasks_of(own).values():
        instances = task.sample(KEYS, "own")
        assert task.score(instances, instances.labels["answer"])["solved"].all()
        drawn = instances.fields["givens"]
        assert set(fingerprint(drawn, task.size)) <= set(fingerprint(puzzles, task.size))
        rows[task.split] = set(fingerprint(drawn, task.size))
        # Moves make many puzzles of few rows.
        assert len(np.unique(drawn, axis=0)) > 2 * len(rows[task.split])
    assert set().union(*rows.values()) == set(fingerprint(puzzles, task.size))


def test_no_class_belongs_to_two_splits(own):
    classes = [
        set(classes_of(task, task.sample(KEYS, "own").fields["givens"]))
        for task in tasks_of(own).values()
    ]
    assert sum(map(len, classes)) == len(set.union(*classes))
    assert len(classes[0]) > len(classes[1]) + len(classes[2])


def test_a_moved_copy_of_a_row_stays_in_its_split(tmp_path):
    path, moved = tmp_path / "own.txt", tmp_path / "moved.txt"
    puzzles = written(path, 9, 60)
    moved.write_text(
        "\n".join(
            map(SudokuTask().spell, apply_moves(random_moves(np.arange(len(puzzles)), 9), puzzles))
        )
    )
    for split in SHARES:
        first, second = (
            fingerprint(own_puzzles(file, 9, split).puzzles, 9) for file in (path, moved)
        )
        assert sorted(first) == sorted(second)


def test_a_draw_depends_on_its_key_alone(own):
    task = tasks_of(own)["train"]
    whole, part = task.sample(KEYS, "own"), task.sample(KEYS[7:9], "own")
    assert np.array_equal(whole.fields["givens"][7:9], part.fields["givens"])
    assert np.array_equal(whole.labels["answer"][7:9], part.labels["answer"])


def test_own_is_the_first_level_beside_those_of_the_bank(own):
    size, path, _ = own
    task, plain = SudokuTask(size, puzzles=str(path)), SudokuTask(size)
    assert task.spec.levels == ("own", *plain.spec.levels)
    assert [task.level_index(level) for level in ("own", "easy", f"givens={size + 8}")] == [
        0,
        1,
        -1,
    ]
    for level in ("easy", f"file:{path}"):
        ours, theirs = (t.sample(KEYS[:9], level).fields["givens"] for t in (task, plain))
        assert np.array_equal(ours, theirs)
    for call in (plain.level_index, lambda level: plain.sample(KEYS, level)):
        with pytest.raises(ValueError, match="got 'own'"):
            call("own")


def test_an_environment_draws_them_by_default(own):
    size, path, _ = own
    env = gym.make("ttc/Sudoku-v0", size=size, puzzles=str(path))
    observation, info = env.reset(seed=0)
    task = make_task("ttc/Sudoku-v0", size=size, puzzles=str(path))
    key = np.array([info["instance_id"]], dtype=np.uint64)
    assert info["level"] == 0
    assert np.array_equal(observation["givens"], task.sample(key, "own").fields["givens"][0])


def test_the_source_is_known_by_its_content(own):
    size, path, _ = own
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert SudokuTask(size, puzzles=path).sources == {"puzzles": digest}
    assert SudokuTask(size).sources == {}
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-20]))
    changed = SudokuTask(size, puzzles=path)
    assert changed.sources["puzzles"] != digest
    assert len(own_puzzles(path, size, "train").puzzles) <= len(lines) - 20


def test_a_split_that_would_be_empty_is_an_error(tmp_path):
    path = tmp_path / "few.txt"
    written(path, 9, 2)
    message = r"few.txt: too few symmetry classes for all splits: train \d, validation \d, test \d"
    with pytest.raises(ValueError, match=message):
        SudokuTask(puzzles=path)


def test_bad_rows_other_sizes_and_missing_files_are_errors(tmp_path):
    path = tmp_path / "bad.txt"
    written(path, 4, 30)
    with pytest.raises(ValueError, match=r"expected puzzles of 81 cells, got \d+ of 16"):
        SudokuTask(9, puzzles=path)
    path.write_text(path.read_text() + "\n" + "11" + "." * 14)
    with pytest.raises(ValueError, match="1 of 31 rows are bad"):
        SudokuTask(4, puzzles=path)
    with pytest.raises(FileNotFoundError):
        SudokuTask(4, puzzles=tmp_path / "nowhere.txt")


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path, monkeypatch):
    path = tmp_path / "own.txt"
    written(path, 4, 60)
    monkeypatch.setattr(own_module, "digest", lambda path: "0" * 64)
    with pytest.raises(ValueError, match=r"own\.txt has changed while it was read"):
        SudokuTask(4, puzzles=path)
