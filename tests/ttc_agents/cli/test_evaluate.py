"""`ttc evaluate`."""

import json

import numpy as np
import pytest
from PIL import Image

from ttc_agents import evaluation
from ttc_agents.cli import main
from ttc_envs import SudokuTask


def test_evaluate_a_file_as_json(tmp_path, solver, puzzles, document):
    path = tmp_path / "some.puzzles.csv"
    path.write_text("puzzle\n" + "\n".join(puzzles))
    assert main(["evaluate", solver, "--puzzles", str(path), "--steps", "8,1", "--json"]) == 0
    found = document()
    assert found["rows"]["p1"]["some"]["8"] == {"solved": 1, "n": 6, **bounds(6)}
    assert found["rows"]["p1"]["some"]["1"]["solved"] == 0
    assert found["rows"]["solve"]["some"]["1"]["solved"] == 1
    assert found["settings"]["checkpoint"] == solver


def bounds(count):
    from ttc_agents.evaluation import wilson

    return dict(zip(("low", "high"), wilson(count, count), strict=True))


def test_evaluate_several_files_given_either_way(tmp_path, solver, puzzles, complaint, document):
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text("\n".join(puzzles))
    a, b, c = (str(tmp_path / f"{name}.txt") for name in "abc")
    arguments = ["--steps", "1", "--count", "2", "--no-classical", "--json"]
    assert main(["evaluate", solver, "--puzzles", a, b, "--puzzles", c, *arguments]) == 0
    found = document()
    assert list(found["rows"]) == ["p1"]
    counts = {family: steps["1"]["n"] for family, steps in found["rows"]["p1"].items()}
    assert counts == {"a": 2, "b": 2, "c": 2}
    (tmp_path / "a.csv").write_text("\n".join(puzzles))
    line = complaint("evaluate", solver, "--puzzles", a, str(tmp_path / "a.csv"))
    assert "family 'a'" in line


