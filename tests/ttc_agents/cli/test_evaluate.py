"""`ttc evaluate`."""

import json

import pytest
from PIL import Image

from ttc_agents.cli import main
from ttc_agents.cli.evaluate import parse_steps


def test_evaluate_a_file_as_json(tmp_path, solver, puzzles, document):
    path = tmp_path / "some.puzzles.csv"
    path.write_text("puzzle\n" + "\n".join(puzzles))
    assert main(["evaluate", solver, "--puzzles", str(path), "--steps", "8,1", "--json"]) == 0
    found = document()
    assert found["p1"]["some"]["8"] == {"solved": 1, "n": 6, **bounds(6)}
    assert found["p1"]["some"]["1"]["solved"] == 0
    assert found["classical"]["solve"]["some"]["1"]["solved"] == 1
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
    assert {family: e["1"]["n"] for family, e in found["p1"].items()} == {"a": 2, "b": 2, "c": 2}
    assert found["classical"] == {}
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
    assert json.loads(captured.out)["p1"]["some"]["1"]["n"] == 6
    lines = captured.err.splitlines()
    assert lines[0].endswith("line 8, skipped: 1 stands twice in row 1")
    assert lines[10].endswith("12 rows skipped in all")
    assert lines[11].endswith("1 rows repeat earlier ones")


def test_evaluate_levels_by_three_protocols_with_calibration(capsys, tmp_path, solver):
    out = tmp_path / "new" / "result.json"
    arguments = ["--level", "easy", "givens=12..13", "--count", "5", "--steps", "4,8"]
    arguments += ["--protocol", "p1,p2,p3", "--trajectories", "2", "--calibration"]
    assert main(["evaluate", solver, *arguments, "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "P3: several, rules verify" in text
    assert "easy: 100.0% of changes fall on cells below 0.5 confidence" in text
    written = json.loads(out.read_text())
    assert set(written["p2"]) == {"easy", "givens=12..13"}
    assert len(written["records"]["trajectories"]["easy"]) == 2
    assert set(written["calibration"]["easy"]["steps"]) == {"4", "8"}
    with Image.open(tmp_path / "new" / "result-calibration-givens=12..13.png") as picture:
        assert picture.width > 1000


def test_the_split_and_the_seed_choose_the_puzzles(directory, document):
    def shares(*options):
        arguments = ["--level", "givens=8", "--count", "40", "--steps", "1", "--json"]
        assert main(["evaluate", directory, *arguments, *options]) == 0
        return document()["classical"]["improve"]

    assert shares() == shares("--split", "test", "--seed", "0")
    assert shares() != shares("--seed", "1") or shares() != shares("--split", "validation")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--level", "easy", "--puzzles", "x.csv"), "exclude each other"),
        (("--level", "impossible"), "impossible"),
        (("--count", "0"), "--count must be at least 1"),
        (("--protocol", "p1,p9"), "'p9'"),
        (("--trajectories", "0", "--protocol", "p3"), "at least 1"),
        (("--puzzles", "nowhere.csv"), "nowhere.csv"),
        (("--device", "warp"), "'warp'"),
    ],
)
def test_what_evaluate_refuses(directory, options, words, complaint):
    assert words in complaint("evaluate", directory, *options)


@pytest.mark.parametrize("text", ["", "0", "1,,2", "-4", "1;2", "1.5", "²"])
def test_steps_are_positive_integers(text):
    with pytest.raises(ValueError, match="positive integers"):
        parse_steps(text)


def test_steps_are_sorted_once():
    assert parse_steps("16, 1,16,4") == (1, 4, 16)
