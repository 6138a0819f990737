"""What config.json says: formats, tasks, and modules that it may name."""

import dataclasses
import json
import sys

import numpy as np
import pytest

from ttc_agents.inference.checkpoint import (
    WEIGHTS,
    load_config,
    load_model,
    load_task,
    save_model,
    shipped,
    split_task,
)
from ttc_agents.inference.config import FORMAT, migrated, read_config
from ttc_agents.models import FactorGraphNetwork, RelationalNetwork, make_model
from ttc_agents.training.recipe import Recipe
from ttc_envs import SudokuTask, TaskSpec

OPTIONS = {"width": 8, "message_width": 8, "hidden_width": 8}
CONFIG = {
    "model": "factor_graph_network",
    "model_options": OPTIONS,
    "env_id": "ttc/Sudoku4-v0",
    "task": {},
}
CODE = """
import ttc_envs
from ttc_agents.inference.config import FORMAT, migrated, read_config
from ttc_agents.models import FactorGraphNetwork


class Net(FactorGraphNetwork):
    pass


ttc_envs.register("own/Mini-v0", ttc_envs.SudokuTask, size=4)
"""


def written(name):
    """A shipped config as it lies in the package."""
    return json.loads((WEIGHTS / name / "config.json").read_text())


@pytest.fixture
def save(tmp_path, task):
    """Writes a checkpoint whose config has some entries replaced."""

    def saved(**changes):
        model = FactorGraphNetwork(task.spec, **OPTIONS)
        save_model(tmp_path, model.state_dict(), task.spec, {**CONFIG, **changes})
        return tmp_path

    return saved


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of the user's with a model and an id, which nobody has imported."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "own_package.py").write_text(CODE)
    monkeypatch.syspath_prepend(folder)
    yield "own_package"
    sys.modules.pop("own_package", None)


# Formats


def test_eight_checkpoints_ship():
    assert shipped() == [
        "shortest-path-cpu",
        "sorting-adjacent-cpu",
        "sorting-cpu",
        "sudoku-best",
        "sudoku-cpu",
        "sudoku-deq-cpu",
        "sudoku-energy-cpu",
        "sudoku-learned-graph-cpu",
    ]


@pytest.mark.parametrize("name", shipped())
def test_shipped_configs_say_the_same_in_the_present_format(name):
    there = written(name)
    config = load_config(name)
    assert config.pop("digests").keys() == {"model.safetensors"}
    assert config == {k: v for k, v in there.items() if k not in ("digest", "digests")}
    assert config["format"] == FORMAT
    assert config["recipe"]["optimizer"] in ("muon", "adamw")


@pytest.mark.parametrize("rate", [0.015, None])
def test_format_1_chose_the_optimizer_by_a_rate(rate):
    before = {"format": 1, "model": "mine", "recipe": {"matrix_learning_rate": rate, "clip": 1.0}}
    copied = json.loads(json.dumps(before))
    chosen = {"optimizer": "muon", "matrix_learning_rate": rate} if rate else {"optimizer": "adamw"}
    after = migrated(before)
    assert after == {
        "format": FORMAT,
        "model": "mine",
        "digests": {},
        "recipe": {"clip": 1.0, **chosen},
    }
    # What was read is left alone.
    assert before == copied
    assert migrated(after) == after


@pytest.mark.parametrize("name", shipped())
def test_the_recipes_of_shipped_configs_can_be_read(name):
    saved = load_config(name)["recipe"]
    recipe = Recipe.from_json(saved)
    assert (recipe.name, recipe.env_id) == (saved["name"], written(name)["env_id"])
    assert recipe.differences(saved) == {}
    assert "seed" in dataclasses.replace(recipe, seed=recipe.seed + 1).differences(saved)


def test_new_configs_are_of_the_present_format(save):
    directory = save(recipe={"matrix_learning_rate": 0.5, "optimizer": "adamw"})
    assert json.loads((directory / "config.json").read_text())["format"] == FORMAT
    assert load_config(directory)["recipe"]["optimizer"] == "adamw"


def test_a_config_without_a_recipe_is_migrated_too():
    for form in (1, 2):
        before = {"format": form, "model": "mine"}
        assert migrated(before) == {"format": FORMAT, "model": "mine", "digests": {}}


