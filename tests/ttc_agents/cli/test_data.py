"""`ttc data paths`: what it prints, what it writes, and how it refuses."""

import json

import pytest

from ttc_agents.cli import main


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
