"""`ttc solve`."""

import sys

import numpy as np
import pytest
from PIL import Image

from ttc_agents.cli import main, screen
from ttc_agents.inference import checkpoint
from ttc_envs import make_task, spell_puzzle


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
    puzzle = spell_puzzle(many[np.flatnonzero(many[:, 0] < 0)[0]])
    monkeypatch.setattr(checkpoint, "load_model", lambda *_: scripted(**options))
    assert main(["solve", puzzle, "--checkpoint", solver, "--steps", "12"]) == 0
    assert words in capsys.readouterr().out.splitlines()[-1]


def test_solve_says_that_there_are_several_solutions(capsys, solver):
    assert main(["solve", "1" + "." * 15, "--checkpoint", solver, "--steps", "2"]) == 0
    assert "several solutions" in capsys.readouterr().out


def test_solve_as_json(solver, puzzles, document):
    arguments = ["--checkpoint", solver, "--steps", "9", "--json"]
    assert main(["solve", puzzles[0], *arguments]) == 0
    found = document()
    assert found.pop("answer").isdigit()
    assert found == {
        "puzzle": puzzles[0],
        "solved": True,
        "settled": 8,
        "first_solved": 8,
        "finite": True,
        "steps": 9,
        "several_solutions": False,
        "scores": {"accuracy": 1.0, "quality": 1.0},
    }


