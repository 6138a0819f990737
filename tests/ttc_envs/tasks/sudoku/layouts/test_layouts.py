"""Layouts that tools write: each is read from a file and from a text, alike."""

import gzip
import io
import json
import zipfile

import numpy as np
import pytest

from ttc_envs.tasks.sudoku.bank import draw
from ttc_envs.tasks.sudoku.files import load_puzzles, parse_puzzle, parse_puzzles

PUZZLES, SOLUTIONS, _ = draw(np.arange(3), 9, "medium")
ROWS = range(0, 81, 9)


def word(grid, blank="."):
    return "".join(blank if digit < 0 else "123456789"[digit] for digit in grid)


def square(grid, blank=".", row=str, between=None):
    """A row per line, with a line between bands."""
    lines = [row(word(grid, blank)[start : start + 9]) for start in ROWS]
    if between is not None:
        lines[6:6] = lines[3:3] = [between]
    return "\n".join(lines)


def bars(row):
    return "|".join(row[i : i + 3] for i in (0, 3, 6))


def spaced_bars(row):
    return " | ".join(" ".join(row[i : i + 3]) for i in (0, 3, 6))


def framed(row):
    return f"|{bars(row)}|"


def simple_sudoku(grid, blank="."):
    return f" *-----------*\n{square(grid, blank, framed, '|---+---+---|')}\n *-----------*\n"


def all_squares(*arguments, **options):
    return "\n\n".join(square(p, *arguments, **options) for p in PUZZLES)


def game_state(version, cell):
    """OpenSudoku's state of a game in which the player has filled every free cell with 5."""
    cells = "".join(cell(5 if d < 0 else d + 1, int(d < 0)) for d in PUZZLES[0])
    game = f'<game created="1" state="1" data="version: {version}\n{cells}"/>'
    return f'<opensudoku version="2"><folder name="a" created="1">{game}</folder></opensudoku>'


PAIRS = [(word(p), word(s)) for p, s in zip(PUZZLES, SOLUTIONS, strict=True)]
XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
GAMES = "".join(f'<game data="{word(p, "0")}" />' for p in PUZZLES)

