"""The documentation: every page can be reached, and it builds without a warning."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def test_every_page_stands_in_the_contents():
    index = (DOCS / "index.md").read_text("utf-8")
    listed = [
        line
        for tree in re.findall(r"```\{toctree\}\n(.*?)```", index, re.DOTALL)
        for line in tree.splitlines()
        if line and not line.startswith(":")
    ]
    pages = [*DOCS.glob("*.md"), *DOCS.glob("*/*.ipynb")]
    names = [page.relative_to(DOCS).with_suffix("").as_posix() for page in pages]
    assert sorted([*listed, "index"]) == sorted(names)


def test_all_files_name_one_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == version
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    sections = re.findall(r"^## \[(.*?)\](?: - (.*))?$", changelog, re.MULTILINE)
    assert sections[:2] == [("Unreleased", ""), (version, str(citation["date-released"]))]
    assert (DOCS / "release.md").read_text("utf-8").startswith(f"# What is new in {version}\n")


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("sphinx") is None, reason="needs the extra `docs`")
def test_the_site_builds_without_a_warning(tmp_path):
    command = (sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(DOCS), str(tmp_path))
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "RefinementModel" in (tmp_path / "api.html").read_text("utf-8")
    assert (tmp_path / "searchindex.js").is_file()  # the search box needs no server
    notebook = (tmp_path / "notebooks" / "longer.html").read_text("utf-8")
    assert 'src="data:image/png;base64,' in notebook
