"""`ttc play`."""

import json
import sys

import pytest

from ttc_agents.cli import main

POLICIES = """
import numpy as np

def zeros(observation, state=None, episode_start=None, deterministic=True):
    return np.zeros_like(observation["answer"], dtype=np.int64), state

class Shown:
    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return np.maximum(observation["answer"], 0).astype(np.int64), state

shown = Shown()
"""


@pytest.fixture
def policies(tmp_path, monkeypatch):
    """A module with two policies of a user's own, in the working directory."""
    (tmp_path / "my_policies.py").write_text(POLICIES)
    monkeypatch.chdir(tmp_path)
    yield "my_policies"
    sys.modules.pop("my_policies", None)


def play(*arguments):
    return main(["play", *arguments, "--count", "6", "--steps", "1,8", "--json"])


def test_without_a_policy_the_classical_methods_play(document):
    arguments = ["--env", "ttc/Sorting-v0", "--task", "size=5", "--task", "size=8"]
    assert play(*arguments) == 0
    found = document()
    assert set(found["rows"]) == {"random", "improve", "solve", "bitonic"}
    assert found["rows"]["bitonic"]["size=8"]["8"]["solved"] == 1
    assert found["rows"]["solve"]["size=5"]["1"] == {
        **found["rows"]["bitonic"]["size=8"]["8"],
    }
    assert found["settings"]["policies"] == []
    assert found["settings"]["env"] == "ttc/Sorting-v0"
    assert found["settings"]["split"] is None


def test_a_policy_of_a_module_plays(policies, document):
    assert play(f"{policies}:zeros", "--env", "ttc/Sudoku4-v0", "--level", "easy", "givens=12") == 0
    found = document()
    (name,) = found["rows"]
    assert name == f"{policies}:zeros"
    assert list(found["rows"][name]) == ["easy", "givens=12"]
    assert found["rows"][name]["easy"]["8"]["solved"] == 0
    assert found["settings"]["split"] == "test"


def test_several_policies_are_rows_of_one_table(policies, directory, tmp_path, capsys):
    names = ["solve", f"{policies}:shown", f"{policies}.py:zeros", "classical", directory]
    out = tmp_path / "new" / "rows.json"
    arguments = [*names, "--env", "ttc/Sudoku4-v0", "--count", "6", "--steps", "1,8"]
    assert main(["play", *arguments, "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("classical") for line in lines)
    found = json.loads(out.read_text())
    assert list(found["rows"]) == names
    last = {name: families["minimal"]["8"]["solved"] for name, families in found["rows"].items()}
    assert last["solve"] == 1
    assert last["classical"] > 0.5
    assert last[f"{policies}:shown"] == last[f"{policies}.py:zeros"] == 0


def test_random_edits_play_where_edits_are_asked_for(document):
    assert play("random", "--env", "ttc/SudokuEdit4-v0", "--level", "givens=14") == 0
    by_id = document()["rows"]["random"]
    assert by_id["givens=14"]["8"]["solved"] > 0
    edits = ["random", "--env", "ttc/Sudoku4-v0", "--level", "givens=14", "--action-mode", "edit"]
    assert play(*edits) == 0
    assert document()["rows"]["random"] == by_id


def test_files_are_played_too(tmp_path, puzzles, document):
    path = tmp_path / "some.txt"
    path.write_text("\n".join(puzzles))
    arguments = ["solve", "--env", "ttc/Sudoku4-v0", "--puzzles", str(path), "--steps", "1"]
    assert main(["play", *arguments, "--json"]) == 0
    assert document()["rows"]["solve"]["some"]["1"]["n"] == 6


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["solve"], "--env"),
        (["--env", "ttc/Chess-v0"], "Chess"),
        (["nobody", "--env", "ttc/Sudoku4-v0"], "no checkpoint at 'nobody'"),
        (["no_such_module:x", "--env", "ttc/Sudoku4-v0"], "there is no module 'no_such_module'"),
        (["math:pi", "--env", "ttc/Sudoku4-v0"], "neither an object with predict nor a function"),
        (["solve", "solve", "--env", "ttc/Sudoku4-v0"], "have the family 'minimal'"),
        (["solve", "--env", "ttc/Sudoku4-v0", "--action-mode", "edit"], "has action mode 'full'"),
        (["sudoku-cpu", "--env", "ttc/Sorting-v0"], "is a model of sudoku, the task is sorting"),
        (["--env", "ttc/Sorting-v0", "--task", "n=3"], "'n'"),
        (["--env", "ttc/Sorting-v0", "--level", "none"], "none"),
        (["random", "--env", "ttc/Sorting-v0", "--device", "warp"], "'warp'"),
        (["sb3:ppo:agent.zip", "--env", "ttc/Sudoku4-v0"], "agent.zip"),
    ],
)
def test_what_play_refuses(words, message, complaint):
    assert message in complaint("play", *words)


def test_an_out_that_is_a_directory_is_refused_before_the_play(tmp_path, complaint):
    line = complaint("play", "random", "--env", "ttc/Sudoku4-v0", "--out", str(tmp_path))
    assert "is a directory" in line
