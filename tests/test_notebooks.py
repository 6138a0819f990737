"""The notebooks: what is committed is what their sources say, executed, and the sources run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "notebooks"
SOURCES = sorted(FOLDER.glob("*.py"))
LARGEST = 500_000

sources = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


def cells_of_source(text):
    """(kind, text) of the cells of a source in percent format."""
    parts = re.split(r"^# %%( \[markdown\])?\n", text, flags=re.MULTILINE)
    assert parts[0] == ""
    for markdown, cell in zip(parts[1::2], parts[2::2], strict=True):
        if markdown:
            cell = re.sub(r"^# ?", "", cell, flags=re.MULTILINE)
        yield "markdown" if markdown else "code", cell.strip("\n")


def cells_of_notebook(source):
    return json.loads(source.with_suffix(".ipynb").read_text("utf-8"))["cells"]


def test_there_are_two():
    assert [source.stem for source in SOURCES] == ["longer", "own_task"]
    assert [path.stem for path in sorted(FOLDER.glob("*.ipynb"))] == ["longer", "own_task"]


@sources
def test_notebook_and_source_have_the_same_cells(source):
    committed = [(cell["cell_type"], "".join(cell["source"])) for cell in cells_of_notebook(source)]
    assert committed == list(cells_of_source(source.read_text("utf-8")))


@sources
def test_every_cell_was_executed_in_its_order_without_an_error(source):
    cells = [cell for cell in cells_of_notebook(source) if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} >= {"stream", "execute_result"}
    assert not any(output["output_type"] == "error" for output in outputs)
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2


@sources
def test_notebooks_are_small_and_name_no_folder_of_ours(source):
    data = source.with_suffix(".ipynb").read_text("utf-8")
    assert len(data) < LARGEST
    assert str(Path.home()) not in data
    assert "/tmp/" not in data


@pytest.mark.slow
@sources
def test_sources_run(source, tmp_path):
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": os.pathsep.join(paths)}
    result = subprocess.run(
        [sys.executable, str(source)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=env,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    if source.stem == "longer":
        assert "all rules hold: True" in result.stdout
    else:
        # Most of the mazes that 8 steps leave open are solved by 64.
        (line,) = re.findall(r"^p1 +(\{.*\})$", result.stdout, re.MULTILINE)
        solved = {int(step): float(share) for step, share in re.findall(r"'(\d+)': ([\d.]+)", line)}
        assert solved[64] > 0.9 > solved[4]
