"""Every script of the repository is a command that says what it does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("benchmarks", "experiments", "scripts")
    for path in (ROOT / folder).rglob("*.py")
    if '__name__ == "__main__"' in path.read_text("utf-8")
)


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_answer_help(script, tmp_path):
    """From another directory, and without doing anything."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, str(ROOT / script), "--help"]
    found = subprocess.run(
        words, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("usage: ")
    assert list(tmp_path.iterdir()) == []
