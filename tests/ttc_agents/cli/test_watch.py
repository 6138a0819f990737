import base64
import json
import re
import zlib

import pytest
from PIL import Image

from ttc_agents.cli import main

QUICK = ("--count", "1", "--steps", "2", "--think", "steps")
SPELLED = "8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4.."


def document_of(page):
    """What Python packed into a page."""
    (data,) = re.findall(r'<script id="data" type="text/plain">(.*?)</script>', page, re.DOTALL)
    return json.loads(zlib.decompress(base64.b64decode(data)))


def test_models_of_one_task_stand_side_by_side(tmp_path, capsys):
    out = tmp_path / "new" / "watch.html"
    names = ("sudoku-cpu", "sorting-adjacent-cpu", "sudoku-best")
    assert main(["watch", *names, *QUICK, "--out", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found == {"page": str(out), "bytes": out.stat().st_size, "sets": 2}
    page = out.read_text("utf-8")
    sudoku, sorting = document_of(page)["sets"]
    assert [run["title"] for run in sudoku["runs"]] == ["sudoku-cpu", "sudoku-best"]
    assert [run["title"] for run in sorting["runs"]] == ["sorting-adjacent-cpu"]
    assert sudoku["instances"][0]["runs"][1]["frames"]["step"] == [0, 1, 2]
    assert "http" not in re.sub(r'"http://www.w3.org/2000/svg"', "", page)  # nothing is fetched


def test_the_puzzles_of_a_file_are_shown(tmp_path):
    file, out = tmp_path / "mine.txt", tmp_path / "watch.html"
    file.write_text(SPELLED)
    options = ("--puzzles", str(file), "--steps", "2", "--think", "steps")
    assert main(["watch", "sudoku-cpu", *options, "--out", str(out)]) == 0
    (shown,) = document_of(out.read_text("utf-8"))["sets"]
    assert shown["title"] == "ttc/Sudoku-v0, mine.txt"
    assert [instance["text"] for instance in shown["instances"]] == [SPELLED]


def test_a_film_in_the_place_of_the_page(tmp_path):
    out, film = tmp_path / "watch.html", tmp_path / "film.gif"
    options = (*QUICK, "--gif", str(film), "--out", str(out))
    assert main(["watch", "sorting-adjacent-cpu", *options]) == 0
    with Image.open(film) as opened:
        assert opened.n_frames >= 2
    assert not out.exists()


def test_the_terminal_in_the_place_of_the_page(tmp_path, capsys):
    out = tmp_path / "watch.html"
    options = (*QUICK, "--terminal", "--out", str(out))
    assert main(["watch", "sorting-adjacent-cpu", *options]) == 0
    assert "step 2 of 2" in capsys.readouterr().out
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--count", "0"), "must be at least 1"),
        (("--live", "sorting-cpu", *QUICK), "the page can run factor_graph_network only"),
        (("--puzzles", "a.txt", "--level", "easy"), "exclude each other"),
        (("--think", "harder", "--count", "1"), "harder"),
    ],
)
def test_what_cannot_be_shown_is_one_line(tmp_path, capsys, options, said):
    out = ("--out", str(tmp_path / "watch.html"))
    assert main(["watch", "sudoku-cpu", *options, *out]) == 2
    assert said in capsys.readouterr().err
