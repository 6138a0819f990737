"""What commands write."""

import sys

import pytest

from ttc_agents.cli.output import clock, coloured, complain, make_room, plain, progress_line, say


def test_a_complaint_is_one_line(capsys):
    assert complain("what\n  is wrong") == 2
    assert complain("interrupted", 130) == 130
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "ttc: what is wrong\nttc: interrupted\n"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("minimal 9x9, 85.3%\n", "minimal 9x9, 85.3%\n"),
        ("Zürich, 東京, R²", "Zürich, 東京, R²"),
        ("\x1b[2J\x1b]0;owned\x07.txt", "\\x1b[2J\\x1b]0;owned\\x07.txt"),
        ("a\rb\tc\x9b31m\x7f", "a\\rb\\tc\\x9b31m\\x7f"),
        ("txt.\u202egnp", "txt.\\u202egnp"),
        ("no utf-8: \udcff", "no utf-8: \\udcff"),
    ],
)
def test_what_a_terminal_would_obey_is_spelt_out(capsys, text, seen):
    assert plain(text) == seen
    say(text, end="")
    assert capsys.readouterr().out == seen
    complain(text)
    assert capsys.readouterr().err.rstrip("\n").isprintable()


def test_progress_is_one_line_of_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    show = progress_line()
    clock = iter((100.0, 130.0, 160.0))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    for done in (0.0, 0.5, 1.0):
        show("easy", done)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [line.rstrip() for line in captured.err.split("\r")[1:]] == [
        "easy: [                    ]   0%",
        "easy: [##########          ]  50%  0:30 left",
        "easy: [####################] 100%  1:00",
    ]


def test_a_pipe_has_a_line_for_each_tenth_of_what_takes_long(capsys, monkeypatch):
    times = iter((0.0, 4.0, 30.0, 31.0, 60.0, 100.0))
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    show = progress_line()
    for done in (0.04, 0.2, 0.3, 0.39, 0.6, 1.0):
        show("easy", done)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "easy: 30%, 1:10 left\neasy: 60%, 0:40 left\neasy: 100%, 1:40\n"


def test_a_pipe_hears_nothing_of_what_is_done_at_once(capsys, monkeypatch):
    times = iter((0.0, 1.0, 2.0))
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    show = progress_line()
    for done in (0.0, 0.5, 1.0):
        show("easy", done)
    assert capsys.readouterr().err == ""


def test_times_are_read_off_a_clock():
    assert [clock(s) for s in (0.4, 67, 3723)] == ["0:00", "1:07", "1:02:03"]


def test_colours_are_for_terminals_that_want_them(monkeypatch):
    picture = "\x1b[48;2;1;2;3m 5 \x1b[0m"
    assert coloured(picture) == " 5 "
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert coloured(picture) == picture
    monkeypatch.setenv("NO_COLOR", "1")
    assert coloured(picture) == " 5 "


def test_room_is_made_for_files_alone(tmp_path):
    make_room(tmp_path / "a" / "b" / "c.json")
    assert (tmp_path / "a" / "b").is_dir()
    with pytest.raises(IsADirectoryError, match="expected a file to write"):
        make_room(tmp_path / "a")
