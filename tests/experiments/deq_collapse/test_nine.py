"""The cells of 9x9: that each is one training, that a table goes on, and what a run says."""

import importlib.util
import json
from pathlib import Path

import pytest

from ttc_envs import make_task

FOLDER = Path(__file__).parents[3] / "experiments" / "deq_collapse"
SMALL = ("model_options.inner.options.width=8", "batch_size=4")


@pytest.fixture
def nine(monkeypatch):
    spec = importlib.util.spec_from_file_location("nine", FOLDER / "nine.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, value in {"FEW": 2, "MANY": 3, "DEPTHS": (2, 4), "STEPS": 2, "LOOKS": 2}.items():
        monkeypatch.setattr(module, name, value)
    small = module.RECIPE.changed(SMALL)
    monkeypatch.setattr(module, "RECIPE", small.replaced(env_id="ttc/Sudoku4-v0", level="minimal"))
    return module


def test_every_cell_changes_something_and_can_be_made(nine):
    from ttc_agents.training.update import model_of

    recipes = [nine.recipe_of(cell) for cell in (*nine.CELLS, *nine.OTHERS)]
    assert len({json.dumps(recipe.to_json()) for recipe in recipes}) == len(recipes)
    for recipe in recipes:
        model_of(recipe, make_task(recipe.env_id, **recipe.task))


def test_a_table_goes_on_where_it_was_left(nine, monkeypatch, tmp_path, capsys):
    out = tmp_path / "cells.json"

    def run(cells, seeds):
        words = ["nine.py", cells, "--seeds", seeds, "--updates", "4", "--out", str(out)]
        monkeypatch.setattr("sys.argv", [*words, "--runs", str(tmp_path)])
        nine.main()
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert [line["cell"] for line in run("recipe", "0")] == ["recipe"]
    lines = run("recipe,fresh", "0,1")
    assert [(line["cell"], line["seed"]) for line in lines] == [
        ("recipe", 1),
        ("fresh", 0),
        ("fresh", 1),
    ]
    runs = json.loads(out.read_text())["runs"]
    assert len(runs) == 4
    for one in runs:
        assert one["spent"]["updates"] == 4
        assert set(one["end"]) == {"2", "4", "rest"}
        assert one["end"]["4"]["n"] == 3
        assert [row["update"] for row in one["curve"]] == [2, 4]
        assert {"residual", "backward_residual", "discarded", "probe"} <= set(one["curve"][0])
    assert (tmp_path / "fresh-1-4u" / "model.safetensors").is_file()


def test_an_interrupted_run_has_the_curve_of_a_whole_one(nine, interrupted, tmp_path):
    whole = nine.follow("recipe", 0, {"updates": 4}, tmp_path / "whole")
    with interrupted(), pytest.raises(SystemExit, match="the same command goes on"):
        nine.follow("recipe", 0, {"updates": 4}, tmp_path / "parts")
    parts = nine.follow("recipe", 0, {"updates": 4}, tmp_path / "parts")
    assert parts["end"] == whole["end"]
    for one, other in zip(parts["curve"], whole["curve"], strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}
