"""Recipes by name, and out of the defaults of a model."""

import dataclasses

import pytest

from ttc_agents.models import MODELS, make_model
from ttc_agents.training.recipe import Recipe
from ttc_agents.training.recipes import (
    MEASURED,
    RECIPES,
    as_equilibrium,
    default_recipe,
    find_recipe,
    measured,
)
from ttc_envs import make_task

CODE = (
    "from ttc_agents.training.recipe import Recipe\n"
    "OWN = Recipe(name='own', description='', env_id='ttc/Sudoku4-v0', level='easy',\n"
    "             model='factor_graph_network', updates=3)\n"
    "OTHER = 3\n"
)


def test_names_are_the_keys():
    assert all(name == recipe.name for name, recipe in RECIPES.items())
    assert all(recipe.description for recipe in RECIPES.values())


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_recipes_name_what_exists(recipe):
    task = make_task(recipe.env_id, **recipe.task)
    for level in recipe.levels():
        task.level_index(level)
    assert recipe.model in MODELS
    assert recipe.first is None or recipe.first in RECIPES
    if recipe.first is None and "gpu" not in recipe.name:
        make_model(recipe.model, task.spec, recipe.model_options)


def test_a_recipe_is_found_by_name_module_file_and_toml(module, tmp_path, monkeypatch):
    assert find_recipe("sudoku4-demo") is RECIPES["sudoku4-demo"]
    assert find_recipe(RECIPES["sudoku4-demo"]) is RECIPES["sudoku4-demo"]
    name = module("my_recipes", CODE)
    own = find_recipe(f"{name}:OWN")
    assert own.name == "own"
    path = tmp_path / "files" / "further.py"
    path.parent.mkdir()
    path.write_text(CODE)
    assert find_recipe(f"{path}:OWN") == own
    monkeypatch.chdir(path.parent)
    assert find_recipe("further.py:OWN") == own
    (tmp_path / "own.toml").write_text(own.to_toml())
    assert find_recipe(str(tmp_path / "own.toml")) == own


def test_what_is_no_recipe_is_refused(module, tmp_path):
    name = module("my_recipes", CODE)
    for wanted, message in (
        ("no-such", "no recipe 'no-such', expected one of sudoku4-demo, .* or module:NAME"),
        (f"{name}:OTHER", "expected a Recipe, got 3"),
        (f"{name}:NOTHING", "my_recipes has no 'NOTHING'"),
        ("nowhere_at_all:OWN", "there is no module 'nowhere_at_all'"),
        (f"{tmp_path}/nowhere.py:OWN", "there is no module"),
    ):
        with pytest.raises(ValueError, match=message):
            find_recipe(wanted)
    with pytest.raises(FileNotFoundError):
        find_recipe(str(tmp_path / "nowhere.toml"))
    with pytest.raises(ValueError, match="expected a Recipe, got 3"):
        find_recipe(3)


def test_the_recipe_of_a_model_on_an_environment(monkeypatch):
    monkeypatch.setattr(MODELS["factor_graph_network"], "training_defaults", {})
    recipe = default_recipe("ttc/Sudoku4-v0", "factor_graph_network")
    assert (recipe.name, recipe.seconds, recipe.updates) == ("factor_graph_network", 120.0, None)
    assert recipe.levels() == tuple(make_task("ttc/Sudoku4-v0").spec.levels)
    assert recipe == Recipe(
        name="factor_graph_network",
        description="factor_graph_network on ttc/Sudoku4-v0",
        env_id="ttc/Sudoku4-v0",
        model="factor_graph_network",
        level=recipe.level,
        seconds=120.0,
        compile="off",
    )


def test_nothing_is_trained_on_extreme_puzzles_where_no_level_is_named():
    levels = default_recipe("ttc/Sudoku-v0", "factor_graph_network").levels()
    assert levels == ("easy", "medium", "hard", "minimal")


