"""The command `ttc`: what it prints, what it writes, and how it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ttc_agents.cli import main, screen
from ttc_agents.cli.evaluate import parse_steps
from ttc_agents.cli.puzzles import spelled
from ttc_agents.models import FactorGraphNetwork
from ttc_agents.training import checkpoint
from ttc_agents.training.recipes import RECIPES

COMMANDS = ("train", "evaluate", "solve", "demo")
OPTIONS = {"width": 8, "message_width": 8, "hidden_width": 8}
SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(scope="module")
def directory(task, tmp_path_factory):
    """A checkpoint for 4x4 that has learned nothing."""
    path = tmp_path_factory.mktemp("checkpoint")
    weights = FactorGraphNetwork(task.spec, **OPTIONS).state_dict()
    config = {
        "model": "factor_graph_network",
        "model_options": OPTIONS,
        "env_id": "ttc/Sudoku4-v0",
        "task": {},
    }
    checkpoint.save_model(path, weights, task.spec, config)
    return str(path)


@pytest.fixture
def solver(directory, scripted, monkeypatch):
    """The same checkpoint, but its model fills one right digit at each step."""
    monkeypatch.setattr(checkpoint, "load_model", lambda *_: scripted())
    return directory


@pytest.fixture(scope="module")
def puzzles(task):
    """Six puzzles with eight blank cells each."""
    return [spelled(g) for g in task.sample(np.arange(6), "givens=8").fields["givens"]]


def complaint(capsys, *arguments):
    """The one line that a user's error leaves."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("ttc: ")
    return line


def document(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


# Help


def test_help_lists_the_commands(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_has_an_example_and_defaults(capsys, command):
    assert main([command, "--help"]) == 0
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
        "heavy = {'torch', 'matplotlib', 'gymnasium'} & set(sys.modules)\n"
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


def test_another_missing_module_is_no_matter_of_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ttc_agents.cli.demo", None)
    with pytest.raises(ModuleNotFoundError):
        main(["demo"])


@pytest.mark.parametrize("command", COMMANDS)
def test_scripts_are_the_commands(capsys, monkeypatch, command):
    path = SCRIPTS / f"{command}.py"
    monkeypatch.setattr(sys, "argv", [str(path), "--help"])
    with pytest.raises(SystemExit) as leaving:
        exec(compile(path.read_text(), path, "exec"), {"__name__": "__main__"})
    assert leaving.value.code == 0
    assert f"ttc {command}" in capsys.readouterr().out


# Refusals


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ["train", "evaluate", "solve", "demo"]),
        (("fly",), ["fly"]),
        (("train",), ["RECIPE", "--out"]),
        (("train", "no-such", "--out", "x"), ["no recipe 'no-such'", "sudoku9-cpu-2min"]),
        (("train", "sudoku4-demo", "--out", "x", "--seconds", "soon"), ["--seconds", "soon"]),
        (("train", "sudoku4-demo", "--out", "x", "--fast"), ["--fast"]),
        (("train", "sudoku4-demo", "--out", "x", "--seconds", "-1"), ["must be positive"]),
        (("evaluate", "nowhere"), ["no checkpoint at 'nowhere'"]),
        (("evaluate", "nowhere", "--steps", "1,two"), ["'1,two'"]),
        (("solve", "123", "--checkpoint", "nowhere"), ["no checkpoint at 'nowhere'"]),
        (("solve", "123", "--steps", "0"), ["--steps must be at least 1"]),
        (("demo", "--recipe", "no-such"), ["no recipe 'no-such'"]),
    ],
)
def test_a_wrong_argument_is_one_line(capsys, monkeypatch, tmp_path, arguments, words):
    monkeypatch.chdir(tmp_path)
    line = complaint(capsys, *arguments)
    assert all(word in line for word in words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("puzzle", "words"),
    [
        ("1...", "got 4"),
        ("1" + "." * 80, "expected 16 cells, got 81"),
        ("1..x............", "'x' at position 4"),
        ("1..1............", "1 stands twice in row 1"),
        ("123....4........", "no solution"),
        ("nowhere.csv", "nowhere.csv"),
        ("some/where", "some/where"),
    ],
)
def test_a_bad_puzzle_is_one_line(capsys, directory, puzzle, words):
    assert words in complaint(capsys, "solve", puzzle, "--checkpoint", directory)