LAYOUTS = {
    "plain grids": all_squares(),
    "plain grids, zeros": all_squares("0"),
    "grids without a blank line": "\n".join(map(square, PUZZLES)),
    "spaced": all_squares("0", " ".join),
    "bars": all_squares(".", bars, "---+---+---"),
    "bars and plain dashes": all_squares(".", bars, "-----------"),
    "dashes as blanks": all_squares("-", bars, "---+---+---"),
    "spaced with bars": all_squares(".", spaced_bars, "------+-------+------"),
    "framed": all_squares(" ", framed, "+---+---+---+"),
    "drawn": all_squares(".", lambda row: f"║{bars(row)}║".replace("|", "║"), "╠═══╬═══╬═══╣"),
    "bands apart": all_squares(".", str, ""),
    "sections": "\n".join(f"[Puzzle {i}]\n{square(p)}" for i, p in enumerate(PUZZLES)),
    "numbered": "\n".join(f"Grid {i:02d}\n{square(p, '0')}" for i, p in enumerate(PUZZLES)),
    "numbers": "\n".join(f"{i}.\n{square(p)}\n" for i, p in enumerate(PUZZLES, 1)),
    "sdk": f"#ARuud\n#DA puzzle\n[Puzzle]\n{square(PUZZLES[0])}\n[State]\n{square(SOLUTIONS[0])}",
    "ss": simple_sudoku(PUZZLES[0]) + "Simple Sudoku\n Version 4.2n\n",
    "sdm": "\n".join(word(p, "0") for p in PUZZLES),
    "hodoku": "\n".join(f":0701:2:{p}:345:r1c2:" for p, _ in PAIRS),
    "hodoku, digits placed": ":0000:x:" + PAIRS[0][0].replace(".", "+4", 3) + "::::",
    "semicolons": "\n".join(["id;puzzle;solution", *(f"7;{p};{s}" for p, s in PAIRS)]),
    "tabs with an index": "\n".join(f"{i}\t{p}\t{s}" for i, (p, s) in enumerate(PAIRS)),
    "a space after the comma": "\n".join(["a, puzzle", *(f'"x, y", "{p}"' for p, _ in PAIRS)]),
    "JSON lines": "\n".join(json.dumps({"puzzle": p, "solution": s}) for p, s in PAIRS),
    "JSON lines of words": "\n".join(json.dumps(p) for p, _ in PAIRS).replace('"', ""),
    "JSON": json.dumps([{"quiz": (p + 1).reshape(9, 9).tolist()} for p in PUZZLES], indent=1),
    "JSON of one line": json.dumps([p for p, _ in PAIRS]),
    "JSON with nulls": json.dumps([int(d) + 1 if d >= 0 else None for d in PUZZLES[0]]),
    "JSON, named": json.dumps({"puzzles": [p for p, _ in PAIRS], "by": "me"}),
    "JSON of rows": json.dumps({"puzzle": square(PUZZLES[0]).split("\n")}),
    "JSON of cells": json.dumps({"puzzle": [c.strip(".") for c in PAIRS[0][0]]}),
    "lists of lists": str((PUZZLES[0] + 1).reshape(9, 9).tolist()),
    "as numpy prints": str((PUZZLES[0] + 1).reshape(9, 9)),
    "a spreadsheet": square(PUZZLES[0], row=lambda row: ",".join(row).replace(".", "")),
    "81 numbers": "\n".join(",".join(word(p, "0")) for p in PUZZLES),
    "81 digits apart": "\n".join(" ".join(p) for p, _ in PAIRS),
    "three lines": "\n".join(PAIRS[0][0][i : i + 27] for i in (0, 27, 54)),
    "OpenSudoku": f"{XML}<opensudoku><name>x</name>{GAMES}</opensudoku>",
    "OpenSudoku 1": game_state(1, lambda d, free: f"{d}|{'1,2,' if free else '-'}|{free}|"),
    "OpenSudoku 2": game_state(2, lambda d, free: f"{d}|0||{free}|"),
    "OpenSudoku 3": game_state(3, lambda d, free: f"{d}|12|{free}|"),
    "OpenSudoku 4": XML + game_state(4, lambda d, free: f"{d}|0|0|{free}|"),
    "spaces as blanks": "\n".join(word(p, " ") for p in PUZZLES),
    "spaces in csv": "\n".join(
        ["puzzle,solution", *(f"{p.replace('.', ' ')},{s}" for p, s in PAIRS)]
    ),
    "solutions below": "\n".join(
        f"Puzzle {i}\n{square(p)}\n\nSolution {i}\n{square(s)}\n"
        for i, (p, s) in enumerate(zip(PUZZLES, SOLUTIONS, strict=True))
    ),
    **{f"blank {b!r}": "\n".join(word(p, b) for p in PUZZLES) for b in "0.*_-?xX"},
    **{f"grids, blank {b!r}": all_squares(b) for b in "0.*_-?xX "},
    **{f"ss, blank {b!r}": simple_sudoku(PUZZLES[0], b) for b in "0.*_-?xX "},
}


def zipped(data):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/", b"")
        archive.writestr("__MACOSX/._puzzles", b"x")
        archive.writestr("folder/puzzles.txt", data)
    return stream.getvalue()


