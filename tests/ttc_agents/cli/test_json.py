"""docs/json.md: the tables of documents are those that the commands print."""

import json
import re
from pathlib import Path

import pytest

from ttc_agents.cli import main
from ttc_agents.inference import hub

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "json.md").read_text("utf-8")
TYPES = {
    "text": str,
    "number": (int, float),
    "true or false": bool,
    "number or null": (int, float, type(None)),
    "list": list,
    "object": dict,
}
SWEPT = ("steps", "rows", "nonfinite", "settings")
OPEN = ("train", "probe")
"""Documents to which a model adds entries of its own."""
RL = f"{ROOT / 'experiments/rl_comparison/preset.py'}:rl_cpu"
FEW = ["--count", "2", "--steps", "1,2"]


def documented(command):
    """{entry: (type, when)} of the table of a command."""
    (section,) = re.findall(rf"^### ttc {command}\n(.*?)(?=^### |\Z)", PAGE, re.M | re.S)
    found = {}
    for names, kind, when, _ in re.findall(
        r"^\| (`.*?`) \| (.*?) \| (.*?) \| (.*) \|$", section, re.M
    ):
        for name in re.findall(r"`(\w+)`", names):
            found[name] = ("list" if name == "steps" else "object", when)
            if kind != "as above":
                found[name] = (kind, when)
    return found


def check(command, document, sometimes=()):
    """Hold a document against the table of its command."""
    entries = documented(command)
    always = {name for name, (_, when) in entries.items() if when == "always"}
    assert always | set(sometimes) <= set(document)
    if command not in OPEN:
        assert set(document) <= set(entries)
    for name, (kind, _) in entries.items():
        value = document.get(name)
        if name in document:
            assert isinstance(value, TYPES[kind]), (name, value)
            assert kind == "true or false" or not isinstance(value, bool), (name, value)


def checked(words, document, command, sometimes=()):
    """Run a command and hold its document against the page."""
    assert main([str(word) for word in (*words, "--json")]) == 0
    found = document()
    check(command, found, sometimes)
    return found


def test_every_command_with_a_document_has_its_table():
    commands = re.findall(r"^### ttc (.*)$", PAGE, re.M)
    with_json = {
        path.stem
        for path in ROOT.glob("ttc_agents/cli/*.py")
        if re.search(r"^    json: conf|print\(json.dumps", path.read_text("utf-8"), re.M)
    }
    assert {command.split()[0] for command in commands} == with_json - {"output"}
    assert all(documented(command) for command in commands)


def test_a_wrong_table_is_found():
    right = {"page": "a", "files": 3}
    check("report", right)
    for wrong in ({"page": "a"}, {**right, "more": 1}, {**right, "files": "3"}):
        with pytest.raises(AssertionError):
            check("report", wrong)


def test_sweeps_and_solves(directory, map_directory, document, tmp_path):
    out = tmp_path / "sweep.json"
    words = ["evaluate", directory, *FEW, "--calibration", "--out", out]
    found = checked(words, document, "evaluate", ["calibration"])
    assert set(found["rows"]["p1"]["minimal"]["1"]) == {"solved", "n", "low", "high"}
    assert set(json.loads(out.read_text())) - set(found) == {"records"}
    on_maps = checked(["evaluate", map_directory, *FEW], document, "evaluate")
    assert on_maps["parts"]["p1"]
    checked(["play", "random", "--env", "ttc/Sudoku4-v0", *FEW], document, "play")
    one = ["solve", "--checkpoint", directory, "--steps", "2"]
    checked(one, document, "solve", ["instance_id", "level"])
    checked(["report", out, "--out", tmp_path / "report"], document, "report")
    lines = tmp_path / "two.txt"
    lines.write_text("1234341221434321\n.234341221434321\n")
    assert main([*one, str(lines), "--json"]) == 0
    (puzzle, _) = document()["puzzles"]
    check("solve", puzzle)


def test_what_is_shared(directory, document, tmp_path, monkeypatch):
    monkeypatch.setattr(hub, "push", lambda *_: "0" * 40)
    checked(["push", directory, "owner/name"], document, "push")
    pytest.importorskip("minari", reason="needs the extra `traces`")
    words = ["traces", "solve", "--env", "ttc/Sudoku4-v0", "--count", "1", "--out", tmp_path]
    (facts,) = checked(words, document, "traces")["datasets"]
    assert all(f"`{name}`" in PAGE for name in facts)


@pytest.mark.slow
def test_what_takes_longer(directory, document, tmp_path):
    stability = ["evaluate", directory, *FEW, "--stability"]
    checked(stability, document, "evaluate", ["stability"])
    paths = ["data", "paths", "--cities", "spread=30", "--radius-km", "0", "--processes", "1"]
    checked([*paths, "--count", "100", "--out", tmp_path / "paths"], document, "data paths")
    puzzles = ["data", "sudoku", "--level", "givens=8", "--size", "4", "--count", "5"]
    checked([*puzzles, "--out", tmp_path / "puzzles.csv"], document, "data sudoku")


@pytest.mark.slow
def test_trainings_and_pages(document, tmp_path):
    train = ["train", "sudoku4-demo", "--updates", "1", "--out", tmp_path / "run"]
    checked(train, document, "train")
    few = ["--seconds", "1", "--count", "4", "--out", tmp_path / "demo"]
    checked(["demo", "--recipe", "sudoku4-demo", *few], document, "demo", ["training"])
    rows = ["--table", "sudoku4", "--only", "A2C, MLP", "--seeds", "1", "--count", "2"]
    compared = checked(
        ["compare", RL, *rows, "--seconds", "1", "--out", tmp_path / "rl"], document, "compare"
    )
    assert {"rows", "runs", "verdicts", "settings"} <= set(compared["tables"]["sudoku4"])
    page = ["--count", "1", "--steps", "2", "--out", tmp_path / "watch.html"]
    checked(["watch", *page], document, "watch")


@pytest.mark.slow
def test_probes(document, tiny, tmp_path):
    assert main(["probe", tiny, "--out", str(tmp_path), "--count", "200"]) == 0
    check("probe", document())