def test_a_damaged_checkpoint_is_one_line(capsys, tmp_path, directory, puzzles):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((Path(directory) / name).read_bytes())
    weights = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    line = complaint(capsys, "solve", puzzles[0], "--checkpoint", str(tmp_path))
    assert "not the weights" in line
    (tmp_path / "config.json").write_text("{")
    line = complaint(capsys, "evaluate", str(tmp_path))
    assert "damaged" in line


def test_an_out_that_is_in_use_is_one_line(capsys, directory):
    line = complaint(capsys, "train", "sudoku4-demo", "--out", directory)
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


def test_a_fault_of_ours_is_a_traceback(monkeypatch):
    def fail(self):
        raise RuntimeError("a bug")

    monkeypatch.setattr("ttc_agents.cli.solve.Solve.run", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["solve", "x"])


# train


def test_train_then_resume(capsys, tmp_path):
    out = tmp_path / "run"
    arguments = ["train", "sudoku4-demo", "--out", str(out), "--device", "cpu"]
    assert main([*arguments, "--seconds", "0.2", "--seed", "7"]) == 0
    text = capsys.readouterr().out
    assert "updates" in text
    assert f"ttc evaluate {out}" in text
    assert checkpoint.load_config(out)["recipe"]["seed"] == 7
    line = complaint(capsys, *arguments, "--resume", "--seconds", "0.4")
    assert "seed" in line
    assert main([*arguments, "--resume", "--seconds", "0.4", "--seed", "7"]) == 0


def test_an_interrupted_training_says_how_to_go_on(capsys, monkeypatch, tmp_path):
    from ttc_agents.training import trainer

    result = trainer.TrainResult(tmp_path, 3, 1.0, 48, finished=False)
    monkeypatch.setattr(trainer, "train", lambda *args, **options: result)
    assert main(["train", "sudoku4-demo", "--out", str(tmp_path)]) == 130
    assert "--resume" in capsys.readouterr().err
    assert main(["demo", "--out", str(tmp_path)]) == 130
    assert "nothing was measured" in capsys.readouterr().err


# evaluate


def test_evaluate_a_file_as_json(capsys, tmp_path, solver, puzzles):
    path = tmp_path / "some.puzzles.csv"
    path.write_text("puzzle\n" + "\n".join(puzzles))
    assert main(["evaluate", solver, "--puzzles", str(path), "--steps", "8,1", "--json"]) == 0
    found = document(capsys)
    assert found["p1"]["some"]["8"] == {"solved": 1, "n": 6, **bounds(6)}
    assert found["p1"]["some"]["1"]["solved"] == 0
    assert found["classical"]["solve"]["some"]["1"]["solved"] == 1
    assert found["settings"]["checkpoint"] == solver


def bounds(count):
    from ttc_agents.evaluation import wilson

    return dict(zip(("low", "high"), wilson(count, count), strict=True))


def test_evaluate_several_files_given_either_way(capsys, tmp_path, solver, puzzles):
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text("\n".join(puzzles))
    a, b, c = (str(tmp_path / f"{name}.txt") for name in "abc")
    arguments = ["--steps", "1", "--count", "2", "--no-classical", "--json"]
    assert main(["evaluate", solver, "--puzzles", a, b, "--puzzles", c, *arguments]) == 0
    found = document(capsys)
    assert {family: e["1"]["n"] for family, e in found["p1"].items()} == {"a": 2, "b": 2, "c": 2}
    assert found["classical"] == {}
    (tmp_path / "a.csv").write_text("\n".join(puzzles))
    line = complaint(capsys, "evaluate", solver, "--puzzles", a, str(tmp_path / "a.csv"))
    assert "family 'a'" in line


