"""`ttc demo`."""

import json

from PIL import Image

from ttc_agents.cli import main
from ttc_agents.cli.demo import default_count
from ttc_agents.training.recipes import RECIPES, Recipe


def test_demo_writes_everything_and_runs_a_second_time(capsys, tmp_path):
    out = tmp_path / "demo"
    arguments = ["demo", "--out", str(out), "--recipe", "sudoku4-demo", "--seconds", "0.3"]
    arguments += ["--count", "12", "--steps", "1,2,64", "--device", "cpu"]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    for name in ("report.html", "sweep.png", "sweep.json", "solve.gif"):
        assert str(out / name) in text
    assert f"ttc evaluate {out / 'checkpoint'}" in text
    found = json.loads((out / "sweep.json").read_text())
    assert found["rows"]["p1"]["minimal"]["64"]["n"] == 12
    assert set(found["rows"]) == {"p1", "random", "improve", "solve"}
    assert found["training"]["updates"] > 0
    assert set(found["calibration"]["minimal"]["steps"]) == {"1", "2", "64"}
    with Image.open(out / "solve.gif") as gif, Image.open(out / "sweep.png") as picture:
        assert gif.n_frames > 1
        assert picture.width > 1000
    page = (out / "report.html").read_text()
    assert "solved after 64 steps" in page
    assert "grey cells are given" in page
    first = (out / "sweep.json").stat().st_mtime_ns
    assert main([*arguments, "--json"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert json.loads(last) == json.loads((out / "sweep.json").read_text())
    assert (out / "sweep.json").stat().st_mtime_ns > first


def test_a_short_demo_is_measured_on_fewer_instances():
    assert [default_count(seconds) for seconds in (600, 120, 30, 0.1)] == [1000, 1000, 250, 20]


def test_demo_of_another_task(capsys, tmp_path, monkeypatch):
    recipe = Recipe(
        name="some-maps",
        description="",
        env_id="ttc/ShortestPath-v0",
        model="relational_network",
        level="spread8",
        task={"places": 8},
        model_options={"width": 8, "embedding": 4, "message_layers": 1, "node_layers": 1},
        updates=2,
    )
    monkeypatch.setitem(RECIPES, recipe.name, recipe)
    arguments = ["demo", "--out", str(tmp_path), "--recipe", recipe.name, "--seconds", "0.2"]
    assert main([*arguments, "--steps", "1,8", "--device", "cpu"]) == 0
    text = capsys.readouterr().out
    assert "bellman ford" in text
    assert f"ttc solve --seed 1 --checkpoint {tmp_path / 'checkpoint'}" in text
    found = json.loads((tmp_path / "sweep.json").read_text())
    assert found["rows"]["p1"]["spread8"]["8"]["n"] == 20
    page = (tmp_path / "report.html").read_text()
    assert "learned shortest paths from maps" in page
    assert "dashed in red" in page
