import json
import re
import xml.etree.ElementTree as ET

import pytest
from PIL import Image

from ttc_agents.cli import main

SHARE = {"solved": 0.25, "n": 8, "low": 0.1, "high": 0.6}


@pytest.fixture
def sweep(tmp_path):
    """A file of a sweep whose family has a name that HTML must not take for a tag."""
    path = tmp_path / "sweep.json"
    rows = {"p1": {"<b>easy</b>": {"1": SHARE, "16": {**SHARE, "solved": 0.5}}}}
    path.write_text(json.dumps({"steps": [1, 16], "rows": rows, "settings": {"seed": 3}}))
    return path


@pytest.fixture
def training(tmp_path):
    """The directory of a training."""
    path = tmp_path / "mine"
    path.mkdir()
    lines = [{"update": n, "seconds": n / 2, "loss": 1 / n} for n in (1, 2, 3)]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_report_writes_a_page_markdown_and_figures_with_their_data(
    tmp_path, capsys, sweep, training
):
    out = tmp_path / "report"
    assert main(["report", str(sweep), str(training), "--out", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found == {"page": str(out / "report.html"), "files": len(list(out.iterdir()))}
    markdown = (out / "report.md").read_text("utf-8")
    named = re.findall(r"\]\(([\w=.-]+)\)", markdown)
    assert {name.rsplit(".")[-1] for name in named} == {"png", "svg", "csv"}
    assert all((out / name).is_file() for name in named)
    assert "25.0% (10.0% to 60.0%)" in markdown
    assert f"- command: ttc report {sweep} {training}" in markdown
    assert "- seed: 3" in markdown
    for name in ("sweep-solved-steps", "mine-loss-update"):
        with Image.open(out / f"{name}.png") as picture:
            assert picture.width > 600
        assert ET.parse(out / f"{name}.svg").getroot().tag.endswith("svg")
    data = (out / "mine-loss-update.csv").read_text().splitlines()
    assert data[-1].startswith('"loss",3.0,0.333')


def test_the_page_needs_nothing_else_and_follows_the_mode(tmp_path, sweep):
    assert main(["report", str(sweep), "--out", str(tmp_path / "report")]) == 0
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    (picture,) = re.findall(r"<figure>(<svg .*?</svg>)", page, re.DOTALL)
    assert "var(--ink)" in picture
    assert "#1f2937" not in picture
    assert 'role="img"' in picture
    assert "<b>easy</b>" not in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "holds no JSON"), ("[]", "holds no results"), (None, "there is no file")],
)
def test_what_is_no_result_is_one_line(tmp_path, complaint, content, words):
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content)
    assert words in complaint("report", str(path), "--out", str(tmp_path / "report"))
    assert not (tmp_path / "report").exists()


def test_no_run_is_one_line(complaint):
    assert "which RUN?" in complaint("report")
