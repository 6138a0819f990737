"""The documentation: every page can be reached, and it builds without a warning."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


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
