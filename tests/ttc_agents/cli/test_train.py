"""`ttc train`."""

import os
import signal
import sys
import tomllib

import pytest

from ttc_agents.cli import main
from ttc_agents.inference import checkpoint
from ttc_agents.training.hooks import ProgressBar
from ttc_agents.training.loop import Hook
from ttc_agents.training.recipe import Recipe, read_recipe
from ttc_agents.training.recipes import RECIPES, as_equilibrium, default_recipe

SMALL = ("batch_size=4", "segment_steps=2", "precision=float32", "model_options.width=8")


@pytest.fixture
def printed(capsys):
    """The recipe that `ttc train ... --print` prints, which trains nothing."""

    def run(*arguments):
        assert main(["train", *arguments, "--print"]) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        return Recipe.from_json(tomllib.loads(captured.out))

    return run


def test_train_then_resume(capsys, tmp_path, complaint):
    out = tmp_path / "run"
    arguments = ["train", "sudoku4-demo", "--out", str(out), "--device", "cpu"]
    assert main([*arguments, "--seconds", "0.2", "--seed", "7"]) == 0
    text = capsys.readouterr().out
    assert "updates" in text
    assert f"next: ttc evaluate {out}\n" in text
    assert checkpoint.load_config(out)["recipe"]["seed"] == 7
    line = complaint(*arguments, "--resume", "--seconds", "0.4")
    assert "seed" in line
    assert main([*arguments, "--resume", "--seconds", "0.4", "--seed", "7"]) == 0


def test_a_resumed_training_says_what_was_done_before(capsys, tmp_path):
    out = tmp_path / "run"
    settings = [word for each in SMALL for word in ("--set", each)]
    arguments = ["train", "sudoku4-demo", *settings, "--out", str(out), "--device", "cpu"]

    def line(*options):
        assert main([*arguments, *options]) == 0
        return capsys.readouterr().out.splitlines()[0]

    first = line("--updates", "2")
    assert first.startswith(f"{out}: 2 updates, ")
    assert first.endswith(" s")
    assert line("--updates", "3", "--resume").endswith(", 2 of the updates before it was resumed")
    assert line("--updates", "3", "--resume").startswith(
        f"{out}: nothing was left to do: 3 updates, "
    )


def test_an_interrupted_training_says_how_to_go_on(capsys, monkeypatch, tmp_path):
    class Stop(Hook):
        def after_update(self, training, metrics, done):
            os.kill(os.getpid(), signal.SIGINT)
            return {}

    monkeypatch.setattr("ttc_agents.evaluation.outcome.GraphWatch", Stop)
    out = tmp_path / "run"
    assert main(["train", "sudoku4-demo", "--out", str(out), "--device", "cpu"]) == 130
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1] == f"ttc: interrupted: {out} is saved, --resume goes on"
    assert captured.out == ""
    assert checkpoint.load_training(out)["spent"]["updates"] == 1


def test_an_interrupted_demo_measures_nothing(capsys, monkeypatch, tmp_path):
    from ttc_agents.training import train

    result = train.TrainResult(tmp_path, 3, 1.0, 48, finished=False)
    monkeypatch.setattr(train, "train", lambda *args, **options: result)
    assert main(["demo", "--out", str(tmp_path)]) == 130
    assert "nothing was measured" in capsys.readouterr().err


# Which recipe


