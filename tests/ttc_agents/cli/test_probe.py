"""`ttc probe`."""

import json

import pytest

from ttc_agents.cli import main


def test_a_recipe_is_trained_and_probed_on_the_way(tiny, tmp_path, capsys):
    assert main(["probe", tiny, "--out", str(tmp_path), "--every", "2", "--count", "200"]) == 0
    lines = capsys.readouterr().out.splitlines()
    document = json.loads(lines[-1])
    assert document["embedding"]["places"] == 32
    assert set(document["reading"]) == {"r2", "low", "high", "median_km", "places"}
    assert any(line.startswith("embedding: R2 ") for line in lines)
    for name in ("map.png", "curve.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    metrics = (tmp_path / "model/metrics.jsonl").read_text().splitlines()
    assert "probe_km" in json.loads(metrics[-1])
    # The checkpoint by itself.
    assert main(["probe", str(tmp_path / "model"), "--out", str(tmp_path), "--count", "200"]) == 0
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert again["embedding"] == document["embedding"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "no checkpoint at 'nowhere'"),
        (["sudoku-cpu"], "no map that stays"),
        (["sudoku-cpu", "--steps", "0"], "must be at least 1"),
    ],
)
def test_mistakes_are_one_line(words, message, tmp_path, capsys):
    assert main(["probe", *words, "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
