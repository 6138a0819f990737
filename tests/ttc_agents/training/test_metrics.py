"""What a training reports on a terminal, and that it is silent elsewhere."""

import sys

import pytest

from ttc_agents.training.metrics import Progress
from ttc_agents.training.recipes import RECIPES

RECIPE = RECIPES["sudoku4-demo"]
METRICS = {"loss": 0.25, "solved": 0.5, "instances": 30, "seconds": 2.0, "update": 7}


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "160")


def reported(capsys, monkeypatch, terminal=False, show=None):
    """What a report and a line leave on stderr."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    with Progress(RECIPE, show) as progress:
        progress.show(METRICS, 0.5)
        progress.line("a line")
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_a_bar_is_drawn_on_a_terminal(capsys, monkeypatch):
    text = reported(capsys, monkeypatch, terminal=True)
    assert RECIPE.name in text
    assert "loss 0.250  solved  50.0%  15 new/s  update 7" in text
    assert "a line\n" in text.replace("\r", "")


def test_no_bar_is_drawn_where_none_is_wanted(capsys, monkeypatch):
    assert reported(capsys, monkeypatch, terminal=True, show=False) == "a line\n"


def test_a_bar_is_drawn_without_a_terminal_if_it_is_wanted(capsys, monkeypatch):
    assert "update 7" in reported(capsys, monkeypatch, show=True)


def test_piped_output_has_only_lines(capsys, monkeypatch):
    assert reported(capsys, monkeypatch) == "a line\n"
