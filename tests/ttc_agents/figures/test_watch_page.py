"""The page of `ttc watch` in a real browser: what it computes, shows, and lets a person do."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import ttc_agents as ta
from ttc_agents.cli import main
from ttc_agents.evaluation.families import draw
from ttc_agents.inference.boards import search
from ttc_agents.inference.search import Branching
from ttc_envs import parse_puzzle

sys.path.insert(0, str(Path(__file__).parents[2]))
from chromium import Chromium, find_chromium

pytestmark = [
    pytest.mark.skipif(find_chromium() is None, reason="needs Chromium (apt install chromium)"),
    pytest.mark.xdist_group("chromium"),
]

SEVENTEEN = "000000010400000000020000000000050407008000300001090000300400200050100000000806000"
HARD = "8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4.."
CHECKPOINTS = ("sudoku-cpu", "sudoku-learned-graph-cpu", "shortest-path-cpu")
CHECKPOINTS += ("sorting-adjacent-cpu",)
AXE = os.environ.get("AXE_CORE", "")
"""The path of axe.min.js (`npm install axe-core`)."""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of one instance of each task."""
    path = tmp_path_factory.mktemp("watch") / "watch.html"
    options = ["--count", "1", "--steps", "16", "--level", "easy"]
    assert main(["watch", *CHECKPOINTS[:2], *options, "--out", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def all_tasks(tmp_path_factory):
    """The page with every kind of picture."""
    path = tmp_path_factory.mktemp("watch") / "watch.html"
    options = ["--count", "1", "--steps", "8", "--think", "steps"]
    assert main(["watch", *CHECKPOINTS, *options, "--out", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def browser():
    """A browser for all tests."""
    chromium = Chromium()
    yield chromium
    chromium.close()


@pytest.fixture
def opened(browser, page):
    """The page, opened anew; in the end nothing was wrong with it."""
    browser.open(page)
    yield browser
    assert browser.complaints() == []


def text(browser, selector):
    return browser.run(f"document.querySelector({json.dumps(selector)}).textContent")


def pick(browser, name, value):
    browser.run(f"""(() => {{ const field = document.getElementById({json.dumps(name)});
        field.value = {json.dumps(value)}; field.dispatchEvent(new Event('change')); }})()""")


def paste(browser, puzzle):
    """Put a text into the field for pasting, and have it read by keys alone."""
    browser.run("document.getElementById('paste').value = ''")
    browser.run("document.getElementById('paste').focus()")
    browser.insert(puzzle)
    browser.press("Tab")
    browser.press("Enter")


def solve(browser, seconds=120):
    """Press the button and wait; what the page says then."""
    browser.run("document.getElementById('solve').focus()")
    browser.press("Enter")
    browser.wait_for("/olved/.test(document.getElementById('message').textContent)", seconds)
    return text(browser, "#message")


def network(browser):
    """Makes the page's network as `network`, with the epsilon of double precision."""
    browser.run("""window.network = (() => {
        const live = document.getElementById('live').live.live;
        return makeNetwork({...live, weights: unpackedWeights(live.weights)}, Number.EPSILON);
    })()""")


# What the page computes


def differences(browser, puzzles, num_steps):
    """For each puzzle the largest difference of logits (B,), and whether the answer differs (B,).

    Both compute in double precision: in single precision a trajectory that wanders before it
    settles is amplified rounding, and PyTorch would not agree with itself.
    """
    model = ta.load("sudoku-cpu").double().eval()
    network(browser)
    batch = {"givens": torch.from_numpy(puzzles).long()}
    with torch.inference_mode():
        steps = [logits.numpy() for logits, _ in model.iterate(batch, num_steps)]
    worst, wrong = [], []
    for row, puzzle in enumerate(puzzles):
        browser.run(f"""window.seen = []; refine(network, {puzzle.tolist()}, {num_steps},
            ({{logits}}) => {{ seen.push(Array.from(logits)); }})""")
        ours = np.array(browser.run("seen")).reshape(num_steps, *steps[0].shape[1:])
        theirs = np.stack([logits[row] for logits in steps])
        worst.append(np.abs(ours - theirs).max())
        wrong.append((ours[-1].argmax(-1) != theirs[-1].argmax(-1)).any())
    return np.array(worst), np.array(wrong)


def test_the_network_of_the_page_is_that_of_pytorch(opened):
    task = ta.load_task("sudoku-cpu", "test")
    puzzles = np.stack([parse_puzzle(SEVENTEEN), *draw(task, "minimal", 1, 0).fields["givens"]])
    worst, wrong = differences(opened, puzzles, 48)
    assert worst.max() < 1e-8
    assert not wrong.any()


@pytest.mark.slow
def test_two_hundred_puzzles_for_256_steps(opened):
    puzzles = draw(ta.load_task("sudoku-cpu", "test"), "minimal", 200, 0).fields["givens"]
    worst, wrong = differences(opened, puzzles, 256)
    print(f"logits: median {np.median(worst):.1e}, largest {worst.max():.1e}, "
          f"within 1e-5 {(worst < 1e-5).sum()}, within 1e-4 {(worst < 1e-4).sum()}; "
          f"other answers {wrong.sum()} of {len(puzzles)}")  # fmt: skip
    assert not wrong.any()
    # Where a trajectory does not settle in 256 steps, even the last digit of a double is amplified.
    assert (worst < 1e-4).mean() >= 0.98


def test_the_search_of_the_page_is_that_of_python(opened):
    task, model = ta.load_task("sudoku-cpu", "test"), ta.load("sudoku-cpu").double()
    # Without doubts, which are the only random part, in a budget of six boards.
    (tree,) = search(model, task, task.parse(HARD), 192, Branching(doubts=0))
    opened.run("SEARCH.doubts = 0; window.boards = []")
    network(opened)
    givens = parse_puzzle(HARD).tolist()
    opened.run(f"search(network, {givens}, 192, ({{pin, fate, used}}) => {{ "
               "boards.push({pin, fate, used}); })")  # fmt: skip
    boards = opened.run("boards")
    assert len(boards) > 4
    assert [b["pin"] and tuple(b["pin"]) for b in boards] == [b.pin for b in tree.boards]
    assert [b["fate"] for b in boards] == [b.fate for b in tree.boards]


GRID = "\n".join(SEVENTEEN[i : i + 9] for i in range(0, 81, 9))
LAYOUTS = {
    "zeros": SEVENTEEN,
    "dots": SEVENTEEN.replace("0", "."),
    "rows": GRID,
    "comment": f"# from a book\n{SEVENTEEN}\n",
    "spaces": "\n".join(" ".join(row) for row in GRID.splitlines()),
    "commas": "\n".join(",".join(row) for row in GRID.splitlines()),
    "empty fields": "\n".join(",".join(row.replace("0", " ")) for row in GRID.splitlines()),
    "csv": f"puzzle,solution\n{SEVENTEEN},{SEVENTEEN}\n",
    "bars": "\n-------+-------+------\n".join(
        "\n".join(" | ".join(" ".join(row[i : i + 3]) for i in (0, 3, 6)) for row in rows)
        for rows in (GRID.splitlines()[i : i + 3] for i in (0, 3, 6))
    ).replace("0", "_"),
    "json": json.dumps({"puzzle": SEVENTEEN}),
    "numpy": "[[" + "]\n [".join(" ".join(row) for row in GRID.splitlines()) + "]]",
}


def test_pasted_layouts_are_read_as_python_reads_them(opened):
    expected = parse_puzzle(SEVENTEEN).tolist()
    for name, layout in LAYOUTS.items():
        assert parse_puzzle(layout).tolist() == expected, name
        found = opened.run(f"parsePuzzle({json.dumps(layout)}, 81, [...'123456789'])")
        assert found.get("givens") == expected, f"{name}: {found}"


@pytest.mark.parametrize(
    ("words", "said"),
    [("", "nothing"), ("12345", "expected 81 cells, got 5"), ("a" * 81, 'got "a"')],
)
def test_what_is_no_puzzle_is_refused_in_words(opened, words, said):
    assert said in opened.run(f"parsePuzzle({json.dumps(words)}, 81, [...'123456789'])")["error"]


# What a person does


def test_a_pasted_puzzle_is_solved(opened):
    paste(opened, SEVENTEEN)
    assert opened.run("document.querySelectorAll('#grid .cell')[7].value") == "1"
    said = solve(opened)
    assert said.startswith("Solved: all rules hold since step")
    answer = opened.run("Array.from(document.querySelectorAll('#live-player .digit'), "
                        "(e) => e.textContent).join('')")  # fmt: skip
    assert all(given in ("0", digit) for given, digit in zip(SEVENTEEN, answer, strict=True))
    task = ta.load_task("sudoku-cpu")
    label = task.parse(SEVENTEEN).labels["answer"][0]
    assert answer == task.spell(label)


def test_a_solve_can_be_stopped_and_begun_again(opened):
    pick(opened, "depth", "4096")
    opened.run("document.getElementById('solve').click(); document.getElementById('stop').click()")
    assert text(opened, "#message") == "Stopped."
    pick(opened, "depth", "16")
    assert "16 steps in" in solve(opened)


def test_branching_shows_its_tree(opened):
    pick(opened, "think", "branch")
    pick(opened, "depth", "128")
    paste(opened, HARD)
    assert solve(opened).startswith("Not solved within 128 steps")
    boards = opened.run("Array.from(document.querySelectorAll('#live-player .board'), "
                        "(e) => e.textContent)")  # fmt: skip
    assert len(boards) >= 3
    assert boards[0].startswith("1. the puzzle: not sure")
    assert " = " in boards[1]
    opened.run("document.querySelectorAll('#live-player .board')[1].click()")
    assert opened.run("document.querySelectorAll('#live-player .cell.pinned').length") == 1


def test_a_wrong_puzzle_is_named_and_not_solved(opened):
    paste(opened, "11" + 79 * ".")
    assert text(opened, "#message").startswith("This puzzle has no solution: row 1 holds 1 twice")
    assert opened.run("document.querySelectorAll('[aria-invalid]').length") == 2
    opened.run("document.getElementById('solve').focus()")
    opened.press("Enter")
    assert opened.run("document.getElementById('live-player').hidden")
    paste(opened, "123")
    assert text(opened, "#message") == "This is no puzzle: expected 81 cells, got 3."


@pytest.mark.parametrize(
    ("puzzle", "said"),
    [
        ("123456780" + "000000009" + 63 * "0", "This puzzle has no solution."),
        (SEVENTEEN.replace("1", "0", 1), "several solutions"),
    ],
)
def test_the_page_counts_solutions(opened, puzzle, said):
    pick(opened, "depth", "16")
    paste(opened, puzzle)
    opened.run("document.getElementById('solve').click()")
    opened.wait_for("/olution/.test(document.getElementById('message').textContent)")
    assert said in text(opened, "#message")


def test_cells_are_typed_and_left_by_arrow_keys(opened):
    opened.run("document.getElementById('clear').click()")
    opened.run("document.querySelector('#grid .cell').focus()")
    for key in ("5", "ArrowRight", "x", "3", "ArrowDown", "7"):
        opened.press(key)
    values = opened.run("Array.from(document.querySelectorAll('#grid .cell'), (c) => c.value)")
    assert {i: v for i, v in enumerate(values) if v} == {0: "5", 1: "3", 10: "7"}


def test_slider_keys_and_play_move_the_replay(opened):
    step = "document.querySelector('#replay-player .step').textContent"
    assert opened.run(step) == "step 0 of 16"
    for key, shown in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("Home", 0)):
        opened.press(key)
        assert opened.run(step).startswith(f"step {shown} of")
    opened.press("End")
    assert opened.run(step) == "step 16 of 16"
    opened.press("Home")
    opened.press(" ")
    opened.wait_for(f"Number({step}.split(' ')[1]) >= 2")
    opened.press(" ")
    assert text(opened, "#replay-player .play") == "Play"
    opened.run("document.querySelector('#replay-player input').focus()")
    opened.press("End")
    assert opened.run(step) == "step 16 of 16"
    assert "All rules hold." in text(opened, "#replay-player .words")


def test_a_learned_graph_is_laid_over_the_grid(opened):
    pick(opened, "graph-cell", "40")
    assert "of 20 share a rule with it" in text(opened, ".graph-choice [role=status]")
    assert opened.run("document.querySelectorAll('.graph line').length") == 20


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_task_fits_and_is_accessible(browser, all_tasks, width, dark):
    browser.open(all_tasks, width=width, dark=dark)
    paper = browser.run("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(22, 24, 29)" if dark else "rgb(255, 255, 255)")
    solve(browser)
    for number in range(browser.run("document.getElementById('set').options.length")):
        pick(browser, "set", str(number))
        browser.press("End")
        assert text(browser, "#replay-player .words")
        assert browser.run("document.documentElement.scrollWidth") <= width
        if AXE:
            browser.run(Path(AXE).read_text("utf-8"))
            found = browser.run("axe.run(document).then((r) => r.violations.map((v) => v.id))")
            assert found == []
    assert browser.complaints() == []


def test_the_keyboard_alone_reaches_every_control(opened):
    reached = set()
    opened.run("document.activeElement.blur()")
    for _ in range(140):
        opened.press("Tab")
        reached.add(opened.run("document.activeElement.id || document.activeElement.className"))
    assert {"cell", "example", "paste", "read", "clear", "depth", "think", "solve"} <= reached
    assert {"set", "instance", "graph-cell", "play"} <= reached
