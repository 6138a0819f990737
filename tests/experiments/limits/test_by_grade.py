"""The script that divides puzzles by grade."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from ttc_agents.evaluation import SweepResult
from ttc_agents.evaluation.records import Records

SCRIPT = Path(__file__).parents[3] / "experiments" / "limits" / "by_grade.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("by_grade", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_puzzle_is_in_one_part(script):
    rounds = np.array([1, 6, 7, 9, 10, 40, 3, 3, 3, 3, 0])
    guesses = np.array([0, 0, 0, 0, 0, 0, 1, 2, 7, 9, 500])
    found = {name: rows.tolist() for name, rows in script.parts_of(rounds, guesses).items()}
    assert found == {
        "rounds=1-6": [0, 1],
        "rounds=7-9": [2, 3],
        "rounds=10 or more": [4, 5],
        "guesses=1": [6],
        "guesses=2-3": [7],
        "guesses=4-7": [8],
        "guesses=8 or more": [9, 10],
    }


def test_a_row_tells_the_best_depth_from_the_last(script):
    steps = (4, 8, 16, 32)
    solved = np.array([[0, 1, 1, 0], [0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0]], dtype=bool)
    residual = np.array([[1, 1, 1, 0.5], [1, 1, 1, 1e-4], [1, 1, 1, 1e-4], [1, 1, 1, np.inf]])
    none = np.zeros(4, dtype=np.int32)
    records = Records(steps, solved, residual, none, none, none, none[:, None])
    result = SweepResult(steps, {"p1": {"a": solved}}, {"p1": {"a": [records]}})
    row = script.row_of(result, "a")
    assert (row["n"], row["best_step"]) == (4, 16)
    shares = [row[name]["solved"] for name in ("few", "best", "last", "at_rest")]
    assert shares == [0.25, 0.75, 0.5, 0.5]
    assert row["gain"] == 0.25


def test_the_script_runs(script, tmp_path, monkeypatch, capsys):
    out = tmp_path / "grades.json"
    words = ["by_grade.py", "sudoku-cpu", "--count", "6", "--steps", "8", "--out", str(out)]
    monkeypatch.setattr("sys.argv", words)
    script.main()
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert document == json.loads(out.read_text())
    assert sum(row["n"] for row in document["parts"].values()) == 6
