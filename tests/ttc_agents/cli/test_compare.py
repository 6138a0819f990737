"""`ttc compare`."""

import dataclasses
import json

import pytest

pytest.importorskip("stable_baselines3")

from ttc_agents.cli import main
from ttc_agents.cli.compare import in_order
from ttc_agents.cli.presets import PRESETS
from ttc_agents.evaluation import comparison
from ttc_agents.evaluation.contestants import KINDS
from ttc_agents.training.recipes import RECIPES
from ttc_envs import ENVIRONMENTS, make_task


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_presets_name_what_exists(preset):
    for arena in preset.arenas.values():
        assert arena.env_id in ENVIRONMENTS
        make_task(arena.env_id, **arena.task).level_index(arena.level)
        names = [row.name for row in arena.rows]
        assert len(names) == len(set(names))
        for row in arena.rows:
            assert row.kind in KINDS
            assert row.options.get("recipe", "sudoku4-demo") in RECIPES


def compare(out, *words):
    small = ["--arena", "sorting8", "--seeds", "1", "--count", "20"]
    return main(["compare", "--preset", "rl-cpu", "--out", str(out), *small, *words])


def test_it_writes_results_and_goes_on_from_them(tmp_path, capsys):
    assert compare(tmp_path, "--only", "exact", "classical") == 0
    first = capsys.readouterr()
    assert "| exact solver | full | 0.0 | 5.0 | 100.0 |" in first.out
    assert "sorting8: classical steps, seed 0" in first.err
    assert (tmp_path / "sorting8.png").stat().st_size > 1000
    assert compare(tmp_path, "--only", "exact", "random answers") == 0
    assert "exact" not in capsys.readouterr().err
    document = json.loads((tmp_path / "sorting8.json").read_text())
    # In the order of the preset, whatever was run first.
    rows = [cell["row"] for cell in document["cells"]]
    assert rows == ["random answers", "classical steps", "exact solver"]
    assert document["settings"]["count"] == 20


def test_cells_of_more_seeds_than_asked_are_kept():
    arena = PRESETS["rl-cpu"].arenas["sorting8"]
    cells = {("exact solver", 0): {"seed": 0}, ("PPO, MLP", 1): {"seed": 1}, ("gone", 0): {}}
    assert in_order(arena, cells) == [{"seed": 1}, {"seed": 0}]


def test_processes_fill_one_folder_together(tmp_path, monkeypatch):
    real = comparison.run_cell

    def meanwhile(arena, row, budget, seed):
        if row.name == "exact solver":
            assert compare(tmp_path, "--only", "classical") == 0
        return real(arena, row, budget, seed)

    monkeypatch.setattr(comparison, "run_cell", meanwhile)
    assert compare(tmp_path, "--only", "exact") == 0
    cells = json.loads((tmp_path / "sorting8.json").read_text())["cells"]
    assert [cell["row"] for cell in cells] == ["classical steps", "exact solver"]


def test_results_of_other_settings_are_not_mixed(tmp_path, capsys):
    assert compare(tmp_path, "--only", "exact") == 0
    assert compare(tmp_path, "--only", "exact", "--seconds", "3") == 2
    assert "was made with" in capsys.readouterr().err
    (tmp_path / "sorting8.json").write_text("[]")
    assert compare(tmp_path, "--only", "exact") == 2
    assert "expected the results of `ttc compare`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--preset", "nothing"], "no preset 'nothing'"),
        (["--preset", "rl-cpu", "--arena", "chess"], "has no arena 'chess'"),
        (["--preset", "rl-cpu", "--seeds", "0"], "at least 1"),
        (["--preset", "rl-cpu", "--seconds", "0"], "budget must be positive"),
    ],
)
def test_mistakes_are_one_line(words, message, tmp_path, capsys):
    assert main(["compare", "--out", str(tmp_path / "out"), *words]) == 2
    assert message in capsys.readouterr().err


@pytest.fixture
def short_study(monkeypatch):
    """The study's lists with few steps."""
    preset = PRESETS["study-sorting-cpu"]
    lists = dataclasses.replace(preset.arenas["lists"], steps=(1, 2, 4), curve_count=5)
    monkeypatch.setitem(PRESETS, preset.name, dataclasses.replace(preset, arenas={"lists": lists}))


def test_a_study_says_who_crosses_whom(short_study, tmp_path, capsys):
    tiny = ["--flops", "2e7", "--seeds", "2", "--count", "10", "--only", "top layer", "longer"]
    study = ["--preset", "study-sorting-cpu", "--out", str(tmp_path), "--json"]
    assert main(["compare", *study, *tiny]) == 0
    out = capsys.readouterr().out.splitlines()
    document = json.loads(out[-1])["arenas"]["lists"]
    assert document == json.loads((tmp_path / "lists.json").read_text())
    (said,) = document["verdicts"]
    assert said["crosses"] is None
    assert f"- {said['words']}" in out
    once, repeated = document["cells"][0], document["cells"][2]
    assert once["flop_budget"] == 2e7 <= once["flops_spent"]
    assert list(once["test_flops"]) == ["1"]
    assert set(once["holds"]) == set(repeated["holds"]) == set(repeated["test_flops"])
    assert once["holds"]["4"] == once["holds"]["1"]
    assert (tmp_path / "lists-frontier.png").stat().st_size > 1000


def test_a_budget_is_in_one_currency(tmp_path, capsys):
    words = ["--preset", "study-sorting-cpu", "--out", str(tmp_path)]
    assert main(["compare", *words, "--flops", "1e9", "--seconds", "3"]) == 2
    assert "either seconds or flops" in capsys.readouterr().err
