"""Things by name: ours, those of modules and of files."""

import json
import pickle
import sys

import pytest

from ttc_agents.names import check_imported, find, load_module

TABLE = {"ours": 1, "other": 2}
CODE = """
from dataclasses import dataclass


@dataclass(frozen=True)
class Thing:
    size: int = 3


THING = Thing()
"""


@pytest.fixture(autouse=True)
def forgotten(tmp_path):
    """What a test imports is forgotten after it."""
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The name of a module that nobody has imported."""
    (tmp_path / "brought_along.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    return "brought_along"


@pytest.fixture
def file(tmp_path):
    """A file of code elsewhere than on the path."""
    path = tmp_path / "folder" / "loose_code.py"
    path.parent.mkdir()
    path.write_text(CODE)
    return path


def test_a_key_of_the_table_comes_first(module):
    assert find("thing", "other", TABLE) == 2
    assert find("thing", f"{module}:THING", {f"{module}:THING": 5}) == 5
    assert module not in sys.modules


def test_a_module_is_imported(module):
    found = find("thing", f"{module}:THING", TABLE)
    assert found.size == 3
    assert found is sys.modules[module].THING
    assert find("thing", "os.path:join", TABLE)("a", "b") == "a/b"


def test_a_file_is_run_once(file):
    found = find("thing", f"{file}:THING", TABLE)
    assert found == find("thing", f"{file}:Thing", TABLE)(3)
    assert find("thing", f"{file}:THING", TABLE) is found
    assert pickle.loads(pickle.dumps(found)) == found


def test_a_module_by_itself(module, file):
    assert load_module("it", module) is sys.modules[module]
    assert load_module("it", str(file)).THING is find("thing", f"{file}:THING", {})
    with pytest.raises(ValueError, match="it: there is no module 'no_such_module'"):
        load_module("it", "no_such_module")


def test_a_file_is_the_same_by_any_path(file, monkeypatch):
    found = find("thing", f"{file}:THING", TABLE)
    monkeypatch.chdir(file.parent)
    assert find("thing", "loose_code.py:THING", TABLE) is found
    assert find("thing", "./loose_code.py:THING", TABLE) is found


def test_a_file_that_fails_is_run_again(file):
    file.write_text("raise OSError('no such luck')")
    with pytest.raises(OSError, match="no such luck"):
        find("thing", f"{file}:THING", TABLE)
    file.write_text(CODE)
    assert find("thing", f"{file}:THING", TABLE).size == 3


def test_files_of_one_name_are_told_apart(file, tmp_path):
    """The plans of two experiments are both called `preset.py`."""
    other = tmp_path / "loose_code.py"
    other.write_text("THING = 'the other one'")
    assert find("thing", f"{file}:THING", TABLE).size == 3
    assert find("thing", f"{other}:THING", TABLE) == "the other one"
    assert find("thing", f"{file}:THING", TABLE).size == 3


def test_a_file_called_like_a_module_does_not_replace_it(tmp_path):
    path = tmp_path / "json.py"
    path.write_text("THING = 7")
    assert find("thing", f"{path}:THING", TABLE) == 7
    assert sys.modules["json"] is json
    assert find("thing", "json:loads", TABLE) is json.loads


def test_without_leave_a_module_has_to_be_imported_already(module):
    with pytest.raises(
        ValueError, match=rf"the module '{module}', which is not .*--import {module}"
    ):
        find("thing", f"{module}:THING", TABLE, import_modules=False)
    assert module not in sys.modules
    find("thing", f"{module}:THING", TABLE)
    assert find("thing", f"{module}:THING", TABLE, import_modules=False).size == 3
    assert find("thing", "ours", TABLE, import_modules=False) == 1


def test_without_leave_a_file_has_to_be_run_already(file):
    with pytest.raises(ValueError, match="which is not imported"):
        find("thing", f"{file}:THING", TABLE, import_modules=False)
    assert str(file) not in sys.modules
    find("thing", f"{file}:THING", TABLE)
    assert find("thing", f"{file}:THING", TABLE, import_modules=False).size == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nobody", "no thing 'nobody', expected one of ours, other, or module:NAME of your own"),
        ("no_such_module:X", "no thing .*: there is no module 'no_such_module'"),
        ("os.no_such_part:X", "no thing .*: there is no module 'os.no_such_part'"),
        ("os:no_such_name", "no thing 'os:no_such_name': os has no 'no_such_name'"),
        ("/no/such/file.py:X", "no thing .*: there is no module '/no/such/file.py'"),
        (":X", "no thing ':X'"),
        (".here:X", "no thing .*: there is no module '.here'"),
    ],
)
def test_unknown_names_are_refused(name, message):
    with pytest.raises(ValueError, match=message):
        find("thing", name, TABLE)


def test_an_empty_table_is_not_named():
    with pytest.raises(ValueError, match="no plan 'nobody', expected module:NAME of your own"):
        find("plan", "nobody", {})


def test_what_a_module_of_the_users_lacks_is_not_hidden(module, tmp_path):
    (tmp_path / f"{module}.py").write_text("import a_package_that_is_missing")
    with pytest.raises(ModuleNotFoundError, match="a_package_that_is_missing"):
        find("thing", f"{module}:THING", TABLE)
    (tmp_path / f"{module}.py").write_text("import brought")
    with pytest.raises(ModuleNotFoundError, match="'brought'"):
        find("thing", f"{module}:THING", TABLE)


def test_a_file_that_a_file_of_the_users_lacks_is_not_hidden(file):
    file.write_text("open('no_such_data.csv')")
    with pytest.raises(FileNotFoundError, match="no_such_data"):
        find("thing", f"{file}:THING", TABLE)


def test_imported_modules_are_let_through():
    check_imported("the thing", "os.path")
    with pytest.raises(
        ValueError, match=r"the thing stands in the module 'no\.such'.*`import no\.such`"
    ):
        check_imported("the thing", "no.such")
