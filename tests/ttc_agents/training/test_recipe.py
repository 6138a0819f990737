"""Recipes as data: documents, settings, TOML, and what is refused."""

import dataclasses
import json
import re

import pytest

from ttc_agents.training.recipe import Recipe, read_recipe, read_value, toml
from ttc_agents.training.recipes import RECIPES
from ttc_agents.training.schedule import Length

NEEDED = {
    "name": "mine",
    "description": "of a test",
    "env_id": "ttc/Sudoku4-v0",
    "model": "factor_graph_network",
    "level": "minimal",
}


@pytest.mark.parametrize(
    "change",
    [
        {"seconds": 1.0},
        {"updates": 0},
        {"batch_size": 0},
        {"segment_steps": 0},
        {"backward_every": 0},
        {"alarm_every": 0},
        {"restart": 0.0},
        {"random_start": 1.5},
        {"updates": None},
        {"precision": "float8"},
        {"compile": "perhaps"},
        {"target": "luck"},
        {"ema": 1.0},
        {"clip": 0.0},
        {"learning_rate": float("nan")},
    ],
)
def test_impossible_numbers_are_refused(tiny, change):
    (name,) = change
    with pytest.raises(ValueError, match="got") as refusal:
        dataclasses.replace(tiny, **change)
    assert name in str(refusal.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_size", "four"),
        ("batch_size", 4.0),
        ("batch_size", True),
        ("learning_rate", "0.1"),
        ("learning_rate", None),
        ("forcing", 1),
        ("level", 3),
        ("task", [1]),
        ("model_options", None),
        ("precision", 32),
        ("first", 1),
        ("alarm_every", 2.5),
    ],
)
def test_wrong_types_are_refused(field, value):
    with pytest.raises(ValueError, match=f"{field} must be .*, got {re.escape(repr(value))}"):
        Recipe.from_json({**NEEDED, "updates": 3, field: value})


def test_whole_numbers_do_for_real_ones(tiny):
    assert dataclasses.replace(tiny, learning_rate=1, clip=2).clip == 2


def test_the_length_and_the_levels(tiny):
    assert tiny.length == Length(updates=6)
    assert tiny.replaced(seconds=2.5).length == Length(seconds=2.5)
    assert tiny.replaced(level="easy,givens=8").levels() == ("easy", "givens=8")


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("file:/a,b.csv", ("file:/a,b.csv",)),
        ("easy,givens=8,file:/a,b.csv", ("easy", "givens=8", "file:/a,b.csv")),
        ("file:/a,b.csv,file:c,,d", ("file:/a,b.csv", "file:c,,d")),
        ("minimal,profile:x", ("minimal", "profile:x")),
    ],
)
def test_the_path_of_a_level_is_not_split_at_its_commas(tiny, text, levels):
    assert tiny.replaced(level=text).levels() == levels


# Documents


def test_what_a_document_lacks_has_its_default():
    recipe = Recipe.from_json({**NEEDED, "seconds": 3})
    assert recipe == Recipe(**NEEDED, seconds=3)
    assert (recipe.optimizer, recipe.batch_size, recipe.task) == ("adamw", 16, {})


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            {**NEEDED, "seconds": 3, "patience": 2},
            "no 'patience', it has alarm_every, backward_every, batch_size",
        ),
        ({"name": "mine", "seconds": 3}, "not a recipe: .*'env_id'"),
        (NEEDED, "either seconds or updates, got neither"),
        ({**NEEDED, "seconds": 3, "updates": 3}, "expected one of seconds"),
    ],
)
def test_what_is_no_recipe_is_refused(document, message):
    with pytest.raises(ValueError, match=message):
        Recipe.from_json(document)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_every_recipe_survives_json_and_toml(tmp_path, recipe):
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    path = tmp_path / "recipe.toml"
    path.write_text(recipe.to_toml(), encoding="utf-8")
    assert read_recipe(path) == recipe


def test_any_words_survive_toml(tiny, tmp_path):
    awkward = tiny.replaced(
        description='a "quoted" path C:\\new, an ä and\na second line',
        task={"cities": "state=TX", "a key": [1, 2.5, True, "x", {"deep": []}], "none": {}},
    )
    path = tmp_path / "awkward.toml"
    path.write_text(awkward.to_toml(), encoding="utf-8")
    assert read_recipe(path) == awkward
    with pytest.raises(ValueError, match="TOML has no word for null"):
        tiny.replaced(task={"split": None}).to_toml()
    assert toml([1, {"a": "b"}]) == '[1, { "a" = "b" }]'


