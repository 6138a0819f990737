"""`ttc data`: what it prints, what it writes, and how it refuses."""

import json

import numpy as np
import pytest

from ttc_agents.cli import main
from ttc_envs import SudokuTask, load_puzzles


def arguments(out, *more):
    return ["data", "paths", "--cities", "spread=30", "--radius-km", "0", "--out", str(out), *more]


def test_the_last_line_is_one_document(tmp_path, capsys):
    assert main(arguments(tmp_path, "--count", "200", "--processes", "1", "--json")) == 0
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (document["paths"], document["paths_written"], document["places"]) == (200, 200, 30)
    assert document["seconds"] >= 0
    assert {"cities.csv", "settings.json", "train-00000.npz"} <= {
        file.name for file in tmp_path.iterdir()
    }


def puzzles(out, *more):
    return ["data", "sudoku", "--level", "givens=8", "--size", "4", "--out", str(out), *more]


def test_puzzles_are_written_and_told_in_one_document(tmp_path, capsys):
    out = tmp_path / "p.csv.gz"
    assert main(puzzles(out, "--count", "30", "--seed", "2", "--json")) == 0
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (document["puzzles"], document["puzzles_written"]) == (30, 30)
    assert len(document["guesses"]) == 3
    found = load_puzzles(out)
    assert len(found) == 30
    assert ((found.puzzles >= 0).sum(axis=1) == 8).all()


def test_a_second_run_of_puzzles_says_that_nothing_was_missing(tmp_path, capsys):
    for expected in ("20 of them written now", "0 of them written now"):
        assert main(puzzles(tmp_path / "p.csv", "--count", "20")) == 0
        assert expected in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--level", "extreme"], "level of 4x4 Sudoku must be one of"),
        (["--count", "0"], "count >= 1"),
        (["--size", "5"], "size must be one of"),
    ],
)
def test_puzzles_that_cannot_be_are_refused_in_one_line(tmp_path, capsys, changes, message):
    assert main(puzzles(tmp_path / "p.csv", *changes)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_what_is_written_can_be_trained_on(tmp_path):
    assert main(puzzles(tmp_path / "p.csv", "--count", "60")) == 0
    task = SudokuTask(4, puzzles=tmp_path / "p.csv")
    drawn = task.sample(np.arange(5, dtype=np.uint64), "own")
    assert task.score(drawn, drawn.labels["answer"])["solved"].all()


def test_a_second_run_says_that_nothing_was_missing(tmp_path, capsys):
    for expected in ("200 of them written now", "0 of them written now"):
        assert main(arguments(tmp_path, "--count", "200", "--processes", "1")) == 0
        assert expected in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--count", "871"], "count must lie in 1..870"),
        (["--count", "5", "--cities", "nowhere.csv"], "nowhere.csv"),
        (["--count", "5", "--cities", "spread=0"], "spread= takes a number"),
        (["--count", "5", "--radius-km", "-1"], "radius_km must be a positive number"),
        (["--count", "5", "--processes", "0"], "processes must be at least 1"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, capsys, changes, message):
    assert main(arguments(tmp_path, *changes)) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("ttc: ")
    assert message in line
    assert captured.out == ""
