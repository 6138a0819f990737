"""What the README and the other pages promise: code that runs, commands and files that exist."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ttc_envs.tasks.sudoku.solver import solve

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
LIBRARIES = re.search(r"^## Use it with your RL library$.*?(?=^## )", README, re.M | re.S)[0]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("experiments/**/*.md")])


def blocks(language, text=None):
    """Blocks of the README, without those for RL libraries, or of a text."""
    text = README.replace(LIBRARIES, "") if text is None else text
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def library_blocks():
    """One block for each library; not all of them are installed everywhere."""
    return blocks("python", LIBRARIES)


def code_spans():
    """Every piece of code in the README, blocks and inline alike, its line breaks as spaces."""
    inline = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", README, flags=re.M | re.S))
    return [" ".join(span.split()) for span in inline] + "".join(blocks("sh", README)).splitlines()


def commands():
    """{subcommand of ttc: the options that the README uses with it}."""
    found = {}
    for span in code_spans():
        match = re.match(r"ttc ([a-z]+)", span)
        if match:
            found.setdefault(match[1], set()).update(re.findall(r" (--[a-z-]+)", span))
    return found


def help_of(command):
    """What the console script says of a subcommand, or None where it has no such subcommand."""
    script = shutil.which("ttc", path=str(Path(sys.executable).parent))
    assert script, "the environment that runs the tests has no `ttc`: run `make install`"
    result = subprocess.run(
        [script, command, "--help"], capture_output=True, text=True, check=False
    )
    # For an unknown one it may show the help of the whole.
    return result.stdout if result.stdout.startswith(f"usage: ttc {command} ") else None


def test_the_readme_has_code_and_commands():
    assert blocks("python")
    assert {"train", "evaluate", "solve", "demo"} <= set(commands())


def test_python_blocks_run_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for code in blocks("python"):
        exec(compile(code, "README.md", "exec"), names)


@pytest.mark.parametrize("library", ["stable_baselines3", "sb3_contrib", "torchrl"])
def test_the_blocks_for_rl_libraries_are_short_and_run(library, tmp_path, monkeypatch):
    (code,) = (code for code in library_blocks() if f"from {library}" in code)
    assert len([line for line in code.splitlines() if line]) <= 8
    pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})


def test_the_puzzle_to_solve_has_one_solution():
    (text,) = re.findall(r"^ttc solve ([\d.]+)$", README, re.MULTILINE)
    puzzle = np.array([[-1 if c == "." else int(c) - 1 for c in text]])
    _, counts = solve(puzzle, 9)
    assert counts.tolist() == [1]


@pytest.mark.parametrize(("command", "options"), sorted(commands().items()))
def test_commands_and_their_options_exist(command, options):
    text = help_of(command)
    assert text is not None, f"`ttc {command}` is in the README, but there is no such command"
    missing = {option for option in options - {"--help"} if option not in text}
    assert not missing, f"`ttc {command} --help` does not know {sorted(missing)}"


def test_recipes_exist():
    recipes = {m[1] for span in code_spans() if (m := re.match(r"ttc train ([a-z][\w-]+)", span))}
    assert recipes
    assert [name for name in recipes if name not in help_of("train")] == []


def test_an_unknown_command_is_told_from_a_known_one():
    assert help_of("frobnicate") is None


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {m[1] for span in code_spans() if (m := re.match(r"make ([a-z-]+)", span))}
    assert {"demo", "test"} <= named <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_to_files_lead_somewhere(page):
    prose = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)", prose)
    files = [link.split("#")[0] for link in links if "://" not in link and link[0] != "#"]
    assert [name for name in files if not (page.parent / name).exists()] == []


def test_every_registered_id_has_its_row():
    import gymnasium as gym

    import ttc_envs  # noqa: F401

    rows = set(re.findall(r"^\| `(ttc/[A-Za-z0-9]+-v\d+)`", README, re.MULTILINE))
    assert rows == {name for name in gym.registry if name.startswith("ttc/")}
