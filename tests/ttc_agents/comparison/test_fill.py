"""The file of a table: nothing is made twice, nothing is lost."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ttc_agents.comparison import run as module
from ttc_agents.comparison.plan import Comparison, Row, Table
from ttc_agents.comparison.run import fill, in_order, kept_runs, runs_of
from ttc_agents.training.schedule import Length

ROWS = tuple(
    Row(name, "policy", {"policy": policy}, trained=False)
    for name, policy in (
        ("by chance", "random"),
        ("step by step", "classical"),
        ("at once", "solve"),
    )
)
TABLE = Table("ttc/Sudoku4-v0", "easy", (1, 8), ROWS, count=10, curve_count=5)
PLAN = Comparison("small", "", {"easy": TABLE}, Length(flops=1e6), seeds=2)


@pytest.fixture
def made(monkeypatch):
    """The runs that are made, as they are made."""
    calls = []
    real = module.run_row

    def run_row(table, row, length, seed):
        calls.append((row.name, seed))
        return real(table, row, length, seed)

    monkeypatch.setattr(module, "run_row", run_row)
    return calls


def test_what_is_missing_is_made_in_order(tmp_path, made):
    said = []
    first = fill(PLAN, "easy", tmp_path, lambda row: row.name != "step by step", said.append)
    assert said == ["easy: by chance, seed 0", "easy: at once, seed 0"]
    assert [run["row"] for run in first["runs"]] == ["by chance", "at once"]
    document = fill(PLAN, "easy", tmp_path)
    assert made == [("by chance", 0), ("at once", 0), ("step by step", 0)]
    assert [run["row"] for run in document["runs"]] == [row.name for row in ROWS]
    assert document == json.loads((tmp_path / "easy.json").read_text())
    assert document["rows"]["at once"]["easy"]["1"]["solved"] == 1
    assert fill(PLAN, "easy", tmp_path) == document
    assert len(made) == 3


def test_where_nothing_is_wanted_nothing_is_written(tmp_path, made):
    document = fill(PLAN, "easy", tmp_path, lambda row: False)
    assert (document["runs"], document["rows"], made) == ([], {}, [])
    assert list(tmp_path.iterdir()) == []


def test_trained_rows_have_a_run_for_each_seed():
    rows = (replace(ROWS[0], trained=True), ROWS[1])
    found = runs_of(replace(TABLE, rows=rows), 3)
    assert [(row.name, seed) for row, seed in found] == [
        ("by chance", 0),
        ("by chance", 1),
        ("by chance", 2),
        ("step by step", 0),
    ]


def test_runs_of_more_seeds_than_asked_are_kept_and_gone_rows_left_out():
    runs = {("at once", 0): {"seed": 0}, ("by chance", 1): {"seed": 1}, ("gone", 0): {}}
    assert in_order(TABLE, runs) == [{"seed": 1}, {"seed": 0}]


def test_results_of_other_settings_are_not_mixed(tmp_path):
    fill(PLAN, "easy", tmp_path, lambda row: row.name == "at once")
    before = (tmp_path / "easy.json").read_text()
    others = {"length": Length(flops=2e6), "tables": {"easy": replace(TABLE, count=11)}}
    for name, value in others.items():
        with pytest.raises(ValueError, match=r"was made with .*give another --out"):
            fill(replace(PLAN, **{name: value}), "easy", tmp_path)
    # More seeds, another name of a row and other rows are no other settings.
    fill(replace(PLAN, seeds=5), "easy", tmp_path, lambda row: False)
    assert (tmp_path / "easy.json").read_text() == before


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"runs": []}',
        '{"settings": {}}',
        "[" * 100000,
        '{"runs": [3], "settings": {}}',
        '{"runs": [{}], "settings": {}}',
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, text):
    (tmp_path / "easy.json").write_text(text)
    with pytest.raises(ValueError, match="expected the results of `ttc compare`"):
        kept_runs(tmp_path / "easy.json", {})


def test_what_another_process_adds_meanwhile_is_kept(tmp_path, monkeypatch):
    real = module.run_row

    def meanwhile(table, row, length, seed):
        if row.name == "at once":
            fill(PLAN, "easy", tmp_path, lambda row: row.name == "step by step")
        return real(table, row, length, seed)

    monkeypatch.setattr(module, "run_row", meanwhile)
    fill(PLAN, "easy", tmp_path, lambda row: row.name == "at once")
    runs = json.loads((tmp_path / "easy.json").read_text())["runs"]
    assert [run["row"] for run in runs] == ["step by step", "at once"]


PROCESS = """
import sys, time
from dataclasses import replace
from pathlib import Path
from ttc_agents.comparison import run
from ttc_agents.comparison.plan import Comparison, Row, Table
from ttc_agents.training.schedule import Length

folder, own, other = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
rows = tuple(
    Row(f"{side} {k}", "policy", {"policy": "solve"}, trained=False)
    for k in range(6) for side in ("left", "right")
)
table = Table("ttc/Sudoku4-v0", "easy", (1,), rows, count=2, curve_count=2)
plan = Comparison("both", "", {"easy": table}, Length(flops=1))

read = run.kept_runs
def slowly(path, settings):
    found = read(path, settings)
    time.sleep(0.1)
    return found
run.kept_runs = slowly

(folder / own).touch()
while not (folder / other).exists():
    time.sleep(0.01)
run.fill(plan, "easy", folder, lambda row: row.name.startswith(own))
"""


def test_two_processes_fill_one_file_and_lose_no_run(tmp_path):
    command = [sys.executable, "-c", PROCESS, str(tmp_path)]
    sides = ["left", "right"]
    root = Path(__file__).parents[3]
    children = [subprocess.Popen([*command, *pair], cwd=root) for pair in (sides, reversed(sides))]
    try:
        assert [child.wait(timeout=300) for child in children] == [0, 0]
    finally:
        for child in children:
            child.kill()
            child.wait()
    runs = json.loads((tmp_path / "easy.json").read_text())["runs"]
    assert [run["row"] for run in runs] == [f"{side} {k}" for k in range(6) for side in sides]


def test_what_killed_writers_have_left_is_removed(tmp_path):
    for name in (".easy.json-abc", ".hard.json-abc", "notes.txt"):
        (tmp_path / name).write_text("half")
    fill(PLAN, "easy", tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"easy.json", ".easy.json.lock", ".hard.json-abc", "notes.txt"}
