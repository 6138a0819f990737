"""The cells of what makes a network branch: each is one training, and a table goes on."""

import importlib.util
import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "experiments" / "three_axes"


@pytest.fixture
def training(monkeypatch):
    spec = importlib.util.spec_from_file_location("training", FOLDER / "training.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tiny = {"width": 4, "message_width": 4, "hidden_width": 4}
    small = {"LEVELS": ("easy", "minimal"), "STEPS": (1, 2), "BUDGETS": (4, 8)}
    small["RECIPE"] = module.RECIPE.replaced(
        env_id="ttc/Sudoku4-v0", level="minimal", batch_size=2, model_options=tiny
    )
    for name, value in small.items():
        monkeypatch.setattr(module, name, value)
    return module


def test_every_cell_is_another_training(training):
    recipes = [training.RECIPE.replaced(**changes) for changes in training.CELLS.values()]
    assert len({json.dumps(recipe.to_json()) for recipe in recipes}) == len(recipes)


def test_a_table_goes_on_where_it_was_left(training, monkeypatch, tmp_path, capsys):
    out = tmp_path / "training.json"

    def run(*cells):
        words = ["training.py", *cells, "--seconds", "0.2", "--seeds", "1", "--count", "2"]
        monkeypatch.setattr("sys.argv", [*words, "--runs", str(tmp_path), "--out", str(out)])
        training.main()
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert list(run("focal")[-1]["runs"]) == ["focal-0"]
    (document,) = run("focal", "smoothed")
    assert list(document["runs"]) == ["focal-0", "smoothed-0"]
    assert json.loads(out.read_text()) == document
    rows = document["runs"]["smoothed-0"]["rows"]
    assert rows["p1"]["easy"]["2"]["n"] == 2
    assert "falsely_accepted" in rows["p2-branch"]["minimal"]["8"]
