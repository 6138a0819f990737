"""What the README and the other pages promise: code that runs, commands and files that exist."""

import json
import re
import shlex
import sys
import types
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from ttc_agents.cli import _parse
from ttc_agents.cli.compare import Compare
from ttc_agents.cli.train import Train
from ttc_agents.comparison.plan import Comparison
from ttc_agents.names import find
from ttc_agents.training.recipes import RECIPES
from ttc_envs import registered
from ttc_envs.tasks.sudoku.solver import solve

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
LIBRARIES = re.search(r"^## Use it with your RL library$.*?(?=^## )", README, re.M | re.S)[0]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("experiments/**/*.md")])
# These two tell of commands as they were.
OF_THE_PRESENT = [page for page in PAGES if page.name not in ("LOG.md", "CHANGELOG.md")]
WITH_PYTHON = [ROOT / "README.md", *(page for page in PAGES if page.parent.name == "docs")]

FENCED = r"^```\w*\n(?P<fenced>.*?)^```"
INDENTED = r"^ {4,}(?P<indented>ttc .*)"
INLINE = r"`(?P<inline>[^`]+)`"
CODE = re.compile(f"{FENCED}|{INDENTED}|{INLINE}", re.MULTILINE | re.DOTALL)


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def blocks(text):
    """The Python blocks of a text."""
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def code_lines(text):
    """Yields (line, whether it stands in a block): all code of a page, in its order."""
    for match in CODE.finditer(text):
        if match["inline"] is not None:
            yield " ".join(match["inline"].split()), False
        else:
            block = match["fenced"] or match["indented"] or ""
            yield from ((line, True) for line in block.replace("\\\n", " ").splitlines())


def commands(text):
    """Yields (words after `ttc`, whether they stand in a block) of every command of a page."""
    for line, in_block in code_lines(text):
        if re.match(r"ttc [a-z]", line):
            yield shlex.split(line.split(" | ")[0], comments=True)[1:], in_block


# Python


@pytest.fixture
def as_script(tmp_path, monkeypatch):
    """Runs code as a script in an empty folder; what it registers is gone afterwards."""
    monkeypatch.chdir(tmp_path)
    before = set(gym.registry)

    def execute(name, codes):
        module = types.ModuleType("__main__")
        monkeypatch.setitem(sys.modules, "__main__", module)
        for code in codes:
            exec(compile(code, name, "exec"), vars(module))

    yield execute
    for name in set(gym.registry) - before:
        del gym.registry[name]


NEEDS = {"traces.md": "minari"}
"""What is not installed everywhere, of pages whose code needs it."""


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name_of)
def test_python_blocks_run_one_after_the_other(page, as_script):
    if page.name in NEEDS:
        pytest.importorskip(NEEDS[page.name], reason="needs an extra, see the page")
    # Not all RL libraries of the README are installed everywhere.
    codes = blocks(page.read_text("utf-8").replace(LIBRARIES, ""))
    as_script(page.name, codes)
    assert codes or page.name not in ("README.md", "python.md")


@pytest.mark.parametrize("library", ["stable_baselines3", "sb3_contrib", "torchrl"])
def test_the_blocks_for_rl_libraries_are_short_and_run(library, as_script):
    (code,) = (code for code in blocks(LIBRARIES) if f"from {library}" in code)
    assert len([line for line in code.splitlines() if line]) <= 8
    pytest.importorskip(library)
    as_script("README.md", [code])


def test_python_comes_before_the_first_table():
    assert len(blocks(README)[0].splitlines()) <= 20
    assert README.index("```python") < README.index("\n|")


def test_examples_of_python_are_short():
    examples = blocks((ROOT / "docs/python.md").read_text("utf-8"))
    assert len(examples) == 5
    assert max(len([line for line in code.splitlines() if line]) for code in examples) <= 15


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


# Commands


def test_the_readme_names_the_commands():
    assert {"train", "evaluate", "solve", "play", "compare"} <= {w[0] for w, _ in commands(README)}


