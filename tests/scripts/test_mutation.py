"""Mutants: which there are, and that tests kill them or not."""

import ast
import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("mutation", ROOT / "scripts" / "mutation.py")
script = importlib.util.module_from_spec(SPEC)
sys.modules["mutation"] = script  # dataclasses look their module up
SPEC.loader.exec_module(script)

CODE = '''"""Text with 1 number."""

def grown(x: int = 2, flag: bool = True) -> float:
    if not flag and x < 3:
        return -x
    return x + 0.5
'''
TEST = """
from toy import grown

def test_it_grows():
    assert grown(1) == 1.5
    assert grown(2, False) == -2
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A file and its tests in a place of their own."""
    (tmp_path / "toy.py").write_text(CODE)
    (tmp_path / "test_toy.py").write_text(TEST)
    monkeypatch.setattr(script, "ROOT", tmp_path)
    monkeypatch.setattr(script, "TESTS", {"toy.py": ("test_toy.py",)})
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_operators_comparisons_conditions_and_numbers_are_changed(toy):
    changes = [mutant.change for mutant in script.mutants("toy.py")]
    assert changes == [
        "2 -> 3",
        "True -> False",
        "not flag and x < 3 -> not flag or x < 3",
        "not flag -> flag",
        "x < 3 -> x <= 3",
        "x < 3 -> x >= 3",
        "3 -> 4",
        "-x -> x",
        "x + 0.5 -> x - 0.5",
        "0.5 -> 1.5",
    ]


def test_a_mutant_differs_from_the_file_in_its_change_alone(toy):
    for mutant in script.mutants("toy.py"):
        before, after = mutant.change.split(" -> ")
        expected = ast.unparse(ast.parse(CODE)).replace(before, after, 1)
        assert ast.unparse(mutant.tree()) == expected
        compile(mutant.tree(), "toy.py", "exec")


def test_what_the_tests_do_not_see_survives(toy, capsys):
    assert script.main([]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    document = json.loads(last)
    assert (document["of"], document["mutants"], document["killed"]) == (10, 10, 7)
    assert document["by_file"] == {"toy.py": [7, 10]}
    survivors = {line.split(": ", 1)[1] for line in lines}
    assert survivors == {"2 -> 3", "x < 3 -> x <= 3", "3 -> 4"}


def test_tests_that_fail_by_themselves_are_an_error(toy):
    (toy / "test_toy.py").write_text("def test_it(): assert False")
    with pytest.raises(SystemExit, match=r"the tests of toy\.py fail without a change"):
        script.main(["--count", "1"])


def test_options_of_pytest_select_among_the_tests(toy, monkeypatch, capsys):
    other = TEST.replace("test_it_grows", "test_nothing").replace("assert", "assert True or")
    (toy / "test_toy.py").write_text(TEST + other.split("\n", 3)[3])
    monkeypatch.setattr(script, "TESTS", {"toy.py": ("test_toy.py", "-knothing")})
    assert script.main(["--count", "2"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["killed"] == 0


def test_quick_tests_come_first(toy, monkeypatch):
    (toy / "test_toy.py").write_text(
        "import time, toy\ndef test_slow(): time.sleep(0.2)\ndef test_quick(): toy.grown(1)\n"
    )
    monkeypatch.setattr(sys, "path", [str(toy), *sys.path])
    _, seconds = script.unchanged("toy.py")
    items = [SimpleNamespace(nodeid=name) for name in seconds]
    script.QuickFirst(seconds).pytest_collection_modifyitems(items)
    assert [item.nodeid.split("::")[1] for item in items] == ["test_quick", "test_slow"]


def test_the_files_and_their_tests_exist():
    for path, tests in script.TESTS.items():
        assert (ROOT / path).is_file()
        assert all((ROOT / name).is_file() for name in tests if not name.startswith("-k"))
