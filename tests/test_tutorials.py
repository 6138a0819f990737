"""Every page as a reader follows it: in a fresh clone, its commands and its Python, in their order.

Trainings and measurements get options that make them quick; nothing else is changed.
"""

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ttc_envs import SudokuTask

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("docs/*/*.md"))]
BLOCK = r"^```(?P<language>python|sh)\n(?P<block>.*?)^```$"
INDENTED = r"^ {4}(?P<indented>ttc [^\n]*)$"
INLINE = r"`(?P<inline>ttc \w+ [^`]+)`"
"""Within a sentence; most pages cut such commands short, the README does not."""

SMALL = {
    "train": ["--updates", "1", "--set", "batch_size=8"],
    "evaluate": ["--count", "2", "--steps", "1"],
    "play": ["--count", "2", "--steps", "1"],
    "demo": ["--seconds", "1", "--count", "4"],
    "solve": ["--steps", "32"],
    "watch": ["--count", "1", "--steps", "32"],
    "compare": [
        *("--seconds", "1", "--seeds", "1", "--count", "2"),
        *("--table", "sudoku4", "--only", "A2C, MLP"),
    ],
}
"""What makes a command quick."""
NOT_RUN = (
    # CI does it first.
    *("make install", "source ", "python3 -m venv ", "python -m pip ", "pip install "),
    *(".venv-rllib/", "ray "),  # another version of Gymnasium: tests/compat
    *("scripts/make_wheelhouse.sh ", "python scripts/gpu_visit.py "),  # tests/test_gpu_visit.py
    "python scripts/page_parity.py ",  # tests/scripts/test_page_parity.py
    "ttc --tyro-print-completion ",
)
"""How the lines of shell begin that are not run here, and who runs them."""
RUN_ALL = """
import json, re, runpy, sys
from pathlib import Path
from ttc_agents.cli import main

steps = json.loads(sys.argv[1])
for kind, step in steps:
    print(kind, step, flush=True)
    if kind == "ttc":
        assert main(step) == 0, step
    elif kind == "script":
        sys.argv = step
        runpy.run_path(step[0], run_name="__main__")
    else:
        named = re.match(r"# (\\w+\\.py)$", step, re.MULTILINE)
        if named:  # a file that later commands name
            Path(named[1]).write_text(step)
        exec(compile(step, "page", "exec"))
"""


def steps_of(page):
    """Yields (kind, what) for each step of a page: `ttc` words, `script` words, `python` code."""
    kinds = [BLOCK, INDENTED, INLINE] if page.name == "README.md" else [BLOCK, INDENTED]
    pattern = re.compile("|".join(kinds), re.MULTILINE | re.DOTALL)
    for match in pattern.finditer(page.read_text("utf-8")):
        found = match.groupdict()
        if found["language"] == "python":
            yield "python", found["block"]
            continue
        inline = " ".join((found.get("inline") or "").split())
        shell = found["block"] or found["indented"] or inline
        for line in shell.replace("\\\n", " ").splitlines():
            if line.strip() and not line.startswith((*NOT_RUN, "#")):
                yield command(shlex.split(line.split(" | ")[0], comments=True))


def command(words):
    """A line of shell as a step."""
    if words[0] == "ttc":
        return "ttc", words[1:]
    if words == ["make", "demo"]:
        return "ttc", ["demo"]
    if words[0] == "torchrun":
        return "python", f"import subprocess; subprocess.run({launched(words)}, check=True)"
    if words[0] == "python":
        return "script", words[1:]
    raise ValueError(f"no test knows how to run {shlex.join(words)!r}")


def launched(words):
    """The words of torchrun, for this interpreter."""
    return [sys.executable, "-m", "torch.distributed.run", *words[1:], *SMALL["train"]]


def quick(step):
    """A step with what makes it quick."""
    kind, words = step
    if kind != "ttc" or words == ["train"] or words[-1] == "--help":
        return step
    small = SMALL.get(words[0], [])
    if "--seconds" in words and words[0] == "train":
        small = ["--seconds", "1"]  # a length is one or the other
    return kind, [*words, *small]


def runs(step):
    """Whether the libraries of a block of Python are there."""
    names = re.findall(r"^(?:from|import) (\w+)", step[1], re.M) if step[0] == "python" else []
    if step[0] == "ttc" and "--onnx" in step[1]:
        names = ["onnxscript"]
    return all(importlib.util.find_spec(name) for name in names if name != "__main__")


def follow(page, clone):
    """Go through a page, in a process of its own, since tasks are registered."""
    steps = [quick(step) for step in steps_of(page) if runs(step)]
    paths = [str(clone), str(clone / "examples/latin_square"), os.environ.get("PYTHONPATH", "")]
    result = subprocess.run(
        [sys.executable, "-c", RUN_ALL, json.dumps(steps)],
        capture_output=True,
        text=True,
        check=False,
        cwd=clone,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "MPLBACKEND": "Agg"},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return [words[0] for kind, words in steps if kind == "ttc" and words]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """What a clone holds, and a file of puzzles, which some pages say the reader has."""
    folder = tmp_path_factory.mktemp("clone") / "ttc-gym"
    listed = subprocess.run(("git", "ls-files", "-z"), cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("this is no clone")
    for name in filter(None, listed.stdout.decode().split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    task = SudokuTask()
    puzzles = task.initial_answer(task.sample(np.arange(60, dtype=np.uint64), "minimal"))
    (folder / "puzzles.csv").write_text("\n".join(map(task.spell, puzzles)) + "\n")
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_line_of_shell_is_run_or_named_as_not_run(page):
    assert all(step[0] in ("ttc", "script", "python") for step in steps_of(page))


def test_a_line_that_nobody_runs_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```sh\ncurl example.org\n```\n")
    with pytest.raises(ValueError, match="curl"):
        list(steps_of(page))


@pytest.mark.slow
@pytest.mark.xdist_group("tutorials")
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if list(steps_of(page))],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_a_page_is_followed_in_a_fresh_clone(page, clone):
    # Some pages go on with what the README's commands have written.
    goes_on = re.search(r"runs/(mine|demo)\b", page.read_text("utf-8"))
    if goes_on and page.name != "README.md" and not (clone / "runs/mine").exists():
        follow(ROOT / "README.md", clone)
    done = follow(page, clone)
    if page.name == "README.md":
        assert {"train", "evaluate", "solve", "play", "compare"} <= set(done)
        assert (clone / "path.gif").stat().st_size > 0
