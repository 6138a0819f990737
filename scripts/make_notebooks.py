"""Executes the sources in docs/notebooks/ (jupytext's percent format) into notebooks beside them.

python scripts/make_notebooks.py [NAME ...]    # needs the extra `notebooks`; all if none is named
"""

import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "notebooks"
SECONDS = 1800
"""The longest that a cell may take."""


def executed(source: Path) -> nbformat.NotebookNode:
    """The notebook of a source with what its cells gave, run in an empty folder.

    What differs from run to run without a meaning (names of cells, times, messages on stderr) is
    left out.
    """
    notebook = jupytext.read(source, fmt="py:percent")
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata = nbformat.from_dict({"kernelspec": kernel})
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(
            notebook, timeout=SECONDS, resources=resources, record_timing=False
        ).execute()
    notebook.metadata = nbformat.from_dict({"kernelspec": kernel})
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"{source.stem}-{number}", {}
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def main(names: list[str]) -> None:
    """Write the notebooks of these names, or all."""
    for source in sorted(FOLDER.glob("*.py")):
        if names and source.stem not in names:
            continue
        path = source.with_suffix(".ipynb")
        nbformat.write(executed(source), path)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
