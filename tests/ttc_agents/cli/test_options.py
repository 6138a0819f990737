"""Options that commands share."""

import sys

import gymnasium
import pytest

from ttc_agents.cli import main
from ttc_agents.cli.options import Imports, parse_steps, task_options


@pytest.mark.parametrize("text", ["", "0", "1,,2", "-4", "1;2", "1.5", "²"])
def test_steps_are_positive_integers(text):
    with pytest.raises(ValueError, match="positive integers"):
        parse_steps(text)


def test_steps_are_sorted_once():
    assert parse_steps("16, 1,16,4") == (1, 4, 16)


def test_arguments_of_tasks_are_read_as_what_they_look_like():
    words = ["size=8", "view=adjacent", "radius_km=2.5", "spread=none", "deep=true", "cities=a=b"]
    assert task_options(words) == {
        "size": 8,
        "view": "adjacent",
        "radius_km": 2.5,
        "spread": None,
        "deep": True,
        "cities": "a=b",
    }


@pytest.mark.parametrize("word", ["size", "=3", "two words=3", "2=3"])
def test_an_argument_has_a_name_and_a_value(word):
    with pytest.raises(ValueError, match="expected NAME=VALUE"):
        task_options([word])


MODULE = """
from ttc_envs import register
from ttc_envs import SortingTask

class Backwards(SortingTask):
    pass

register("mine/Backwards-v0", Backwards, size=4)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of a user's own in the working directory, not yet imported."""
    (tmp_path / "my_tasks.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    yield "my_tasks"
    for name in [name for name in sys.modules if name.startswith("my_")]:
        del sys.modules[name]
    gymnasium.registry.pop("mine/Backwards-v0", None)


@pytest.mark.parametrize("name", ["my_tasks", "my_tasks.py", "./my_tasks.py"])
def test_modules_are_imported_before_all_else(module, name, document):
    arguments = ["play", "--env", "mine/Backwards-v0", "--count", "5", "--steps", "1,4", "--json"]
    assert main([*arguments, "--import", name]) == 0
    assert document()["rows"]["improve"]["uniform"]["4"]["solved"] == 1


def test_several_modules_are_imported_one_option_each(module, tmp_path, document):
    for name in ("my_first", "my_second"):
        (tmp_path / f"{name}.py").write_text("from math import pi as zeros\n")
    words = ["--import", "my_first", "--import", "my_second"]
    # The option takes one word: a policy may follow.
    assert main(["play", *words, "solve", "--env", "ttc/Sorting-v0", "--count", "1", "--json"]) == 0
    assert list(document()["rows"]) == ["solve"]
    assert {"my_first", "my_second"} <= set(sys.modules)


def test_modules_that_do_not_exist_are_one_line(module, complaint):
    for name in ("nowhere_at_all", "nowhere.py", "my_tasks.deeper"):
        line = complaint("play", "--env", "ttc/Sorting-v0", "--import", name)
        assert f"--import {name}: there is no module {name!r}" in line


def test_what_fails_in_a_module_of_the_users_is_a_traceback(module, tmp_path):
    (tmp_path / "my_tasks.py").write_text("import a_package_that_is_missing")
    with pytest.raises(ModuleNotFoundError, match="a_package_that_is_missing"):
        main(["play", "--env", "ttc/Sorting-v0", "--import", module])


def test_without_imports_nothing_happens():
    before = set(sys.modules)
    Imports().import_modules()
    assert set(sys.modules) == before
