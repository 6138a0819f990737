"""What signals.py says of runs whose deaths are known, and that every setting can be trained."""

import dataclasses
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

FOLDER = Path(__file__).parents[3] / "experiments" / "deq_collapse"


def load(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def signals():
    return load("signals")


@pytest.fixture(scope="module")
def collapse():
    # As Python does it for a script: recipes name the network of the module beside it.
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield load("collapse")
    sys.modules.pop("unnormalised", None)  # not there where no test of this process has read it


def run_of(signals, rows=12, **columns):
    """A run that learns in row 2 and holds, but for the columns given."""
    calm = dict.fromkeys(signals.SIGNALS, np.ones(rows))
    probe = np.array([0.0, 0.1] + [0.6] * (rows - 2))
    updates = 10.0 * np.arange(1, rows + 1)
    run = {"update": updates, "seconds": updates, **calm, "probe": probe}
    run |= {"plain": probe, "delayed": probe}
    return run | {name: np.array(values, dtype=float) for name, values in columns.items()}


DYING = [0.0, 0.1, 0.6, 0.6, 0.2, 0.6, 0.6, 0.5, 0.2, 0.1, 0.0, 0.0]
RESIDUAL = [9, 9, 0.1, 0.1, 0.1, 0.2, 0.4, 0.5, 1, 1, 1, 1]


def test_a_death_is_three_low_rows_after_learning(signals):
    dying = run_of(signals, probe=DYING)
    assert signals.learnt(dying) == 2
    assert signals.death(dying) == 8
    assert signals.death(run_of(signals)) is None
    never = run_of(signals, probe=[0.1] * 6 + [0.0] * 6)
    assert signals.learnt(never) is None
    assert signals.death(never) is None
    assert signals.fired(never, dict.fromkeys(signals.SIGNALS, 0.0)) == {}


def test_a_signal_fires_beyond_what_controls_have_shown(signals):
    control = run_of(signals, residual=[1, 1, 0.1, 0.25] + [0.1] * 8)
    limits = signals.thresholds([control, run_of(signals, probe=DYING, residual=RESIDUAL)])
    assert limits["residual"] == pytest.approx(np.log(2.5))
    assert limits["radius"] == 0
    dying = run_of(signals, probe=DYING, residual=RESIDUAL)
    found = signals.fired(dying, limits)
    # The probe fell for a row at 50 already, which no control did.
    assert found == {"probe": 50.0, "residual": 70.0}
    told = signals.summary(dying, limits)
    assert (told["learnt"], told["died"]) == (30.0, 90.0)
    early = signals.leads([told, signals.summary(control, limits)])
    assert early["residual"]["median_lead"] == 20
    assert (early["residual"]["n"], early["radius"]["solved"]) == (1, 0)


def test_a_signal_that_foretells_is_told_from_one_that_does_not(signals):
    dying = [run_of(signals, probe=DYING, residual=RESIDUAL)] * 3
    holding = [run_of(signals)] * 2
    assert signals.foretold(dying, holding, "residual", 1) == [1, 1, 1, 3]
    # Both stand still: ties.
    assert signals.foretold(dying, holding, "radius", 1) == [0.5, 0.5, 0.5, 3]
    # So far ahead none has learnt yet.
    assert signals.foretold(dying, holding, "residual", 7) is None
    assert signals.auc([1.0, 3.0], np.array([0.0, 2.0])) == 0.75


def test_the_tables_and_the_picture(signals, tmp_path, monkeypatch, capsys):
    names = ["update", "seconds", *signals.SIGNALS, "plain", "delayed"]
    for setting, run in (
        ("none", run_of(signals, probe=DYING)),
        ("state-norm-damped", run_of(signals)),
    ):
        rows = np.stack([run[name] for name in names], axis=1).tolist()
        document = {"setting": setting, "size": 4, "columns": names, "runs": [{"curve": rows}]}
        (tmp_path / f"4-{setting}.json").write_text(json.dumps(document))
    signals.main([str(path) for path in sorted(tmp_path.glob("*.json"))])
    lines = capsys.readouterr().out.splitlines()
    found = json.loads(lines[-1])["4"]
    assert found["runs"]["none"][0]["died"] == 90
    assert found["runs"]["state-norm-damped"][0]["died"] is None
    assert (tmp_path / "4.png").stat().st_size > 10_000
    assert any(
        line.startswith("| state-norm-damped | 1 of 1 (21-100) | - | 60 |") for line in lines
    )


def test_every_setting_is_trained_and_measured(collapse, monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.setattr(collapse, "STEPS", 2)
    monkeypatch.setitem(collapse.SIZES, 4, (collapse.SIZES[4][0], 2))
    for setting in collapse.SETTINGS:
        run = collapse.follow(setting, 4, 0, 2)
        assert run["ended"] == "at its end"
        (row,) = run["curve"]
        assert len(row) == len(collapse.COLUMNS)
        assert np.isfinite(row).all()
    for size in collapse.SIZES:
        assert collapse.recipe_of("none", size, 3).seed == 3


def training_of(collapse, recipe):
    return collapse.Training(recipe, collapse.make_task(recipe.env_id, **recipe.task))


def test_norms_stay_capped(collapse):
    recipe = collapse.recipe_of("spectral-norm", 4, 0)
    for name, order in (("spectral-norm", 2), ("weight-norm", "fro")):
        training = training_of(collapse, recipe)
        before = [torch.linalg.matrix_norm(p, order) for p in collapse.matrices(training)]
        hook = collapse.HOOKS[name](training)
        for p in collapse.matrices(training):
            p.mul_(3.0)
        hook.after_update(training, {}, 0.5)
        after = [torch.linalg.matrix_norm(p, order) for p in collapse.matrices(training)]
        for a, b in zip(after, before, strict=True):
            torch.testing.assert_close(a, b)


def test_phantom_gradients_come_first_and_end(collapse):
    recipe = dataclasses.replace(collapse.recipe_of("phantom-first", 4, 0), updates=5)
    training = training_of(collapse, recipe)
    hook = collapse.HOOKS["phantom-first"](training)
    seen = []

    class Look(collapse.Hook):
        def after_update(self, training, metrics, done):
            seen.append((training.model.gradient, training.recipe.segment_steps))
            return {}

    collapse.run(training, recipe.length, [Look(), hook])
    phantom, implicit = ("phantom", collapse.PHANTOM_STEPS), ("implicit", recipe.segment_steps)
    assert seen == [phantom] * 2 + [implicit] * 3


@pytest.mark.parametrize("path", sorted((FOLDER / "results").glob("[469]-*.json")))
def test_what_was_run_is_what_would_be_run_now(collapse, path):
    document = json.loads(path.read_text())
    recipe = collapse.recipe_of(document["setting"], document["size"], 0)
    assert collapse.kept_runs(path, recipe) == document["runs"]
    other = dataclasses.replace(recipe, batch_size=9)
    assert collapse.kept_runs(path, other) == []


def test_the_one_command(collapse, signals, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "collapse", collapse)
    monkeypatch.setitem(sys.modules, "signals", signals)
    script = load("death")
    runs = {"none": run_of(signals, probe=DYING), "state-norm-damped": run_of(signals)}

    def follow(setting, *args):
        values = [runs[setting].get(name, runs[setting]["loss"]) for name in collapse.COLUMNS]
        return {"seconds": 1.0, "curve": np.stack(values, axis=1).tolist()}

    monkeypatch.setattr(script, "follow", follow)
    monkeypatch.setattr(sys, "argv", ["death.py"])
    script.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2] == "first: probe"
    assert json.loads(lines[-1]) == {"died": 90, "control_died": False, "fired": {"probe": 50}}
