"""The lowest versions that pyproject.toml allows."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("lowest", ROOT / "scripts" / "lowest_versions.py")
script = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(script)


def test_bounds_are_read_and_of_several_the_highest_counts():
    requirements = ["torch>=2.8,<3", "tyro >= 0.9.1", "ray[rllib]>=2.10", "ray>=2.9"]
    assert script.lowest(requirements) == {"torch": "2.8", "tyro": "0.9.1", "ray": "2.10"}


@pytest.mark.parametrize("requirement", ["torch", "torch<3", "torch==2.8"])
def test_a_dependency_without_a_lower_bound_is_named(requirement):
    with pytest.raises(ValueError, match=f"expected NAME>=VERSION, got '{requirement}'"):
        script.lowest([requirement])


def test_every_dependency_of_this_package_has_one(capsys):
    assert script.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(re.fullmatch(r"[\w.-]+==[\d.]+", line) for line in lines)
    assert "gymnasium==1.4" in lines


def test_a_version_may_be_replaced_and_nothing_else_may(capsys):
    assert script.main(["torch==2.13.0"]) == 0
    assert "torch==2.13.0" in capsys.readouterr().out.splitlines()
    for wrong in ("torch", "numpi==1.26"):
        with pytest.raises(SystemExit):
            script.main([wrong])
        assert f"of a dependency, got {wrong!r}" in capsys.readouterr().err