def test_bad_rows_are_errors_or_reported(capsys, tmp_path, solver, puzzles, complaint):
    path = tmp_path / "some.txt"
    path.write_text("\n".join([*puzzles, puzzles[0], *["11.............."] * 12]))
    arguments = ["evaluate", solver, "--puzzles", str(path), "--steps", "1", "--json"]
    assert "line 8: 1 stands twice in row 1" in complaint(*arguments)
    assert main([*arguments, "--skip-bad-rows"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["rows"]["p1"]["some"]["1"]["n"] == 6
    lines = captured.err.splitlines()
    assert lines[0].endswith("line 8, skipped: 1 stands twice in row 1")
    assert lines[10].endswith("12 rows skipped in all")
    assert lines[11].endswith("1 rows repeat earlier ones")


def test_puzzles_with_several_solutions_are_errors_or_accepted(
    capsys, tmp_path, solver, puzzles, complaint
):
    path = tmp_path / "some.txt"
    path.write_text("\n".join([*puzzles, "." * 16]))
    arguments = ["evaluate", solver, "--puzzles", str(path), "--steps", "1", "--json"]
    assert "the puzzle has several solutions" in complaint(*arguments)
    assert main([*arguments, "--several-solutions"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert rows["p1"]["some"]["1"]["n"] == len(puzzles) + 1


def test_evaluate_levels_by_three_protocols_with_calibration(capsys, tmp_path, solver):
    out = tmp_path / "new" / "result.json"
    arguments = ["--level", "easy", "givens=12..13", "--count", "5", "--steps", "4,8"]
    arguments += ["--protocol", "p1, p2,p3", "--trajectories", "2", "--calibration"]
    assert main(["evaluate", solver, *arguments, "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "P3: several, rules verify" in text
    assert "easy: 100.0% of changes fall on nodes below 0.5 confidence" in text
    written = json.loads(out.read_text())
    assert set(written["rows"]["p2"]) == {"easy", "givens=12..13"}
    assert len(written["records"]["trajectories"]["easy"]) == 2
    assert set(written["calibration"]["easy"]["steps"]) == {"4", "8"}
    with Image.open(tmp_path / "new" / "result-calibration-givens=12..13.png") as picture:
        assert picture.width > 1000


@pytest.fixture
def drawn(directory, monkeypatch):
    """Gives the puzzles that `ttc evaluate` draws with some options."""
    seen = []
    measure = evaluation.sweep
    monkeypatch.setattr(
        evaluation,
        "sweep",
        lambda model, task, families, *args, **options: (
            seen.append(families["minimal"].fields["givens"])
            or measure(model, task, families, *args, **options)
        ),
    )

    def run(*options):
        assert main(["evaluate", directory, "--count", "8", "--steps", "1", *options]) == 0
        return seen.pop()

    return run


def test_the_seed_and_the_split_choose_the_puzzles(task, drawn):
    usual = drawn()
    np.testing.assert_array_equal(usual, drawn("--split", "test", "--seed", "0"))
    assert (usual != drawn("--seed", "1")).any()
    assert (usual != drawn("--split", "validation")).any()
    keys = np.random.default_rng(3).integers(2**64, size=8, dtype=np.uint64)
    expected = SudokuTask(4, "train").sample(keys, "minimal").fields["givens"]
    np.testing.assert_array_equal(drawn("--split", "train", "--seed", "3"), expected)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--level", "easy", "--puzzles", "x.csv"), "exclude each other"),
        (("--level", "impossible"), "impossible"),
        (("--count", "0"), "--count must be at least 1"),
        (("--protocol", "p1,p9"), "'p9'"),
        (("--protocol", "p1, p9"), "'p9'"),
        (("--trajectories", "0", "--protocol", "p3"), "at least 1"),
        (("--puzzles", "nowhere.csv"), "nowhere.csv"),
        (("--device", "warp"), "'warp'"),
    ],
)
def test_what_evaluate_refuses(directory, options, words, complaint):
    assert words in complaint("evaluate", directory, *options)


def test_only_checkpoints_are_evaluated(complaint):
    assert "no checkpoint at 'classical'" in complaint("evaluate", "classical")
    assert "CHECKPOINT" in complaint("evaluate")


def test_an_out_that_cannot_be_written_is_refused_before_the_sweep(
    tmp_path, directory, monkeypatch, complaint
):
    monkeypatch.setattr(evaluation, "sweep", lambda *args, **options: pytest.fail("too late"))
    arguments = ["evaluate", directory, "--count", "1", "--out"]
    assert "is a directory" in complaint(*arguments, str(tmp_path))
    (tmp_path / "file").touch()
    assert "exists" in complaint(*arguments, str(tmp_path / "file" / "out.json"))


def test_a_checkpoint_for_small_maps_is_swept_on_larger_ones(
    capsys, tmp_path, map_directory, document
):
    out = tmp_path / "sizes.json"
    arguments = ["evaluate", map_directory, "--count", "4", "--steps", "1,8", "--out", str(out)]
    arguments += ["--task", "places=12", "--task", "places=20"]
    assert main([*arguments, "--calibration"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[3:6] == ["places=12", "4", lines[1].split()[5]]
    assert any(line.startswith("bellman ford") and "places=20" in line for line in lines)
    found = json.loads(out.read_text())
    assert found["settings"]["task"] == ["places=12", "places=20"]
    assert list(found["rows"]["p1"]) == list(found["calibration"]) == ["places=12", "places=20"]
    assert {"greedy", "one_step_a_star", "bellman_ford"} < set(found["rows"])
    assert found["parts"]["bellman_ford"]["places=20"]["n"]["all"] == 4 * 19
    assert found["scores"]["p1"]["places=20"]["within_1_percent"]["8"]["n"] == 4
    levels = ["--task", "places=16", "--task", "places=20", "--level", "spread16", "spread10"]
    assert main([*arguments[:6], *levels, "--no-classical", "--json"]) == 0
    families = [f"places={places} spread{level}" for places in (16, 20) for level in (16, 10)]
    found = document()["rows"]
    assert list(found) == ["p1"]
    assert list(found["p1"]) == families


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--task", "size=4"), "unexpected keyword argument 'size'"),
        (("--task", "2=4"), "expected NAME=VALUE, got '2=4'"),
        (("--task", "places"), "expected NAME=VALUE"),
        (("--task", "places=12", "--task", "places=12"), "names of their own"),
    ],
)
def test_what_the_task_option_refuses(map_directory, complaint, words, message):
    options = ["--count", "1", "--steps", "1", "--no-classical"]
    assert message in complaint("evaluate", map_directory, *options, *words)


def test_stability_of_any_checkpoint(tmp_path, directory, document, capsys):
    out = tmp_path / "swept.json"
    arguments = ["evaluate", directory, "--stability", "--count", "3", "--steps", "1", "--json"]
    assert main([*arguments, "--no-classical", "--out", str(out)]) == 0
    found = document()["stability"]["minimal"]
    assert list(found["steps"]) == ["8", "16", "32", "64", "128", "256", "512"]
    assert found["steps"]["8"]["radius"]["median"] > 0
    assert found["steps"]["512"]["solved"]["n"] == 3
    assert json.loads(out.read_text())["stability"]["minimal"] == found
    with Image.open(tmp_path / "swept-stability-minimal.png") as picture:
        assert picture.width > 1000
    assert main(arguments[:-1]) == 0
    assert "steps on average until the residual is below 0.001" in capsys.readouterr().out


def test_branching_counts_the_steps_of_all_boards(directory, tmp_path, document):
    out = tmp_path / "found.json"
    words = ["evaluate", directory, "--level", "minimal", "--count", "6", "--no-classical"]
    words += ["--protocol", "p1,p2-branch,p3-branch", "--steps", "2,8,100", "--json"]
    assert main([*words, "--out", str(out), "--branching", "steps=8", "doubts=1"]) == 0
    found = document()
    for protocol in ("p2-branch", "p3-branch"):
        by_budget = found["rows"][protocol]["minimal"]
        assert [entry["n"] for entry in by_budget.values()] == [6, 6, 6]
        assert all(entry["mean_steps"] <= int(steps) for steps, entry in by_budget.items())
        assert by_budget["2"]["solved"] == found["rows"]["p1"]["minimal"]["2"]["solved"]
        assert by_budget["100"]["mean_flops"] > 0
        assert "falsely_accepted" in by_budget["100"]
        assert len(json.loads(out.read_text())["records"][protocol]["minimal"]["steps"]) == 6
    assert found["settings"]["branching"]["steps"] == 8


def test_a_table_says_what_searches_accepted(directory, capsys):
    words = ["evaluate", directory, "--level", "minimal", "--count", "3", "--no-classical"]
    assert main([*words, "--protocol", "p2-branch", "--steps", "48"]) == 0
    assert "within 48 steps" in capsys.readouterr().out


def test_options_of_branching_are_known(directory, complaint):
    words = ("--protocol", "p2-branch", "--branching", "breadth=3")
    assert "--branching knows steps, at_once, keep" in complaint("evaluate", directory, *words)


def test_an_energy_is_descended_in_the_way_that_is_named(complaint, document):
    command = ["evaluate", "sudoku-energy-cpu", "--level", "givens=40", "--count", "3"]
    command += ["--steps", "2,4", "--no-classical", "--json"]
    found = {}
    for way in ([], ["--descent", "gradient"], ["--descent", "annealed"]):
        assert main([*command, *way]) == 0
        found[tuple(way)] = document()
        assert found[tuple(way)]["settings"].get("descent") == (way[-1] if way else None)
    plain, gradient, annealed = (one["scores"]["p1"] for one in found.values())
    assert plain == gradient != annealed
    line = complaint(*command, "--descent", "uphill")
    assert "--descent must be one of gradient, " in line
    assert line.endswith("scipy, got 'uphill'")
    line = complaint("evaluate", "sudoku-cpu", "--level", "easy", "--descent", "annealed")
    assert line.endswith("--descent is for a model with an energy, got a FactorGraphNetwork")