def test_bad_rows_are_errors_or_reported(capsys, tmp_path, solver, puzzles):
    path = tmp_path / "some.txt"
    path.write_text("\n".join([*puzzles, puzzles[0], *["11.............."] * 12]))
    arguments = ["evaluate", solver, "--puzzles", str(path), "--steps", "1", "--json"]
    assert "line 8: 1 stands twice in row 1" in complaint(capsys, *arguments)
    assert main([*arguments, "--skip-bad-rows"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["p1"]["some"]["1"]["n"] == 6
    lines = captured.err.splitlines()
    assert lines[0].endswith("line 8, skipped: 1 stands twice in row 1")
    assert lines[10].endswith("12 rows skipped in all")
    assert lines[11].endswith("1 rows repeat earlier ones")


def test_evaluate_levels_by_three_protocols_with_calibration(capsys, tmp_path, solver):
    out = tmp_path / "new" / "result.json"
    arguments = ["--level", "easy", "givens=12..13", "--count", "5", "--steps", "4,8"]
    arguments += ["--protocol", "p1,p2,p3", "--trajectories", "2", "--calibration"]
    assert main(["evaluate", solver, *arguments, "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "P3: several, rules verify" in text
    assert "easy: 100.0% of changes fall on cells below 0.5 confidence" in text
    written = json.loads(out.read_text())
    assert set(written["p2"]) == {"easy", "givens=12..13"}
    assert len(written["records"]["trajectories"]["easy"]) == 2
    assert set(written["calibration"]["easy"]["steps"]) == {"4", "8"}
    with Image.open(tmp_path / "new" / "result-calibration-givens=12..13.png") as picture:
        assert picture.width > 1000


def test_the_split_and_the_seed_choose_the_puzzles(capsys, directory):
    def shares(*options):
        arguments = ["--level", "givens=8", "--count", "40", "--steps", "1", "--json"]
        assert main(["evaluate", directory, *arguments, *options]) == 0
        return document(capsys)["classical"]["improve"]

    assert shares() == shares("--split", "test", "--seed", "0")
    assert shares() != shares("--seed", "1") or shares() != shares("--split", "validation")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--level", "easy", "--puzzles", "x.csv"), "exclude each other"),
        (("--level", "impossible"), "impossible"),
        (("--count", "0"), "--count must be at least 1"),
        (("--protocol", "p1,p9"), "'p9'"),
        (("--trajectories", "0", "--protocol", "p3"), "at least 1"),
        (("--puzzles", "nowhere.csv"), "nowhere.csv"),
        (("--device", "warp"), "'warp'"),
    ],
)
def test_what_evaluate_refuses(capsys, directory, options, words):
    assert words in complaint(capsys, "evaluate", directory, *options)


@pytest.mark.parametrize("text", ["", "0", "1,,2", "-4", "1;2", "1.5", "²"])
def test_steps_are_positive_integers(text):
    with pytest.raises(ValueError, match="positive integers"):
        parse_steps(text)


def test_steps_are_sorted_once():
    assert parse_steps("16, 1,16,4") == (1, 4, 16)


# solve


def test_solve_says_when_it_settled_and_that_the_rules_hold(capsys, task, solver, puzzles):
    assert main(["solve", puzzles[0], "--checkpoint", solver, "--steps", "20"]) == 0
    answer, *lines = capsys.readouterr().out.splitlines()
    assert len(answer) == 16
    assert lines == [
        "the answer settled after 8 of 20 steps",
        "all rules hold (for the first time after step 8)",
    ]


def test_solve_says_that_it_is_not_done(capsys, solver, puzzles):
    assert main(["solve", puzzles[0], "--checkpoint", solver, "--steps", "5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == [
        "the answer still changed at the last step, 5",
        "the rules do not hold: not solved (more --steps may help)",
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"collapse": 9}, "the rules held after step 8, but not at the end"),
        ({"broken": 3}, "not finite"),
    ],
)
def test_solve_tells_of_a_collapse(capsys, monkeypatch, scripted, solver, task, options, words):
    many = task.sample(np.arange(50), "givens=8").fields["givens"]
    puzzle = spelled(many[np.flatnonzero(many[:, 0] < 0)[0]])
    monkeypatch.setattr(checkpoint, "load_model", lambda *_: scripted(**options))
    assert main(["solve", puzzle, "--checkpoint", solver, "--steps", "12"]) == 0
    assert words in capsys.readouterr().out.splitlines()[-1]


