"""A wheel, installed apart from the checkout, holds all that its environments need."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# One worker builds the wheel once.
pytestmark = pytest.mark.xdist_group("wheel")

EPISODES = """
import json, sys
from pathlib import Path
import gymnasium as gym
import ttc_agents, ttc_envs

target = Path(sys.argv[1]).resolve()
for module in (ttc_envs, ttc_agents):
    assert Path(module.__file__).resolve().is_relative_to(target), module.__file__
episodes = {}
for name in sorted(name for name in gym.registry if name.startswith("ttc/")):
    with gym.make(name) as env:
        env.reset(seed=0)
        env.action_space.seed(0)
        steps, done = 0, False
        while not done:
            *_, terminated, truncated, info = env.step(env.action_space.sample())
            steps, done = steps + 1, terminated or truncated
    episodes[name] = steps
print(json.dumps(episodes))
"""


def run(*command, **options):
    result = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder into which the wheel of this checkout is installed, without what it depends on."""
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(wheels), str(ROOT))
    (wheel,) = wheels.glob("ttc_gym-*.whl")
    run(*pip, "install", "--no-deps", "--target", str(target), str(wheel))
    return target


def test_every_id_runs_an_episode_from_the_wheel(installed, tmp_path):
    # PYTHONPATH comes before site-packages, and so before the checkout: the script makes sure.
    environment = os.environ | {"PYTHONPATH": str(installed)}
    command = (sys.executable, "-W", "error", "-c", EPISODES, str(installed))
    output = run(*command, cwd=tmp_path, env=environment)
    episodes = json.loads(output.splitlines()[-1])
    assert {"ttc/Sudoku-v0", "ttc/SudokuEdit-v0", "ttc/Sudoku4-v0"} <= set(episodes)
    assert min(episodes.values()) >= 1


def test_the_wheel_holds_every_file_of_the_packages(installed):
    paths = [path for name in ("ttc_envs", "ttc_agents") for path in (ROOT / name).rglob("*")]
    files = [p.relative_to(ROOT) for p in paths if p.is_file() and "__pycache__" not in p.parts]
    assert len(files) > 10
    assert [str(file) for file in files if not (installed / file).is_file()] == []


def test_the_wheel_brings_the_command_and_nothing_else(installed):
    (metadata,) = installed.glob("ttc_gym-*.dist-info")
    assert "ttc = ttc_agents.cli:main" in (metadata / "entry_points.txt").read_text()
    folders = {path.name for path in installed.iterdir() if path.suffix != ".dist-info"}
    assert folders <= {"ttc_envs", "ttc_agents", "bin"}