def test_a_file_needs_no_name_and_its_mistakes_name_it(tmp_path):
    path = tmp_path / "short.toml"
    lines = [f'{name} = "{NEEDED[name]}"' for name in ("env_id", "model", "level")]
    path.write_text("\n".join([*lines, "updates = 3"]))
    recipe = read_recipe(path)
    assert (recipe.name, recipe.description) == ("short", str(path))
    path.write_text("\n".join([*lines, "updates = 3", "hope = 1"]))
    with pytest.raises(ValueError, match=r"short\.toml: a recipe has no 'hope'"):
        read_recipe(path)
    path.write_text("updates = ")
    with pytest.raises(ValueError, match=r"short\.toml: "):
        read_recipe(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"short\.toml: "):
        read_recipe(path)
    with pytest.raises(FileNotFoundError):
        read_recipe(tmp_path / "nowhere.toml")


# What differs


def test_differences_are_those_of_the_documents(tiny):
    mine = tiny.replaced(model_options={"depths": (0, 4), "width": 8})
    saved = tiny.replaced(model_options={"depths": [0, 4], "width": 8}).to_json()
    assert mine.differences(saved) == {}
    saved["model_options"] = {"depths": [0, 5], "width": 8}
    assert mine.differences(saved) == {
        "model_options": ({"depths": [0, 5], "width": 8}, {"depths": [0, 4], "width": 8})
    }


def test_words_and_the_length_make_no_difference(tiny):
    other = tiny.replaced(name="other", description="in other words", seconds=5.0)
    assert tiny.differences(other.to_json()) == {}
    assert tiny.differences(tiny.replaced(seed=1, clip=2.0).to_json()) == {
        "clip": (2.0, 1.0),
        "seed": (1, 0),
    }


def test_a_document_of_before_a_field_has_its_default(tiny):
    saved = tiny.to_json()
    del saved["random_start"]
    assert tiny.differences(saved) == {}
    assert tiny.replaced(random_start=0.5).differences(saved) == {"random_start": (0.0, 0.5)}


# What is changed


def test_lengths_replace_each_other(tiny):
    assert tiny.replaced(seconds=3.0).updates is None
    assert tiny.replaced(seconds=3.0).replaced(updates=2).length == Length(updates=2)
    assert tiny.replaced(seconds=None) == tiny
    with pytest.raises(ValueError, match="expected one of"):
        tiny.replaced(seconds=3.0, updates=2)
    with pytest.raises(ValueError, match="a recipe has no 'patience'"):
        tiny.replaced(patience=3)


def test_settings_change_fields_and_single_options(tiny):
    settings = [
        "batch_size=32",
        "learning_rate=1e-2",
        "level=easy",
        "model_options.width=64",
        "model_options.inner.width=4",
        "task.split=validation",
        "forcing=true",
    ]
    expected = dataclasses.replace(
        tiny,
        batch_size=32,
        learning_rate=0.01,
        level="easy",
        model_options={**tiny.model_options, "width": 64, "inner": {"width": 4}},
        task={"split": "validation"},
        forcing=True,
    )
    before = tiny.to_json()
    assert tiny.changed(settings) == expected
    assert tiny.to_json() == before
    assert tiny.changed([]) == tiny
    assert tiny.changed(['model_options={"width": 3}']).model_options == {"width": 3}


def test_none_clears_and_lengths_replace_each_other(tiny):
    alarmed = tiny.replaced(alarm_every=5, first="graph-4x4")
    assert alarmed.changed(["alarm_every=none", "first=None"]) == tiny
    assert tiny.changed(["seconds=4"]).length == Length(seconds=4)
    assert tiny.changed(["seconds=4"]).changed(["updates=2"]).length == Length(updates=2)
    assert tiny.changed(["seconds=none"]) == tiny


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("patience=2", "no 'patience'"),
        ("patience.of=2", "no 'patience'"),
        ("batch_size", "expected FIELD=VALUE, got 'batch_size'"),
        ("=3", "expected FIELD=VALUE"),
        ("batch_size=many", "batch_size must be int, got 'many'"),
        ("level=3", "level must be str, got 3"),
        ("level.deep=3", "level holds no entries"),
        ("model_options.width.deep=3", "width holds no entries"),
        ("ema=2", r"ema must be in \[0, 1\), got 2"),
        ("updates=none", "got neither"),
    ],
)
def test_what_a_setting_may_not_be(tiny, setting, message):
    with pytest.raises(ValueError, match=message):
        tiny.changed([setting])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-3", 0.001),
        ("true", True),
        ("None", None),
        ("none", None),
        ("[0, 4]", [0, 4]),
        ("givens=17..34", "givens=17..34"),
        ('"3"', "3"),
        ("", ""),
    ],
)
def test_values_of_a_command_line(text, value):
    found = read_value(text)
    assert (found, type(found)) == (value, type(value))
