import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from ttc_agents.evaluation import sweep
from ttc_agents.evaluation.report import Report, text_table
from ttc_envs import NextHopTask

MOVING = b"GIF89a" + (16).to_bytes(2, "little") + (8).to_bytes(2, "little")
"""What a GIF of 16 x 8 pixels begins with."""


@pytest.fixture
def document(task, scripted):
    puzzles = task.sample(np.arange(8, dtype=np.uint64), "givens=6")
    families = {"ten <b>": puzzles, "four": task.sample(np.arange(8, dtype=np.uint64), "givens=12")}
    return sweep(scripted(), task, families, (1, 4, 16)).to_json()


def made(document, **options):
    parts = {
        "title": "Thinking & longer",
        "lead": "What it is.",
        "tiles": [("12.3%", "solved")],
        "document": document,
        "sweep_images": (b"light", b"dark"),
        **options,
    }
    return Report(**parts).html()


class Tags(HTMLParser):
    """Collects what is opened and whether all of it is closed."""

    VOID = ("meta", "img", "source", "link", "br")

    def __init__(self, page):
        super().__init__()
        self.open, self.attributes, self.seen = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else(document):
    page = made(
        document,
        animation=MOVING,
        animation_note="Red & green",
        calibration_images=(b"a", b"b"),
        facts=[("recipe", "some <recipe>")],
        commands=["ttc solve x"],
    )
    tags = Tags(page)
    assert tags.open == []
    assert not {"script", "link", "iframe"} & set(tags.seen)
    sources = [value for name, value in tags.attributes if name in ("src", "srcset", "href")]
    assert len(sources) == 5
    assert all(source.startswith("data:image/") for source in sources)
    assert "http" not in page
    assert "prefers-color-scheme: dark" in page
    assert base64.b64encode(MOVING).decode() in page
    assert "Thinking &amp; longer" in page
    assert "Red &amp; green" in page
    assert "some &lt;recipe&gt;" in page
    assert "ten &lt;b&gt;" in page
    assert "ten <b>" not in page
    assert 'class="board wide"' in page
    assert 'class="board"' in made(document, animation=b"GIF89a" + bytes([8, 0, 8, 0]))


def test_parts_that_are_absent_leave_no_heading(document):
    page = made(document)
    assert re.findall(r"<h2>(.*?)</h2>", page) == [
        "The numbers",
        "What else was scored after 16 steps",
    ]
    del document["scores"]
    assert re.findall(r"<h2>(.*?)</h2>", made(document)) == ["The numbers"]


def test_the_table_has_every_row_and_step(document):
    page = made(document)
    solved, others = (
        re.findall(r"<tr.*?</tr>", table) for table in re.findall(r"<table>.*?</table>", page)
    )
    assert len(solved) == len(others) == 1 + 2 * 4
    rows = solved
    assert others[1].endswith("<td>1</td><td>1</td></tr>")
    assert rows[1].startswith("<tr><td>P1: one trajectory</td><td>ten &lt;b&gt;</td><td>8</td>")
    assert [float(v) for v in re.findall(r"<td>([\d.]+)<small>", rows[1])] == [0, 0, 100]


def test_the_text_table(document):
    lines = text_table(document).splitlines()
    assert lines[0].split()[-3:] == ["1", "4", "16"]
    assert lines[5].split()[-5:] == ["four", "8", "0.0", "100.0", "100.0"]
    assert len({len(line) for line in lines[:9]}) == 1
    assert lines[9] == ""
    assert lines[10].split() == ["after", "16", "steps", "family", "quality", "accuracy"]
    assert lines[11].split()[-2:] == ["1", "1"]
    assert lines[19] == ""
    assert lines[20].startswith("ten <b>: solved within the steps of 'classical steps' 1 x: ")


def test_the_text_of_paths_has_parts_and_pace(improving):
    paths = NextHopTask(places=16, split="test")
    maps = paths.sample(np.arange(8, dtype=np.uint64), "spread16")
    result = sweep(improving(paths), paths, {"some": maps}, (1, 32), classical=("bellman_ford",))
    solved, scores, parts, pace = text_table(result.to_json()).split("\n\n")
    row = solved.splitlines()[2].split()
    assert row[:4] == ["bellman", "ford", "some", "8"]
    assert row[-1] == "100.0"
    head, model, _ = scores.splitlines()
    assert "within 1 percent" in head
    assert model.count("100.0%") == 5
    assert parts.splitlines()[1].split()[-1] == "100.0"
    assert {len(line) for line in parts.splitlines()} == {len(parts.splitlines()[0])}
    assert pace.startswith("some: solved within the steps of 'bellman ford' 1 x: 100.0%, 1.5 x:")