def test_a_model_says_what_suits_it(monkeypatch):
    kind = MODELS["transformer"]
    suits = {"learning_rate": 1e-3, "updates": 50, "model_options": {"width": 8, "heads": 1}}
    monkeypatch.setattr(kind, "training_defaults", suits)
    recipe = default_recipe("ttc/Sorting-v0", "transformer")
    assert (recipe.seconds, recipe.updates, recipe.learning_rate) == (None, 50, 1e-3)
    assert recipe.model_options == {"width": 8, "heads": 1}
    monkeypatch.setattr(kind, "training_defaults", {"seconds": 9.0})
    assert default_recipe("ttc/Sorting-v0", "transformer").seconds == 9.0


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_a_recipe_where_none_is_named(begun, model):
    ids = ("ttc/Sudoku4-v0", "ttc/ShortestPathUSA-v0")
    env_id = next(i for i in ids if MODELS[model].supports(make_task(i).spec) is None)
    recipe = default_recipe(env_id, model)
    small = {"batch_size": 2, "segment_steps": 2, "precision": "float32", "compile": "off"}
    if env_id == ids[1]:
        small["task"] = {"cities": "spread=32", "slots": 24}
    training = begun(recipe, **small)
    metrics = training.update(0.0)
    assert metrics["loss"].isfinite()
    assert training.updates == 1


def test_a_model_of_the_users_is_trained(module, begun):
    name = module(
        "my_model",
        "from ttc_agents.models import FactorGraphNetwork\n"
        "class Mine(FactorGraphNetwork):\n"
        "    training_defaults = {'updates': 2, 'batch_size': 4, 'segment_steps': 2,\n"
        "                         'precision': 'float32'}\n",
    )
    recipe = default_recipe("ttc_envs:ttc/Sudoku4-v0", f"{name}:Mine")
    assert (recipe.name, recipe.model) == ("Mine", "my_model:Mine")
    training = begun(dataclasses.replace(recipe, level="easy"))
    training.update(0.0)
    assert type(training.model).__name__ == "Mine"


@pytest.mark.parametrize(
    ("env_id", "model", "message"),
    [
        ("ttc/Sudoku4-v0", "oracle", "no model 'oracle'"),
        ("ttc/Chess-v0", "transformer", "Chess"),
    ],
)
def test_what_does_not_exist_is_named(env_id, model, message):
    with pytest.raises(ValueError, match=message):
        default_recipe(env_id, model)


def test_a_recipe_is_as_fast_as_measured_only_as_it_was_measured():
    recipe = RECIPES["sudoku9-cpu-2min"]
    assert set(MEASURED) <= set(RECIPES)
    assert measured(recipe) == measured(recipe.replaced(seconds=5, seed=3)) == 12.5
    assert measured(recipe.replaced(batch_size=64)) is None
    assert measured(recipe.replaced(name="mine")) is None


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("sudoku4-demo", {}),
        ("sudoku4-rrn", {"model_options": {"width": 8, "message_layers": 1}}),
        ("sorting-transformer", {"task": {"size": 6}}),
        ("sorting-cpu-2min", {"task": {"size": 6}, "frozen": ""}),
    ],
)
def test_any_model_is_trained_as_its_equilibrium(begun, name, changes):
    recipe = RECIPES[name].replaced(**changes, batch_size=4, updates=3, precision="float32")
    solved = as_equilibrium(recipe)
    assert solved.model == "equilibrium"
    assert solved.model_options["inner"]["options"] == recipe.model_options
    assert solved.restart == min(recipe.restart, 0.15)
    assert (solved.level, solved.task, solved.optimizer) == (
        recipe.level,
        recipe.task,
        recipe.optimizer,
    )
    metrics = begun(solved).update(0.0)
    assert metrics["loss"].isfinite()
    assert "settled" in metrics


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("city-lstm-cpu-20min", {}, "recurrent_path: it writes an answer slot by slot"),
        ("sudoku4-demo", {"forcing": True}, "a recipe with forcing=True"),
        ("sorting-adjacent-cpu-2min", {}, "a recipe with target='improve'"),
        ("sudoku4-energy", {}, "energy: it descends an energy"),
        ("graph-4x4", {}, "adjacency_learner: it draws graphs in training"),
        ("sudoku4-deq", {}, "equilibrium: it is an equilibrium already"),
        ("sorting-cpu-2min", {}, "a recipe with frozen='logits.shift'"),
        ("sudoku4-demo", {"first": "sudoku4-demo"}, "a recipe with first='sudoku4-demo'"),
    ],
)
def test_what_has_no_equilibrium_says_why(name, changes, message):
    with pytest.raises(ValueError, match=f"no equilibrium of {message}"):
        as_equilibrium(RECIPES[name].replaced(**changes))