def test_solve_a_file_gives_a_table(capsys, tmp_path, solver, puzzles, document):
    path = tmp_path / "some.txt"
    path.write_text("\n".join(puzzles))
    arguments = ["solve", str(path), "--checkpoint", solver, "--steps", "10"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 6 + 1
    assert lines[1].split()[:5] == ["1", "8", "8", "after", "8"]
    assert lines[-1] == "6 of 6 solved in 10 steps"
    assert main([*arguments, "--json"]) == 0
    found = document()["puzzles"]
    assert [entry["puzzle"] for entry in found] == puzzles
    assert all(entry["solved"] for entry in found)


def test_a_file_and_its_text_agree_on_bad_rows_and_on_several_solutions(
    capsys, tmp_path, solver, puzzles
):
    rows = "\n".join([puzzles[0], "11" + "." * 14, "1" + "." * 15, puzzles[1]])
    path = tmp_path / "some.txt"
    path.write_text(rows)
    for name, given in ((str(path), str(path)), ("the text", rows)):
        assert main(["solve", given, "--checkpoint", solver, "--steps", "20"]) == 0
        captured = capsys.readouterr()
        assert captured.err == f"{name}, line 2, skipped: 1 stands twice in row 1\n"
        *_, total, last = captured.out.splitlines()
        assert total == "3 of 3 solved in 20 steps"
        assert last.strip() == "2 has several solutions, of which any counts"


def test_one_puzzle_with_several_solutions_in_a_file_is_solved(capsys, tmp_path, solver):
    path = tmp_path / "some.txt"
    path.write_text("1" + "." * 15)
    assert main(["solve", str(path), "--checkpoint", solver, "--steps", "20"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "all rules hold" in lines[2]
    assert "several solutions" in lines[3]


def test_a_file_without_a_good_row_is_refused(tmp_path, solver, complaint):
    path = tmp_path / "some.txt"
    path.write_text("11" + "." * 14)
    line = complaint("solve", str(path), "--checkpoint", solver)
    assert "no row is a puzzle to solve; line 1: 1 stands twice" in line


def test_on_a_terminal_every_change_is_drawn(capsys, monkeypatch, solver, puzzles):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(screen, "CHANGE_SECONDS", 0.0)
    monkeypatch.setenv("TERM", "xterm-256color")
    arguments = ["solve", puzzles[0], "--checkpoint", solver, "--steps", "10"]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    for step in range(1, 9):
        assert f"step {step} of 10" in text
    assert "step 10 of 10, 0 changed, all rules hold" in text
    assert "the answer settled after 8 of 10 steps" in text
    assert main([*arguments, "--no-live"]) == 0
    text = capsys.readouterr().out
    assert "step 1 of 10" not in text
    assert "┏" in text


def test_without_a_puzzle_one_is_drawn(capsys, tmp_path, map_directory, document):
    gif = tmp_path / "new" / "path.gif"
    arguments = ["solve", "--checkpoint", map_directory, "--steps", "3", "--seed", "2"]
    assert main([*arguments, "--task", "places=20", "--gif", str(gif), "--json"]) == 0
    found = document()
    assert len(found["answer"].split()) == 20
    assert found["level"] == "spread20"
    assert set(found["scores"]) > {"within_1_percent", "length_ratio"}
    with Image.open(gif) as film:
        assert film.n_frames > 1
    task = make_task("ttc/ShortestPath-v0", places=20, split="test")
    key = np.random.default_rng(2).integers(2**64, size=1, dtype=np.uint64)
    assert found["instance_id"] == int(key[0])
    assert len(task.sample(key, "spread20")) == 1
    assert main([*arguments, "--level", "spread7"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "one of level spread7 is drawn" in lines[0]
    assert " -> " in lines[1]  # from where to where
    assert any(line.startswith("the answer") for line in lines)


def test_sudoku_is_drawn_too_and_shown(capsys, task, solver):
    assert main(["solve", "--checkpoint", solver, "--level", "givens=8", "--steps", "9"]) == 0
    text = capsys.readouterr().out
    assert "all rules hold" in text
    key = np.random.default_rng(0).integers(2**64, size=1, dtype=np.uint64)
    drawn = task.sample(key, "givens=8")
    assert spell_puzzle(drawn.fields["givens"][0]) in text.splitlines()
    assert "\x1b" not in text  # no colours where the output is piped


@pytest.mark.parametrize("name", ["improve", "solve", "bitonic"])
def test_a_classical_method_solves_what_is_drawn(document, name):
    arguments = ["solve", "--classical", name, "--env", "ttc/Sorting-v0", "--task", "size=9"]
    assert main([*arguments, "--steps", "12", "--json"]) == 0
    found = document()
    assert found["solved"]
    assert found["first_solved"] == 1 if name == "solve" else 1 < found["first_solved"] <= 12
    assert found["scores"]["inversions"] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--classical", "improve"), "belong together"),
        (
            ("--classical", "greedy", "--env", "ttc/Sorting-v0"),
            "must be one of random, improve",
        ),
        (("1" * 16, "--level", "easy"), "--level is for what is drawn"),
        (("--env", "ttc/Sorting-v0", "--classical", "solve", "--task", "n=3"), "'n'"),
    ],
)
def test_what_solve_refuses(solver, complaint, arguments, words):
    assert words in complaint("solve", *arguments, "--checkpoint", solver)


def test_a_film_shows_one_puzzle(tmp_path, solver, puzzles, complaint):
    path = tmp_path / "some.txt"
    path.write_text("\n".join(puzzles))
    line = complaint("solve", str(path), "--checkpoint", solver, "--gif", str(tmp_path / "x.gif"))
    assert "--gif shows one puzzle, got 6" in line


def test_a_network_in_place_of_a_puzzle_is_named_as_one(capsys):
    assert main(["solve", "shortest-path-cpu"]) == 2
    assert "ttc solve --checkpoint shortest-path-cpu" in capsys.readouterr().err


def test_an_energy_is_descended_in_the_way_that_is_named(complaint, document):
    command = ["solve", "--checkpoint", "sudoku-energy-cpu", "--level", "givens=50", "--json"]
    assert main([*command, "--steps", "16", "--descent", "annealed"]) == 0
    assert document()["solved"]
    line = complaint(
        "solve", "--classical", "solve", "--env", "ttc/Sudoku4-v0", "--descent", "adam"
    )
    assert line.endswith("--descent is for a model with an energy, --classical has none")