def test_solve_says_that_there_are_several_solutions(capsys, solver):
    assert main(["solve", "1" + "." * 15, "--checkpoint", solver, "--steps", "2"]) == 0
    assert "several solutions" in capsys.readouterr().out


def test_solve_as_json(capsys, solver, puzzles):
    arguments = ["--checkpoint", solver, "--steps", "9", "--json"]
    assert main(["solve", puzzles[0], *arguments]) == 0
    found = document(capsys)
    assert found.pop("answer").isdigit()
    assert found == {
        "puzzle": puzzles[0],
        "solved": True,
        "settled": 8,
        "first_solved": 8,
        "finite": True,
        "steps": 9,
        "several_solutions": False,
    }


def test_solve_a_file_gives_a_table(capsys, tmp_path, solver, puzzles):
    path = tmp_path / "some.txt"
    path.write_text("\n".join(puzzles))
    arguments = ["solve", str(path), "--checkpoint", solver, "--steps", "10"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 6 + 1
    assert lines[1].split()[:5] == ["1", "8", "8", "after", "8"]
    assert lines[-1] == "6 of 6 solved in 10 steps"
    assert main([*arguments, "--json"]) == 0
    found = document(capsys)["puzzles"]
    assert [entry["puzzle"] for entry in found] == puzzles
    assert all(entry["solved"] for entry in found)


def test_on_a_terminal_every_change_is_drawn(capsys, monkeypatch, solver, puzzles):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(screen, "CHANGE_SECONDS", 0.0)
    monkeypatch.setenv("TERM", "xterm-256color")
    arguments = ["solve", puzzles[0], "--checkpoint", solver, "--steps", "10"]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    for step in range(1, 9):
        assert f"step {step} of 10" in text
    assert "step 10 of 10, 0 cells changed, all rules hold" in text
    assert "the answer settled after 8 of 10 steps" in text
    assert main([*arguments, "--no-live"]) == 0
    text = capsys.readouterr().out
    assert "step 1 of 10" not in text
    assert "┏" in text


# demo


def test_demo_writes_everything_and_runs_a_second_time(capsys, tmp_path):
    out = tmp_path / "demo"
    arguments = ["demo", "--out", str(out), "--recipe", "sudoku4-demo", "--seconds", "0.3"]
    arguments += ["--puzzles", "12", "--steps", "1,2,64", "--device", "cpu"]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    for name in ("report.html", "sweep.png", "sweep.json", "solve.gif"):
        assert str(out / name) in text
    assert f"ttc evaluate {out / 'checkpoint'}" in text
    found = json.loads((out / "sweep.json").read_text())
    assert found["p1"]["minimal"]["64"]["n"] == 12
    assert set(found["classical"]) == {"random", "improve", "solve"}
    assert found["training"]["updates"] > 0
    assert set(found["calibration"]["minimal"]["steps"]) == {"1", "2", "64"}
    with Image.open(out / "solve.gif") as gif, Image.open(out / "sweep.png") as picture:
        assert gif.n_frames > 1
        assert picture.width > 1000
    assert "solved after 64 steps" in (out / "report.html").read_text()
    first = (out / "sweep.json").stat().st_mtime_ns
    assert main(arguments) == 0
    assert (out / "sweep.json").stat().st_mtime_ns > first
