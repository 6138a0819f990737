import base64
import re
from html.parser import HTMLParser

from ttc_agents.figures.report import Page

MOVING = b"GIF89a" + (16).to_bytes(2, "little") + (8).to_bytes(2, "little")
"""What a GIF of 16 x 8 pixels begins with."""


def made(document, **options):
    parts = {
        "title": "Thinking & longer",
        "lead": "What it is.",
        "tiles": [("12.3%", "solved")],
        "document": document,
        "sweep_images": (b"light", b"dark"),
        "animation": MOVING,
        "animation_note": "Red & green",
        "calibration_images": (b"a", b"b"),
        "facts": [("recipe", "some <recipe>")],
        "commands": ["ttc solve x"],
        **options,
    }
    return Page(**parts).html()


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
    page = made(document)
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


def test_scores_that_are_absent_leave_no_heading(document):
    headings = [
        "One answer, step by step",
        "The numbers",
        "What else was scored",
        "What confidence means",
        "What was run",
        "How to go on",
    ]
    assert re.findall(r"<h2>(.*?)</h2>", made(document)) == headings
    del document["scores"]
    del headings[2]
    assert re.findall(r"<h2>(.*?)</h2>", made(document)) == headings


def test_the_table_has_every_row_and_step(document):
    page = made(document)
    solved, others = (
        re.findall(r"<tr.*?</tr>", table) for table in re.findall(r"<table>.*?</table>", page)
    )
    assert len(solved) == len(others) == 1 + 2 * 4
    rows = solved
    assert others[0].startswith("<tr><th>after 16 steps</th><th>family</th><th>quality</th>")
    assert others[1].endswith("<td>1</td><td>1</td></tr>")
    assert rows[1].startswith("<tr><td>P1: one trajectory</td><td>ten &lt;b&gt;</td><td>8</td>")
    assert [float(v) for v in re.findall(r"<td>([\d.]+)<small>", rows[1])] == [0, 0, 100]