PACKINGS = {
    "plain": lambda text: text.encode(),
    "gzip": lambda text: gzip.compress(text.encode()),
    "zip": lambda text: zipped(text.encode()),
    "windows": lambda text: text.replace("\n", "\r\n").encode(),
    "utf-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "utf-16": lambda text: text.encode("utf-16"),
    "utf-16-be without a mark": lambda text: text.encode("utf-16-be"),
    "zip of utf-16": lambda text: zipped(text.encode("utf-16")),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_read_from_a_file_and_from_a_text(tmp_path, layout):
    path = tmp_path / "some.file"
    path.write_text(LAYOUTS[layout], encoding="utf-8")
    loaded = load_puzzles(path)
    assert len(loaded) in (1, 3)
    assert (loaded.puzzles == PUZZLES[: len(loaded)]).all()
    assert (loaded.solutions == SOLUTIONS[: len(loaded)]).all()
    # What `ttc solve "$(cat FILE)"` sees: a shell takes the last line breaks away.
    typed = parse_puzzles(path.read_text(encoding="utf-8").rstrip("\n"))
    assert np.array_equal(typed.puzzles, loaded.puzzles)
    assert typed.lines.tolist() == loaded.lines.tolist()


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("layout", ["sdk", "semicolons", "JSON", "OpenSudoku", "framed", "drawn"])
def test_a_layout_is_read_in_every_packing(tmp_path, layout, packing):
    if layout == "drawn" and packing == "utf-16-be without a mark":
        pytest.skip("other characters than ASCII cannot be told from other encodings")
    path = tmp_path / "some.file"
    path.write_bytes(PACKINGS[packing](LAYOUTS[layout]))
    loaded = load_puzzles(path)
    assert (loaded.puzzles == PUZZLES[: len(loaded)]).all()


REFUSED = {
    "unknown header": (
        "\n".join(["grid,result", *(f"{p},{s}" for p, s in PAIRS)]),
        "line 1: unknown header 'grid', 'result': expected the column of puzzles to be called",
    ),
    "a row is short": (
        all_squares().replace(word(PUZZLES[0])[:9], word(PUZZLES[0])[:8], 1),
        "1 of 3 rows are bad: line 1: line 1: expected a row of 9 cells",
    ),
    "a row is missing": (
        "\n\n".join([square(PUZZLES[0])[:-10], square(PUZZLES[1])]),
        "line 1: expected a grid of 9 rows, got 8",
    ),
    "a letter in a row": (
        square(PUZZLES[1])
        + "\n\n"
        + square(PUZZLES[0]).replace("\n", "\ny", 3).replace("y", "", 2),
        "line 11: line 14: expected a row of 9 cells",
    ),
    "wrong solution below": (
        f"Puzzle\n{square(PUZZLES[0])}\nSolution\n{square(SOLUTIONS[1])}",
        "line 2: the solution in the file is wrong",
    ),
    "other XML": ("<html><body>1</body></html>", "expected the XML of OpenSudoku, got .*'html'"),
    "cut XML": (LAYOUTS["OpenSudoku"][:-9], r"not readable XML \(unclosed"),
    "entities": (
        '<!DOCTYPE a [<!ENTITY b "9">]><opensudoku><game data="&b;"/></opensudoku>',
        "entities are not read",
    ),
    "cut JSON": (LAYOUTS["JSON"][:-9], "not a readable JSON document"),
    "deep JSON": ("[" * 100_000, "not a readable JSON document"),
    "JSON of something": ('{"board": 7}', r"expected an entry puzzle, quiz or question, got \['bo"),
    "JSON lines, one bad": (
        LAYOUTS["JSON lines"] + "\n{",
        r"1 of 4 rows are bad: line 4: not JSON",
    ),
    "JSON numbers out of range": ("[[17, 4], [1]]", "expected a puzzle as text or array"),
    "JSON of a number": ('[1.5, {"puzzle": 7}]', "expected a puzzle as text or array, got '1.5'"),
    "a state that is cut": (
        LAYOUTS["OpenSudoku 3"].replace("|", "", 1),
        "the file holds no puzzle of 16, 36, 81, 256 or 625 cells",
    ),
    "a row of another size": (
        "\n".join([*(p for p, _ in PAIRS), "1234" * 4]),
        "1 of 4 rows are bad: line 4: expected 81 cells, got 16",
    ),
    "prose": ("once upon a time", "as a puzzle per line, csv with a column 'puzzle', grids"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_read_is_refused_by_name(tmp_path, kind):
    text, message = REFUSED[kind]
    path = tmp_path / "some.file"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"some\.file: .*{message}"):
        load_puzzles(path)


def test_a_zip_of_several_files_names_them(tmp_path):
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", PAIRS[0][0])
        archive.writestr("b.txt", PAIRS[1][0])
    with pytest.raises(ValueError, match=r"expected one file in the zip file, got 2 \['a.txt'"):
        load_puzzles(path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"the zip file cannot be read"):
        load_puzzles(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.txt", PAIRS[0][0])
    with pytest.raises(ValueError, match="expected a zip file that is stored or deflated"):
        load_puzzles(path)


def test_a_damaged_zip_keeps_what_stands_before_the_damage(tmp_path):
    puzzles, _, _ = draw(np.arange(400), 9, "easy")
    data = bytearray(zipped("\n".join(map(word, puzzles)).encode()))
    place = data.rindex(b"folder/puzzles.txt", 0, len(data) // 2) + 12_000
    data[place : place + 40] = bytes(40)
    path = tmp_path / "damaged.zip"
    path.write_bytes(data)
    loaded = load_puzzles(path, on_error="skip")
    assert 50 < len(loaded) < 400
    assert "the zip file is damaged" in loaded.rejected[-1][1]


def test_several_solutions_are_accepted_where_asked_for(tmp_path):
    path = tmp_path / "several.csv"
    open_puzzle = np.where(np.isin(SOLUTIONS[0], (0, 1)), -1, SOLUTIONS[0])
    swapped = np.select([SOLUTIONS[0] == 0, SOLUTIONS[0] == 1], [1, 0], SOLUTIONS[0])
    pairs = [(word(open_puzzle), word(swapped)), PAIRS[1]]
    path.write_text("\n".join(["puzzle,solution", *map(",".join, pairs)]))
    with pytest.raises(ValueError, match="line 2: the puzzle has several solutions"):
        load_puzzles(path)
    loaded = load_puzzles(path, several_solutions=True)
    assert loaded.several.tolist() == [True, False]
    # The file's own solution is the label, since it obeys the rules.
    assert (loaded.solutions == [swapped, SOLUTIONS[1]]).all()
    path.write_text("\n".join(["puzzle,solution", f"{pairs[0][0]},{PAIRS[1][1]}"]))
    with pytest.raises(ValueError, match="line 2: the solution in the file is wrong"):
        load_puzzles(path, several_solutions=True)


def test_many_small_puzzles_are_no_large_one():
    puzzles, _, _ = draw(np.arange(16), 4, "easy")
    words = [word(p) for p in puzzles]
    for text in ("\n".join(words), json.dumps(words), json.dumps({"puzzles": words})):
        found = parse_puzzles(text)
        assert (found.size, len(found) + found.duplicates) == (4, 16)


def test_one_puzzle_is_wanted_where_one_is_parsed():
    with pytest.raises(ValueError, match="expected one puzzle, got 3"):
        parse_puzzle(LAYOUTS["plain grids"])
    assert (parse_puzzle(LAYOUTS["ss"]) == PUZZLES[0]).all()


@pytest.mark.parametrize("blank", "0.*_-?x ")
@pytest.mark.parametrize("row", [str, framed], ids=["plain", "framed"])
def test_rows_without_a_digit_are_rows(blank, row):
    puzzles, _, _ = draw(np.arange(4000), 9, "minimal")
    empty = (puzzles.reshape(-1, 9, 9) < 0).all(axis=2)
    rows = [int(np.flatnonzero(empty[:, place])[0]) for place in (0, 3, 4, 8)]
    between = None if row is str else "+---+---+---+"
    text = "\n\n".join(square(puzzles[i], blank, row, between) for i in rows)
    assert (parse_puzzles(text).puzzles == puzzles[rows]).all()


def test_blanks_at_the_end_of_a_line_may_be_cut():
    text = "\n".join(line.rstrip() for line in square(PUZZLES[0], " ").split("\n"))
    assert any(len(line) < 9 for line in text.split("\n"))
    assert (parse_puzzles(text).puzzles == PUZZLES[0]).all()
