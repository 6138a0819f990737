"""docs/models.md is current, and names every model and every id."""

import importlib.util
import re
from pathlib import Path

import pytest

from ttc_agents.models import MODELS
from ttc_envs import make_task, registered

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script():
    path = ROOT / "scripts/make_model_pages.py"
    spec = importlib.util.spec_from_file_location("make_model_pages", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current(script):
    written = (ROOT / "docs/models.md").read_text("utf-8")
    assert script.page() == written, "run python scripts/make_model_pages.py"


def test_the_table_says_what_models_say():
    page = (ROOT / "docs/models.md").read_text("utf-8")
    names = re.findall(r"`(\w+)`", page.split("\n|  |")[1].splitlines()[0])
    assert names == list(MODELS)
    for env_id in registered():
        row = re.search(rf"^\| `{env_id}` \|(.*)\|$", page, re.MULTILINE).group(1).split("|")
        spec = make_task(env_id).spec
        said = [model.supports(spec) is None for model in MODELS.values()]
        assert [cell.strip() == "yes" for cell in row] == said


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_an_equation_a_source_shapes_and_a_use(name):
    page = (ROOT / "docs/models.md").read_text("utf-8")
    section = page.split(f"\n## `{name}`\n")[1].split("\n## ")[0]
    assert re.search(r"^    .* = |^    .* <- ", section, re.MULTILINE)
    assert re.search(r"\b(19|20)\d\d\b", section)
    assert "Shapes:" in section
    assert "When to use it:" in section
