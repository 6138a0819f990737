"""rl_zoo3 trains from our file of hyperparameters."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rl_zoo3")
pytestmark = pytest.mark.slow

FILE = Path(__file__).parents[2] / "ttc_agents" / "policies" / "rl_hyperparameters.yml"


@pytest.mark.parametrize("env_id", ["ttc/SudokuEdit4-v0", "ttc/Sorting-v0"])
def test_it_trains(env_id, tmp_path):
    words = f"--algo ppo --env {env_id} --gym-packages ttc_envs --conf-file {FILE} -n 1 "
    words += f"--eval-freq -1 -f {tmp_path} --env-kwargs observation:'one_hot'"
    command = [sys.executable, "-m", "rl_zoo3.train", *words.split()]
    quick = ["--hyperparams", "n_envs:2", "n_steps:8", "batch_size:16", "--device", "cpu"]
    result = subprocess.run(
        [*command, *quick],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    assert list(tmp_path.rglob("*.zip"))
