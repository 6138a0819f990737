"""The command `ttc` as a whole: help, refusals, interrupts."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ttc_agents.cli import EXTRAS, main
from ttc_agents.training.recipes import RECIPES

COMMANDS = (
    "train",
    "evaluate",
    "play",
    "compare",
    "probe",
    "solve",
    "watch",
    "report",
    "demo",
    "data",
    "traces",
    "push",
)
ROOT = Path(__file__).parents[3]
PYPROJECT = ROOT / "pyproject.toml"
SCRIPTED = {
    path: command[1]
    for path in sorted((ROOT / "scripts").glob("*.py"))
    if (command := re.search(r'main\(\["(\w+)"', path.read_text()))
}
"""The scripts that are commands."""


def test_help_lists_the_commands(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_has_an_example_and_defaults(capsys, command):
    # `ttc data` has subcommands of its own.
    words = [command, "paths"] if command == "data" else [command]
    assert main([*words, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"Example: ttc {command}" in text
    assert "(default: " in text
    if command == "train":
        assert all(name in text for name in RECIPES)


def test_help_needs_no_torch_and_no_numpy():
    code = (
        "import sys\n"
        "from ttc_agents.cli import main\n"
        "assert main(['--help']) == 0\n"
        "heavy = {'torch', 'numpy', 'matplotlib', 'gymnasium'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("missing", ["torch", "tyro"])
def test_a_missing_extra_is_named(missing):
    code = (
        f"import sys\nsys.modules[{missing!r}] = None\n"
        "from ttc_agents.cli import main\n"
        "sys.exit(main(['train', 'sudoku4-demo', '--out', 'nowhere']))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    expected = f'ttc: {missing} is missing: pip install "ttc-gym[agents]"'
    assert result.stderr.splitlines() == [expected]


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_package_of_an_extra_is_known_as_one(extra):
    lines = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"][extra]
    required = [re.match(r"[\w-]+", line)[0] for line in lines]
    modules = {{"pyyaml": "yaml"}.get(name, name.replace("-", "_")) for name in required}
    brought = {"minari": "h5py", "onnxscript": "onnx_ir"}
    assert modules | {brought[name] for name in required if name in brought} == set(EXTRAS[extra])


def test_another_missing_module_is_no_matter_of_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ttc_agents.cli.demo", None)
    with pytest.raises(ModuleNotFoundError):
        main(["demo"])


@pytest.mark.parametrize(("path", "command"), SCRIPTED.items(), ids=lambda value: Path(value).stem)
def test_scripts_are_the_commands(capsys, monkeypatch, path, command):
    monkeypatch.setattr(sys, "argv", [str(path), "--help"])
    with pytest.raises(SystemExit) as leaving:
        exec(compile(path.read_text(), path, "exec"), {"__name__": "__main__"})
    assert leaving.value.code == 0
    assert f"ttc {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("fly",), ["no command 'fly'", *COMMANDS]),
        (("evalute", "sudoku-cpu"), ["did you mean 'evaluate'?"]),
        (("evaluate", "sudoku-cpu", "--cout", "3"), ["--cout", "did you mean --count?"]),
        (("evaluate", "sudoku-cp"), ["did you mean 'sudoku-cpu'?"]),
        (("play", "--env", "ttc/Sudok-v0"), ["did you mean 'ttc/Sudoku-v0'?"]),
        (("train", "sudoku9-cpu-2mins", "--out", "x"), ["did you mean 'sudoku9-cpu-2min'?"]),
        (("train", "--env", "ttc/Sudoku-v0"), ["--env and --model belong together"]),
        (("train", "sudoku4-demo"), ["--out is missing"]),
        (("train", "no-such", "--out", "x"), ["no recipe 'no-such'", "sudoku9-cpu-2min"]),
        (("train", "sudoku4-demo", "--out", "x", "--seconds", "soon"), ["--seconds", "soon"]),
        (("train", "sudoku4-demo", "--out", "x", "--fast"), ["--fast"]),
        (("train", "sudoku4-demo", "--out", "x", "--seconds", "-1"), ["must be positive"]),
        (("evaluate", "nowhere"), ["no checkpoint at 'nowhere'"]),
        (("evaluate", "nowhere", "--steps", "1,two"), ["'1,two'"]),
        (("solve", "123", "--checkpoint", "nowhere"), ["no checkpoint at 'nowhere'"]),
        (("solve", "123", "--steps", "0"), ["--steps must be at least 1"]),
        (("demo", "--recipe", "no-such"), ["no recipe 'no-such'"]),
        (("demo", "--recipe", "sudoku4-demo", "--seconds", "0"), ["must be positive"]),
        (("compare", "no-such"), ["no comparison 'no-such'"]),
        (("play",), ["--env"]),
        (("data", "words", "--out", "x"), ["words"]),
    ],
)
def test_a_wrong_argument_is_one_line(monkeypatch, tmp_path, arguments, words, complaint):
    monkeypatch.chdir(tmp_path)
    line = complaint(*arguments)
    assert all(word in line for word in words)
    assert list(tmp_path.iterdir()) == []


def test_alone_it_says_what_to_do_first(capsys):
    assert main([]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    for line in captured.out.splitlines():
        assert not line.startswith("  ttc") or line.split()[1] in (*COMMANDS, "--help")
    assert "ttc solve" in captured.out


def test_train_alone_lists_the_recipes(capsys):
    assert main(["train"]) == 2
    captured = capsys.readouterr()
    lines = [line.split()[0] for line in captured.out.splitlines() if line]
    assert set(RECIPES) <= set(lines)
    assert captured.err.startswith("ttc: which RECIPE?")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "there is no file or directory"),
        (lambda path: path.mkdir(), "is a directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path, complaint, make, words):
    path = tmp_path / "puzzles.csv"
    make(path)
    line = complaint("evaluate", "sudoku-cpu", "--puzzles", str(path))
    assert words in line
    assert "Errno" not in line
    assert str(path) in line


def test_a_shell_gets_its_completion(capfd):
    assert main(["--tyro-print-completion", "bash"]) == 0
    assert "complete" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("puzzle", "words"),
    [
        ("1...", "got 4"),
        ("1" + "." * 80, "expected puzzles of 16 cells, got 1 of 81"),
        ("1" + "." * 255, "expected puzzles of 16 cells, got 1 of 256"),
        ("1" * 5000, "got 5000"),
        ("1..z............", "'z' at position 4"),
        ("1..1............", "1 stands twice in row 1"),
        ("123....4........", "no solution"),
        ("nowhere.csv", "nowhere.csv"),
        ("some/where", "some/where"),
    ],
)
def test_a_bad_puzzle_is_one_line(directory, puzzle, words, complaint):
    assert words in complaint("solve", puzzle, "--checkpoint", directory)


def test_a_damaged_checkpoint_is_one_line(tmp_path, directory, puzzles, complaint):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((Path(directory) / name).read_bytes())
    weights = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    line = complaint("solve", puzzles[0], "--checkpoint", str(tmp_path))
    assert "model.safetensors: damaged" in line
    (tmp_path / "config.json").write_text("{")
    line = complaint("evaluate", str(tmp_path))
    assert "damaged" in line


def test_an_out_that_is_in_use_is_one_line(directory, complaint):
    line = complaint("train", "sudoku4-demo", "--out", directory)
    assert "--resume" in line
    assert "--overwrite" in line


@pytest.mark.parametrize("where", ["ttc_agents.cli.train.Train", "ttc_agents.cli.solve.Solve"])
def test_an_interrupt_is_one_line(capsys, monkeypatch, where):
    def interrupt(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"{where}.run", interrupt)
    arguments = ["train", "x", "--out", "y"] if where.endswith("Train") else ["solve", "x"]
    assert main(arguments) == 130
    assert capsys.readouterr().err == "ttc: interrupted\n"


def test_a_reader_that_left_is_no_traceback(capsys, monkeypatch):
    def leave(self):
        raise BrokenPipeError

    monkeypatch.setattr("ttc_agents.cli.solve.Solve.run", leave)
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    assert main(["solve", "x"]) == 1
    assert capsys.readouterr().err == ""


def test_a_training_that_diverged_is_one_line(monkeypatch, tmp_path, complaint):
    def diverge(*args, **options):
        raise FloatingPointError("training diverged: no finite update")

    monkeypatch.setattr("ttc_agents.training.train.train", diverge)
    assert "training diverged" in complaint("train", "sudoku4-demo", "--out", str(tmp_path))


def test_a_fault_of_ours_is_a_traceback(monkeypatch):
    def fail(self):
        raise RuntimeError("a bug")

    monkeypatch.setattr("ttc_agents.cli.solve.Solve.run", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["solve", "x"])