def test_the_recipe_is_printed_and_nothing_is_done(printed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert printed("sudoku9-deq-cpu-5min") == RECIPES["sudoku9-deq-cpu-5min"]
    assert list(tmp_path.iterdir()) == []


def test_what_is_printed_is_trained_again(capsys, tmp_path):
    settings = [word for each in SMALL for word in ("--set", each)]
    assert main(["train", "sudoku4-demo", *settings, "--updates", "3", "--print"]) == 0
    path = tmp_path / "mine.toml"
    path.write_text(capsys.readouterr().out)
    out = tmp_path / "run"
    assert main(["train", str(path), "--out", str(out), "--device", "cpu"]) == 0
    assert checkpoint.load_config(out)["recipe"] == read_recipe(path).to_json()
    assert checkpoint.load_model(out).spec.num_nodes == 16


def test_settings_are_given_one_or_several_at_a_time(printed):
    expected = RECIPES["sudoku4-demo"].replaced(
        batch_size=32, level="easy", model_options={"width": 8}, updates=9
    )
    words = ("batch_size=32", "level=easy", "model_options.width=8", "updates=9")
    assert printed("sudoku4-demo", "--set", *words) == expected
    apart = [word for each in words for word in ("--set", each)]
    assert printed("sudoku4-demo", *apart) == expected


def test_options_of_their_own_replace_settings(printed):
    settings = ["--set", "seed=3", "seconds=9", "level=easy"]
    recipe = printed("sudoku4-demo", *settings, "--seed", "4", "--updates", "2")
    assert (recipe.seed, recipe.seconds, recipe.updates, recipe.level) == (4, None, 2, "easy")
    assert printed("sudoku4-demo", "--level", "easy,minimal").levels() == ("easy", "minimal")


def test_a_model_on_an_environment(printed):
    arguments = ["--env", "ttc/Sorting-v0", "--model", "relational_network"]
    assert printed(*arguments) == default_recipe("ttc/Sorting-v0", "relational_network")
    changed = printed(*arguments, "--set", "task.size=6", "--seconds", "5", "--level", "uniform")
    assert (changed.task, changed.seconds, changed.level) == ({"size": 6}, 5, "uniform")


def test_a_recipe_as_an_equilibrium(printed):
    settings = ["--set", "model_options.settled=0.01", "model_options.inner.options.width=8"]
    recipe = printed("sudoku4-demo", "--equilibrium", *settings, "--seed", "4")
    options = {
        **as_equilibrium(RECIPES["sudoku4-demo"]).model_options,
        "settled": 0.01,
        "inner": {"model": "factor_graph_network", "options": {"width": 8}},
    }
    assert recipe == as_equilibrium(RECIPES["sudoku4-demo"]).replaced(model_options=options, seed=4)


def test_what_has_no_equilibrium_is_an_error(capsys):
    assert main(["train", "sudoku4-deq", "--equilibrium", "--print"]) == 2
    assert "an equilibrium already" in capsys.readouterr().err


MODULE = """
from ttc_agents.models import FactorGraphNetwork
from ttc_agents.training.recipe import Recipe

class Mine(FactorGraphNetwork):
    training_defaults = {"updates": 2, "batch_size": 4, "segment_steps": 2,
                         "precision": "float32", "model_options": {"width": 8}}

OWN = Recipe(name="own", description="", env_id="ttc/Sudoku4-v0", model="my_nets:Mine",
             level="easy", updates=2)
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """A module with a model and a recipe of a user's own, in the working directory."""
    (tmp_path / "my_nets.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    yield "my_nets"
    for name in [name for name in sys.modules if "my_nets" in name]:
        del sys.modules[name]


def test_a_model_of_the_users_is_trained_and_evaluated(nets, capsys, tmp_path, complaint):
    arguments = ["--env", "ttc_envs:ttc/Sudoku4-v0", "--model", f"{nets}:Mine", "--device", "cpu"]
    assert main(["train", *arguments, "--out", "run", "--level", "easy"]) == 0
    *_, line = capsys.readouterr().out.splitlines()
    assert line == f"next: ttc evaluate run --import {nets}"
    del sys.modules[nets]
    words = ["evaluate", "run", "--count", "2", "--steps", "1", "--no-classical", "--level", "easy"]
    assert f"--import {nets}" in complaint(*words)
    assert main([*words, *line.split()[4:]]) == 0
    assert "P1: one trajectory" in capsys.readouterr().out


def test_a_recipe_of_a_module_or_a_file(nets, printed):
    assert printed(f"{nets}:OWN").name == "own"
    assert printed(f"{nets}.py:OWN") == printed(f"{nets}:OWN")


def test_puzzles_of_ones_own_are_a_level(printed, tmp_path, puzzles):
    path = tmp_path / "mine.txt"
    path.write_text("\n".join(puzzles))
    recipe = printed("sudoku4-demo", "--puzzles", str(path))
    assert (recipe.task, recipe.level) == ({"puzzles": str(path)}, "own")
    both = printed("sudoku4-demo", "--puzzles", str(path), "--level", "own,easy")
    assert both.levels() == ("own", "easy")
    assert recipe.env_id == "ttc/Sudoku4-v0"


def test_puzzles_of_ones_own_are_trained_on(task, tmp_path, capsys):
    import numpy as np

    from ttc_envs import spell_puzzle

    path, out = tmp_path / "mine.txt", tmp_path / "run"
    drawn = task.sample(np.arange(60, dtype=np.uint64), "givens=6").fields["givens"]
    path.write_text("\n".join(spell_puzzle(givens) for givens in drawn))
    settings = ["--set", *SMALL, "updates=2"]
    arguments = ["train", "sudoku4-demo", "--puzzles", str(path), *settings, "--device", "cpu"]
    assert main([*arguments, "--out", str(out)]) == 0
    assert "2 updates" in capsys.readouterr().out
    config = checkpoint.load_config(out)
    assert config["task"] == {"puzzles": str(path)}
    assert checkpoint.load_task(out, "test").sample(np.arange(2, dtype=np.uint64), "own")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sudoku4-demo", "--env", "ttc/Sudoku4-v0"], "either a RECIPE, or --env and --model"),
        (["--env", "ttc/Sudoku4-v0"], "--env and --model belong together"),
        (["--model", "transformer"], "--env and --model belong together"),
        (["--env", "ttc/Chess-v0", "--model", "transformer"], "Chess"),
        (["--env", "ttc/Sudoku4-v0", "--model", "oracle"], "no model 'oracle'"),
        (["--env", "ttc/Sudoku4-v0", "--model", "nowhere:Net"], "no module 'nowhere'"),
        (
            ["--env", "ttc/Sudoku4-v0", "--model", "json:loads"],
            "a subclass of RefinementModel",
        ),
        (["sudoku4-demo", "--set", "patience=3"], "no 'patience'"),
        (["sudoku4-demo", "--set", "batch_size"], "expected FIELD=VALUE"),
        (["sudoku4-demo", "--set", "batch_size=many"], "batch_size must be int, got 'many'"),
        (["sudoku4-demo", "--set", "optimizer=luck"], "no optimizer 'luck'"),
        (["sudoku4-demo", "--set", "objective=luck"], "no objective 'luck'"),
        (["sudoku4-demo", "--set", "model_options.depth=3"], "'depth'"),
        (["sudoku4-demo", "--set", "task.deep=3"], "'deep'"),
        (["sudoku4-demo", "--level", "impossible"], "impossible"),
        (["sudoku4-demo", "--seconds", "2", "--updates", "2"], "exclude each other"),
        (["sudoku4-demo", "--device", "warp"], "'warp'"),
        (["sudoku4-demo", "--resume", "--overwrite"], "exclude each other"),
        (["sudoku4-demo", "--resume"], "nothing to resume"),
        (["sudoku4-demo", "--puzzles", "nowhere.csv"], "nowhere.csv"),
        (["sorting-cpu-3min", "--puzzles", "nowhere.csv"], "'puzzles'"),
        (["nowhere.toml"], "nowhere.toml"),
    ],
)
def test_what_train_refuses(words, message, tmp_path, complaint):
    assert message in complaint("train", *words, "--out", str(tmp_path / "run"))


def test_a_training_of_a_moment_draws_no_bar(tmp_path, monkeypatch, capsys):
    drawn = []
    monkeypatch.setattr(ProgressBar, "show", lambda self, metrics, done: drawn.append(metrics))
    settings = ["--set", *SMALL, "updates=2"]
    assert main(["train", "sudoku4-demo", *settings, "--out", str(tmp_path)]) == 0
    assert drawn[-1]["update"] == 2
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_a_graph_and_a_network_on_it_are_learnt_from_raw_digits(tmp_path, document):
    assert main(["train", "learned-graph-4x4", "--out", str(tmp_path), "--json"]) == 0
    found = document()
    assert found["edge_precision"] == found["edge_recall"] == 1
    assert found["solved"] >= 0.995
    assert found["seconds"] > 0
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "graph.gif").read_bytes().startswith(b"GIF")