@pytest.mark.parametrize(
    "change",
    [
        {"recipe": 3, "format": 1},
        {"model": []},
        {"model": None},
        {"env_id": 7},
        {"task": []},
        {"model_options": [1]},
        {"spec": 3},
        {"sources": []},
        {"digests": []},
        {"updates": -5},
        {"updates": 1.5},
        {"updates": True},
        {"rollbacks": "1"},
        {"seconds": -1.0},
        {"seconds": float("nan")},
        {"seconds": None},
        {"format": True},
        {"format": 2.0},
        {"format": "2"},
        {"format": []},
    ],
)
def test_entries_of_a_wrong_kind_are_a_damaged_file(save, change):
    path = save() / "config.json"
    config = {**read_config(path), "format": 2, **change}
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"config\.json: .*(must be|no model|not|format)"):
        load_model(path.parent)


# Tasks


@pytest.mark.parametrize("name", shipped())
def test_the_task_of_a_shipped_checkpoint_fits_its_model(name):
    task = load_task(name, "test")
    model = load_model(name, spec=task.spec)
    assert task.spec.name == model.spec.name == written(name)["spec"]["name"]
    assert task.spec.to_json() == TaskSpec.from_json(written(name)["spec"]).to_json()
    assert not task.splits or task.split == "test"


def test_a_split_and_options_replace_those_of_the_training(save):
    directory = save(task={"split": "train"})
    assert load_task(directory).split == "train"
    assert load_task(directory, "validation").split == "validation"
    assert load_task("sorting-cpu", size=24).spec.num_nodes == 24
    assert load_task("sorting-cpu", "test").spec.num_nodes == 16
    with pytest.raises(ValueError, match=r"ttc/Sorting-v0 with .*'colour'"):
        load_task("sorting-cpu", colour="red")


def test_a_task_without_splits_draws_what_its_keys_say():
    assert split_task("ttc/Sudoku4-v0", {}, "test").split == "test"
    assert split_task("ttc/Sudoku4-v0", {"split": "train"}, None).split == "train"
    assert split_task("ttc/Sorting-v0", {"size": 5}, "test").spec.num_nodes == 5
    with pytest.raises(ValueError, match="split"):
        split_task("ttc/Sudoku4-v0", {}, "exam")


# Modules


@pytest.mark.parametrize(
    "change",
    [
        {"model": "own_package:Net"},
        {"env_id": "own_package:own/Mini-v0"},
        {
            "model": "equilibrium",
            "model_options": {"inner": {"model": "own_package:Net", "options": OPTIONS}},
        },
    ],
)
def test_a_file_is_no_reason_to_import_a_module(save, module, change):
    directory = save(**change)
    with pytest.raises(ValueError, match=r"config\.json.*not imported.*--import own_package"):
        load_model(directory)
    assert module not in sys.modules


def test_what_the_user_has_imported_is_found(save, module):
    directory = save(model="own_package:Net", env_id="own_package:own/Mini-v0")
    __import__(module)
    assert type(load_model(directory)).__name__ == "Net"
    assert load_task(directory).spec.num_nodes == 16
    inner = {"model": "own_package:Net", "options": OPTIONS}
    spec = SudokuTask(4).spec
    model = make_model("equilibrium", spec, {"inner": inner})
    directory = save()
    config = {**CONFIG, "model": "equilibrium", "model_options": {"inner": inner}}
    save_model(directory, model.state_dict(), spec, config)
    assert type(load_model(directory).inner).__name__ == "Net"


def test_a_module_that_the_package_uses_itself_gives_no_model(save):
    with pytest.raises(ValueError, match="expected a subclass of RefinementModel"):
        load_model(save(model="os:getcwd"))


# Sizes


def test_pointers_take_the_spec_that_they_are_to_work_on():
    large = load_task("sorting-cpu", size=40)
    model = load_model("sorting-cpu", spec=large.spec)
    assert isinstance(model, RelationalNetwork)
    assert model.spec.num_nodes == 40
    assert load_model("sorting-cpu").spec.num_nodes == 16
    assert len(large.sample(np.arange(2, dtype=np.uint64), "uniform").fields["numbers"][0]) == 40
