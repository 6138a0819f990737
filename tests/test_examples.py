"""The example package, installed beside ours: everything works with no line of ours edited."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

# One worker installs it once.
pytestmark = pytest.mark.xdist_group("examples")

ROOT = Path(__file__).parents[1]
LATIN = ROOT / "examples" / "latin_square"

JOURNEY = """
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_env_for_sb3

import latin_square
from ttc_agents.cli import main
from ttc_agents.models.conformance import check_model

def ttc(*words):
    assert main([str(word) for word in words]) == 0, words

out = Path(sys.argv[1])
ttc("train", "latin_square:RECIPE", "--out", out / "run", "--updates", 12)
ttc("train", "--env", "latin_square:example/Latin-v0", "--model", "latin_square:LatinNet",
    "--out", out / "plain", "--updates", 3, "--set", "model_options.width=8", "compile=off")
ttc("train", "latin_square:RECIPE", "--out", out / "run", "--updates", 14, "--resume")
ttc("train", "latin_square:SEARCHED", "--out", out / "searched", "--updates", 3, "--seed", 1)
few = ("--count", 8, "--steps", "1,4")
ttc("evaluate", out / "run", *few, "--calibration", "--stability", "--protocol", "p1,p2,p3",
    "--out", out / "sweep.json")
ttc("play", "random", "solve", out / "run", "--env", "example/Latin-v0", *few)
ttc("solve", "--checkpoint", out / "run", "--steps", 4, "--gif", out / "solve.gif", "--json")
ttc("compare", "plan.py:PLAN", "--out", out / "compare")
ttc("demo", "--recipe", "latin_square:RECIPE", "--seconds", 1, *few, "--out", out / "demo")

check_model(latin_square.LatinNet, latin_square.LatinSquare())
env = gym.make("latin_square:example/Latin-v0")
check_env(env.unwrapped)
check_env_for_sb3(env.unwrapped)
edit = gym.make("example/Latin-v0", action_mode="edit")
check_env(edit.unwrapped, skip_render_check=True)
envs = gym.make_vec("example/Latin-v0", num_envs=3)
envs.reset(seed=0)
assert envs.step(np.zeros((3, 25), dtype=np.int64))[0]["answer"].shape == (3, 25)
"""

PLAN = """
from ttc_agents.comparison.plan import Comparison, Row, Table
from ttc_agents.training.schedule import Length

ROWS = (
    Row("network", "refinement", {"recipe": "latin_square:RECIPE"}),
    Row("searches", "expert", {"recipe": "latin_square:SEARCHED", "levels": "trivial"}),
    Row("exact solver", "policy", {"policy": "solve"}, trained=False),
)
LATIN = Table("latin_square:example/Latin-v0", "easy", (1, 4), ROWS, count=8, curve_count=4)
PLAN = Comparison("latin", "A network and a solver", {"latin": LATIN}, Length(seconds=1), seeds=1)
"""


def run(*command, **options):
    result = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, **options
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of a fresh virtual environment that sees what is installed here."""
    folder = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    command = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(run(python, "-c", command).stdout.strip())
    # Of this environment, with its editable installs.
    mine = sysconfig.get_path("purelib")
    (packages / "beside.pth").write_text(f"import site; site.addsitedir({mine!r})\n")
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "-q")
    run(*pip, "install", "--no-deps", "--no-build-isolation", LATIN)
    return python


@pytest.fixture(scope="module")
def journey(python, tmp_path_factory):
    """The folder that the journey has filled."""
    folder = tmp_path_factory.mktemp("journey")
    (folder / "plan.py").write_text(PLAN)
    (folder / "journey.py").write_text(JOURNEY)
    run(python, "journey.py", "out", cwd=folder)
    return folder / "out"


def test_a_package_of_its_own_goes_all_the_way(journey):
    for name in ("run/config.json", "sweep.json", "solve.gif", "compare/latin.json"):
        assert (journey / name).stat().st_size > 0
    rows = json.loads((journey / "sweep.json").read_text())["rows"]
    assert {"p1", "p2", "p3", "random", "improve", "solve"} == set(rows)
    assert "Latin squares" in (journey / "demo" / "report.html").read_text()


def test_a_checkpoint_is_no_reason_to_import_a_module(python, journey):
    evaluate = (python, "-m", "ttc_agents.cli", "evaluate", journey / "run", "--count", "2")
    refused = subprocess.run(evaluate, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "--import latin_square" in refused.stderr


def test_the_example_stays_short():
    code = {name: (LATIN / "latin_square" / name).read_text() for name in ("task.py", "model.py")}
    assert len(code["task.py"].splitlines()) <= 90
    assert len(code["model.py"].splitlines()) <= 60
    assert "ttc/" not in "".join(code.values())
