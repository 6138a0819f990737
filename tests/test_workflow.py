"""The workflow of the forge does what the Makefile does."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
JOBS = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))["jobs"]


def test_its_steps_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    called = set()
    for job in JOBS.values():
        matrix = job.get("strategy", {}).get("matrix", {})
        for step in (step["run"] for step in job["steps"] if "run" in step):
            (word,) = re.fullmatch(r"make (\S+|\$\{\{ matrix\.target \}\})", step).groups()
            called |= set(matrix["target"]) if "matrix" in word else {word}
    assert {"check", "test", "test-lowest", "test-newest", "audit", "trust"} <= called <= targets


def test_it_tests_every_python_that_the_package_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = {c.split()[-1] for c in project["classifiers"] if re.search(r":: 3\.\d+$", c)}
    assert named <= set(JOBS["test"]["strategy"]["matrix"]["python"])
    assert project["requires-python"] == ">=3.11"
