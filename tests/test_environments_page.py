"""docs/environments.md is current, and what the docstrings behind it say is true."""

import importlib.util
import inspect
import re
from pathlib import Path

import gymnasium as gym
import pytest
from PIL import Image

import ttc_envs

ROOT = Path(__file__).parents[1]
IDS = sorted(ttc_envs.registered())
SECTIONS = [
    "Description",
    "Action Space",
    "Observation Space",
    "Rewards",
    "Starting State",
    "Episode End",
    "Information",
    "Arguments",
    "Version History",
]


@pytest.fixture(scope="module")
def script():
    path = ROOT / "scripts/make_environment_pages.py"
    spec = importlib.util.spec_from_file_location("make_environment_pages", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sections(documented):
    """{title: text} of a docstring."""
    parts = re.split(r"^## (.*)\n", inspect.cleandoc(documented.__doc__), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def task_sections(env_id):
    return sections(type(ttc_envs.make_task(env_id)))


def test_the_page_is_current(script):
    written = (ROOT / "docs/environments.md").read_text("utf-8")
    assert script.page() == written, "run python scripts/make_environment_pages.py"


def test_the_page_has_all_ids_in_all_sections(script):
    page = (ROOT / "docs/environments.md").read_text("utf-8")
    for env_id in IDS:
        assert re.search(rf"^\| `{env_id}` \|", page, re.MULTILINE)
        assert re.search(rf"^\|  \|.* `{env_id}` \|", page, re.MULTILINE)
    assert page.count("### Spaces as they are made") == len(script.by_task())


def test_every_task_has_a_picture_that_decodes(script):
    for ids in script.by_task().values():
        assert set(ids) & set(script.PICTURES)
    for env_id in script.PICTURES:
        with Image.open(ROOT / "docs" / script.picture_name(env_id)) as image:
            image.load()
            assert len(image.getcolors(256)) > 4


def test_every_id_has_a_small_film_that_moves(script):
    assert set(script.FILMS) == {env_id for env_id in IDS if env_id.startswith("ttc/")}
    for env_id in script.FILMS:
        path = ROOT / "docs" / script.picture_name(env_id, ".gif")
        assert path.stat().st_size < 150_000
        with Image.open(path) as image:
            assert image.n_frames > 5
            for index in range(image.n_frames):
                image.seek(index)
                image.load()


def test_pictures_are_drawn(script):
    pixels = script.draw("ttc/Sudoku4-v0")
    assert pixels.shape == (*pixels.shape[:2], 3)
    assert pixels.min() < 100 < pixels.max()


DOCUMENTED = {env_id: type(ttc_envs.make_task(env_id)) for env_id in IDS}
FACES = [ttc_envs.RefinementEnv, ttc_envs.RefinementVectorEnv]


@pytest.mark.parametrize(
    "documented", dict.fromkeys([*DOCUMENTED.values(), *FACES]), ids=lambda c: c.__name__
)
def test_docstrings_have_gymnasiums_sections_in_order(documented):
    assert list(sections(documented)) == SECTIONS


@pytest.mark.parametrize("env_id", IDS)
def test_the_docstring_knows_the_observation(env_id):
    rows = re.findall(
        r"^\| `(\w+)` \| \((.*?),?\) \| (.*?) \| (.*) \|$",
        task_sections(env_id)["Observation Space"],
        re.MULTILINE,
    )
    optional = {name for name, *_, values in rows if "only with" in values}
    space = gym.make(env_id).observation_space
    assert {name for name, *_ in rows} - optional == set(space.spaces)
    for name, _, dtype, _ in rows:
        assert name in optional or str(space[name].dtype) in dtype


@pytest.mark.parametrize("env_id", IDS)
def test_the_docstring_knows_what_one_hot_changes(env_id):
    text = task_sections(env_id)["Observation Space"].partition('`observation="one_hot"`')[2]
    spaces = [gym.make(env_id, observation=o).observation_space for o in ("default", "one_hot")]
    changed = {name for name in spaces[0] if spaces[0][name] != spaces[1][name]}
    assert set(re.findall(r"`(\w+)`", text)) == changed


@pytest.mark.parametrize("env_id", IDS)
def test_the_docstring_knows_the_infos(env_id):
    # Small maps, which are made quickly.
    options = {"places": 6} if env_id == "ttc/ShortestPath-v0" else {}
    _, info = gym.make(env_id, action_mode="edit", **options).reset(seed=0)
    named = set(re.findall(r"`(\w+)`", task_sections(env_id)["Information"]))
    assert set(info) - named == set()


@pytest.mark.parametrize("env_id", IDS)
def test_the_docstring_knows_the_arguments(env_id):
    arguments = task_sections(env_id)["Arguments"]
    named = set(re.findall(r"`(\w+)`(?=[,:])", arguments))
    options = set(inspect.signature(DOCUMENTED[env_id]).parameters)
    shared = {"level", "action_mode", "reward", "terminate_on_solved", "observation"}
    assert (options | shared) - named == set()
    for level in ttc_envs.make_task(env_id).spec.levels:
        assert level.rstrip("0123456789") in arguments
    default = ttc_envs.make_task(env_id).spec.levels[0]
    assert f"`{default}` (default)" in arguments or f"by default `{default}`" in arguments


@pytest.mark.parametrize("env_id", IDS)
def test_the_docstring_knows_the_limit(env_id):
    assert str(gym.spec(env_id).max_episode_steps) in task_sections(env_id)["Episode End"]
