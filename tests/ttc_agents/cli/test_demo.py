"""`ttc demo`."""

import json

from PIL import Image

from ttc_agents.cli import main


def test_demo_writes_everything_and_runs_a_second_time(capsys, tmp_path):
    out = tmp_path / "demo"
    arguments = ["demo", "--out", str(out), "--recipe", "sudoku4-demo", "--seconds", "0.3"]
    arguments += ["--puzzles", "12", "--steps", "1,2,64", "--device", "cpu"]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    for name in ("report.html", "sweep.png", "sweep.json", "solve.gif"):
        assert str(out / name) in text
    assert f"ttc evaluate {out / 'checkpoint'}" in text
    found = json.loads((out / "sweep.json").read_text())
    assert found["p1"]["minimal"]["64"]["n"] == 12
    assert set(found["classical"]) == {"random", "improve", "solve"}
    assert found["training"]["updates"] > 0
    assert set(found["calibration"]["minimal"]["steps"]) == {"1", "2", "64"}
    with Image.open(out / "solve.gif") as gif, Image.open(out / "sweep.png") as picture:
        assert gif.n_frames > 1
        assert picture.width > 1000
    page = (out / "report.html").read_text()
    assert "solved after 64 steps" in page
    assert "grey cells are given" in page
    first = (out / "sweep.json").stat().st_mtime_ns
    assert main(arguments) == 0
    assert (out / "sweep.json").stat().st_mtime_ns > first