@pytest.mark.parametrize("page", OF_THE_PRESENT, ids=name_of)
def test_commands_are_understood(page, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    for words, in_block in commands(page.read_text("utf-8")):
        command = _parse(words)
        said = capsys.readouterr()
        if isinstance(command, int):
            # Within a sentence a command may be cut short: `ttc evaluate --stability`.
            helped = command == 0 and words[-1] == "--help"
            assert helped or (not in_block and cut_short(words, capsys)), (words, said.err)
        else:
            assert names_what_exists(command), words


def cut_short(words, capsys):
    """Whether a command that lacks something has only options that exist."""
    assert _parse([words[0], "--help"]) == 0
    text = capsys.readouterr().out
    # The help of an unknown command is that of `ttc` itself.
    known = text.startswith(f"usage: ttc {words[0]} ")
    return known and all(word in text for word in words if word.startswith("--"))


def names_what_exists(command):
    """Whether the recipe or the comparison that a command names exists; CAPITALS name any."""
    if isinstance(command, Train) and command.recipe and ":" not in command.recipe:
        return command.recipe in RECIPES or re.fullmatch(r"[A-Z]+(\.toml)?", command.recipe)
    if isinstance(command, Compare) and not command.plan.isupper() and "FILE" not in command.plan:
        return isinstance(find("comparison", command.plan, {}), Comparison)
    return True


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ("`ttc evaluate`", True),
        ("`ttc evaluate --stability`", True),
        ("`ttc train sudoku4-demo --out DIR`", True),
        ("    ttc train RECIPE --out DIR  # a comment", True),
        ("`ttc evaluate --frobnicate`", False),
        ("`ttc frobnicate`", False),
        ("`ttc train no-such-recipe`", False),
        ("```sh\nttc evaluate --stability\n```", False),
        ("```sh\nttc compare experiments/rl_comparison/preset.py:frobnicate\n```", False),
        ("    ttc train RECIPE --seed many", False),
    ],
)
def test_a_command_that_is_not_understood_is_found(text, understood, tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    page.write_text(f"A page.\n\n{text}\n")
    if understood:
        test_commands_are_understood(page, monkeypatch, capsys)
    else:
        with pytest.raises((AssertionError, ValueError)):
            test_commands_are_understood(page, monkeypatch, capsys)


def test_the_puzzle_to_solve_has_one_solution():
    (text,) = re.findall(r"^ttc solve ([\d.]+)$", README, re.MULTILINE)
    puzzle = np.array([[-1 if c == "." else int(c) - 1 for c in text]])
    _, counts = solve(puzzle, 9)
    assert counts.tolist() == [1]


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    lines = (line for line, _ in code_lines(README))
    named = {m[1] for line in lines if (m := re.match(r"make ([a-z-]+)", line))}
    assert {"demo", "test"} <= named <= targets


# Links and tables


NOTEBOOKS = sorted(ROOT.glob("docs/notebooks/*.ipynb"))
CARDS = sorted(ROOT.glob("ttc_agents/weights/*/card.md"))


def prose(page):
    """The text of a page, without its blocks of code."""
    text = page.read_text("utf-8")
    if page.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(page):
    """What links into a page may name: its headings, as GitHub and MyST write them."""
    headings = re.findall(r"^#{1,4} (.*)$", prose(page), re.MULTILINE)
    plain = (re.sub(r"\]\([^)]*\)", "", heading).lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in plain}


def dead_links(page):
    """The links of a page within the repository that lead nowhere."""
    links = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", prose(page)))
    for link in links:
        if "://" in link or link.startswith(("mailto:", "data:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        readable = target.suffix in (".md", ".ipynb")
        if not target.exists() or (anchor and readable and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS, *CARDS], ids=name_of)
def test_links_lead_to_a_file_and_a_heading_of_it(page):
    assert list(dead_links(page)) == []


def test_links_that_lead_nowhere_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# The `first` part\n\n[a](#the-first-part) [b](page.md#second) [c](none.md)\n")
    assert list(dead_links(page)) == ["page.md#second", "none.md"]


def test_every_registered_id_has_its_row():
    rows = set(re.findall(r"^\| `(ttc/[A-Za-z0-9]+-v\d+)`", README, re.MULTILINE))
    assert rows == {name for name in registered() if name.startswith("ttc/")}
