"""`ttc compare`."""

import json
from pathlib import Path

import pytest

pytest.importorskip("stable_baselines3")

from ttc_agents.cli import main
from ttc_agents.comparison.kinds import KINDS
from ttc_agents.comparison.plan import Comparison
from ttc_agents.names import load_module
from ttc_agents.training.recipes import RECIPES
from ttc_envs import make_task, registered

EXPERIMENTS = Path(__file__).parents[3] / "experiments"
RL, STUDY = (EXPERIMENTS / name / "preset.py" for name in ("rl_comparison", "recurrence"))
PLANS = {
    f"{path}:{name}": plan
    for path in (RL, STUDY)
    for name, plan in vars(load_module("plan", str(path))).items()
    if isinstance(plan, Comparison)
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=lambda plan: plan.name)
def test_our_plans_name_what_exists(plan):
    for table in plan.tables.values():
        assert table.env_id in registered()
        make_task(table.env_id, **table.task).level_index(table.level)
        names = [row.name for row in table.rows]
        assert len(names) == len(set(names))
        assert {name for pair in table.pairs for name in pair} <= set(names)
        for row in table.rows:
            assert row.kind in KINDS
            recipe = RECIPES[row.options.get("recipe", "sudoku4-demo")]
            recipe.replaced(**row.options.get("changes", {}))


def test_our_plans_have_names_of_their_own():
    names = [plan.name for plan in PLANS.values()]
    assert len(names) == len(set(names)) > 5


def compare(out, *words):
    small = ["--table", "sorting8", "--seeds", "1", "--count", "20"]
    return main(["compare", f"{RL}:rl_cpu", "--out", str(out), *small, *words])


def test_it_writes_results_and_goes_on_from_them(tmp_path, capsys):
    assert compare(tmp_path, "--only", "exact", "classical") == 0
    first = capsys.readouterr()
    assert "| exact solver | full | 0.0 | 5.0 | 100.0 |" in first.out
    assert "sorting8: classical steps, seed 0" in first.err
    assert (tmp_path / "sorting8.png").stat().st_size > 1000
    assert compare(tmp_path, "--only", "exact", "random answers") == 0
    assert "exact" not in capsys.readouterr().err
    document = json.loads((tmp_path / "sorting8.json").read_text())
    # In the order of the plan, whatever was run first.
    rows = [run["row"] for run in document["runs"]]
    assert rows == list(document["rows"]) == ["random answers", "classical steps", "exact solver"]
    assert document["settings"]["count"] == 20


def test_what_is_there_is_drawn_and_printed_without_trainings(tmp_path, capsys):
    assert compare(tmp_path, "--only", "exact") == 0
    (tmp_path / "sorting8.png").unlink()
    capsys.readouterr()
    assert compare(tmp_path, "--no-trainings", "--json") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    document = json.loads(captured.out.splitlines()[-1])
    assert document["comparison"] == "rl-cpu"
    assert list(document["tables"]["sorting8"]["rows"]) == ["exact solver"]
    assert (tmp_path / "sorting8.png").exists()


def test_results_go_where_they_are_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["--table", "sorting8", "--count", "5", "--only", "exact"]
    assert main(["compare", f"{RL}:rl_cpu", *words]) == 0
    assert (tmp_path / "runs" / "rl-cpu" / "sorting8.json").exists()


def test_results_of_other_settings_are_not_mixed(tmp_path, capsys):
    assert compare(tmp_path, "--only", "exact") == 0
    assert compare(tmp_path, "--only", "exact", "--seconds", "3") == 2
    assert "was made with" in capsys.readouterr().err.splitlines()[-1]
    (tmp_path / "sorting8.json").write_text("[]")
    assert compare(tmp_path, "--only", "exact") == 2
    assert "expected the results of `ttc compare`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing"], "no comparison 'nothing', expected module:NAME of your own"),
        ([f"{RL}:nothing"], "has no 'nothing'"),
        ([f"{RL}:SORTING"], "is no Comparison, got Table"),
        (["nowhere.py:PLAN"], "there is no module 'nowhere.py'"),
        ([f"{RL}:rl_cpu", "--table", "chess"], "rl-cpu has no table 'chess', it has sudoku4"),
        ([f"{RL}:rl_cpu", "--seeds", "0"], "at least 1"),
        ([f"{RL}:rl_cpu", "--count", "0"], "at least 1"),
        ([f"{RL}:rl_cpu", "--seconds", "0"], "must be positive"),
        ([f"{STUDY}:study_sorting_cpu", "--flops", "1e9", "--seconds", "3"], "expected one of"),
    ],
)
def test_mistakes_are_one_line(words, message, tmp_path, complaint):
    assert message in complaint("compare", *words, "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


OWN = f"""
from dataclasses import replace

from ttc_agents.names import find

STUDY = find("comparison", {str(STUDY) + ":study_sorting_cpu"!r}, {{}})
LISTS = replace(STUDY.tables["lists"], steps=(1, 2, 4), curve_count=5)
SHORT = replace(STUDY, tables={{"lists": LISTS}})
"""


def test_a_study_says_who_crosses_whom(tmp_path, capsys):
    (tmp_path / "own.py").write_text(OWN)
    tiny = ["--flops", "2e7", "--seeds", "2", "--count", "10", "--only", "top layer", "longer"]
    out = tmp_path / "out"
    plan = f"{tmp_path / 'own.py'}:SHORT"
    assert main(["compare", plan, "--out", str(out), "--json", *tiny]) == 0
    lines = capsys.readouterr().out.splitlines()
    document = json.loads(lines[-1])["tables"]["lists"]
    assert document == json.loads((out / "lists.json").read_text())
    (said,) = document["verdicts"]
    assert said["crosses"] is None
    assert f"- {said['words']}" in lines
    once, repeated = document["runs"][0], document["runs"][2]
    assert once["flop_budget"] == 2e7 <= once["flops_spent"]
    assert list(once["test_flops"]) == ["1"]
    assert set(once["holds"]) == set(repeated["holds"]) == set(repeated["test_flops"])
    assert once["holds"]["4"] == once["holds"]["1"]
    assert (out / "lists-frontier.png").stat().st_size > 1000


def test_a_plan_of_a_module_in_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "own_plan.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    for plan in ("own_plan:SHORT", "own_plan.py:SHORT"):
        assert main(["compare", plan, "--no-trainings", "--out", "out"]) == 0
