import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttc_envs.tasks.sudoku import files
from ttc_envs.tasks.sudoku.bank import draw, load_bank
from ttc_envs.tasks.sudoku.files import load_puzzles, parse_puzzle, spell_puzzle

PUZZLES, SOLUTIONS, _ = draw(np.arange(6), 9, "medium")


def text_of(grid, blank="0", symbols="123456789ABCDEFGHIJKLMNOP"):
    return "".join(blank if digit < 0 else symbols[digit] for digit in grid)


ROWS = [(text_of(p), text_of(s)) for p, s in zip(PUZZLES, SOLUTIONS, strict=True)]
DOTS = [text_of(p, blank=".") for p in PUZZLES]

LAYOUTS = {
    "named columns": ["puzzle,solution,source,givens", *(f"{p},{s},own,30" for p, s in ROWS)],
    "kaggle": ["quizzes,solutions", *(f"{p},{s}" for p, s in ROWS)],
    "quoted": ["source,question,answer,rating", *(f'"a, b","{p}","{s}",3' for p, s in ROWS)],
    "tdoku": ["# 6 puzzles", *DOTS],
    "exchange bank": [f"0000183b305{i} {p}  {i}.5" for i, (p, _) in enumerate(ROWS)],
    "no header": [f"{p},{s}" for p, s in ROWS],
    "pairs without header": [f"{p}\t{s}" for p, s in ROWS],
    "one named column": ["Puzzle", *(p for p, _ in ROWS)],
}


def write(path, lines, end="\n"):
    path.write_bytes((end.join(lines) + end).encode())
    return path


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "form", ["plain", "gzip", "windows", "byte order mark", "two gzip members"]
)
def test_every_layout_is_read(tmp_path, layout, form):
    path = tmp_path / "puzzles"
    data = ("\n".join(LAYOUTS[layout]) + "\n").encode()
    if form == "gzip":
        data = gzip.compress(data)
    elif form == "windows":
        data = data.replace(b"\n", b"\r\n")
    elif form == "byte order mark":
        data = b"\xef\xbb\xbf" + data
    elif form == "two gzip members":
        data = gzip.compress(data[:300]) + gzip.compress(data[300:])
    path.write_bytes(data)
    loaded = load_puzzles(path)
    assert loaded.size == 9
    assert (loaded.puzzles == PUZZLES).all()
    assert (loaded.solutions == SOLUTIONS).all()
    assert loaded.rejected == ()
    assert loaded.duplicates == 0
    first = len(LAYOUTS[layout]) - 5
    assert loaded.lines.tolist() == list(range(first, first + 6))


@pytest.mark.parametrize("shape", [(6, 81), (6, 9, 9)])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64])
def test_arrays_are_read(tmp_path, shape, dtype):
    np.save(tmp_path / "p.npy", (PUZZLES + 1).astype(dtype).reshape(shape))
    loaded = load_puzzles(tmp_path / "p.npy")
    assert (loaded.puzzles == PUZZLES).all()
    assert (loaded.solutions == SOLUTIONS).all()


def test_arrays_of_pairs_are_read_and_the_solutions_checked(tmp_path):
    pairs = np.stack([PUZZLES, SOLUTIONS], axis=1).reshape(6, 2, 9, 9) + 1
    pairs[4, 1, 0, 0] = pairs[4, 1, 0, 0] % 9 + 1
    np.save(tmp_path / "p.npy", pairs)
    loaded = load_puzzles(tmp_path / "p.npy", on_error="skip")
    assert loaded.lines.tolist() == [1, 2, 3, 4, 6]
    assert loaded.rejected == ((5, "the solution in the file is wrong, first at position 1"),)


@pytest.mark.parametrize("size", [4, 6])
def test_other_sizes_are_told_by_the_number_of_cells(tmp_path, size):
    puzzles, solutions, _ = draw(np.arange(4), size, "easy")
    loaded = load_puzzles(write(tmp_path / "p.txt", [text_of(p) for p in puzzles]))
    assert loaded.size == size
    assert (loaded.solutions == solutions).all()


def test_16x16_takes_letters_in_both_cases(tmp_path):
    solutions = load_bank(16).solutions[:2]
    puzzles = np.where(np.arange(256) % 3 == 0, -1, solutions)
    lines = [text_of(puzzles[0], "."), text_of(puzzles[1], ".").lower()]
    loaded = load_puzzles(write(tmp_path / "p.txt", lines), on_error="skip")
    assert loaded.size == 16
    assert len(loaded) + len(loaded.rejected) == 2
    assert all("several" in reason for _, reason in loaded.rejected)
    assert (loaded.puzzles == puzzles[loaded.lines - 1]).all()


def test_25x25_goes_on_to_the_letter_p(tmp_path):
    puzzles, solutions, _ = draw(np.arange(2), 25, "easy")
    lines = [text_of(puzzles[0], "."), text_of(puzzles[1], ".").lower()]
    assert "P" in lines[0]
    loaded = load_puzzles(write(tmp_path / "p.txt", lines))
    assert loaded.size == 25
    assert (loaded.solutions == solutions).all()
    assert spell_puzzle(loaded.puzzles[0]) == lines[0]
    with pytest.raises(ValueError, match=r"expected 1-9, A-P, or 0 or '.' for blank, got 'Q' at"):
        parse_puzzle(changed(lines[0], 7, "Q"))


def changed(text, place, symbol):
    return text[:place] + symbol + text[place + 1 :]


def without_a_solution():
    """No clash, no solution: a digit that its row, column and box do not hold, but wrong."""
    for cell in np.flatnonzero(PUZZLES[0] < 0):
        for digit in range(9):
            text = changed(ROWS[0][0], cell, str(digit + 1))
            try:
                parse_puzzle(text)
            except ValueError:
                continue
            if digit != SOLUTIONS[0][cell]:
                return text
    raise AssertionError


MINIMAL = text_of(load_bank(9).puzzles[0])
BLANK, GIVEN = int((PUZZLES[0] < 0).argmax()), int((PUZZLES[0] >= 0).argmax())
TWICE = changed(ROWS[0][1], 1, ROWS[0][1][0])
BAD_ROWS = {
    "short": (ROWS[0][0][:-1], "expected 81 cells, got 80"),
    "long": (ROWS[0][0] + "1", "expected 81 cells, got 82"),
    "letter": (changed(ROWS[0][0], 4, "y"), "expected 1-9, or 0 or '.' for blank, got 'y' at "),
    "Arabic digit": (changed(ROWS[0][0], 7, "٣"), "got '٣' at position 8"),
    "superscript": (changed(ROWS[0][0], 80, "²"), "got '²' at position 81"),
    "clash": (TWICE, f"{TWICE[0]} stands twice in row 1"),
    "no solution": (without_a_solution(), "the puzzle has no solution"),
    "several": (changed(MINIMAL, MINIMAL.index(MINIMAL.strip("0")[0]), "0"), "several solutions"),
    "blank grid": ("0" * 81, "several solutions"),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_bad_row_is_named_with_file_line_and_reason(tmp_path, kind):
    row, reason = BAD_ROWS[kind]
    path = write(tmp_path / "some.txt", [DOTS[1], "# comment", row, DOTS[2], "", DOTS[3]])
    with pytest.raises(ValueError, match=r"some.txt: 1 of 4 rows are bad: line 3: ") as error:
        load_puzzles(path)
    assert reason in str(error.value)
    loaded = load_puzzles(path, on_error="skip")
    assert loaded.lines.tolist() == [1, 4, 6]
    assert (loaded.puzzles == PUZZLES[[1, 2, 3]]).all()
    ((line, told),) = loaded.rejected
    assert line == 3
    assert reason in told


@pytest.mark.parametrize(
    ("solution", "reason"),
    [
        (changed(ROWS[0][1], BLANK, "x"), f"wrong, first at position {BLANK + 1}"),
        (changed(ROWS[0][1], BLANK, "0"), f"wrong, first at position {BLANK + 1}"),
        (ROWS[1][1], "the solution in the file is wrong"),
        (ROWS[0][1][:-1], "expected a solution of 81 cells, got 80"),
        ("", "expected a solution of 81 cells, got 0"),
    ],
)
def test_a_wrong_solution_is_named(tmp_path, solution, reason):
    lines = ["puzzle,solution", f"{ROWS[0][0]},{solution}", ",".join(ROWS[2])]
    loaded = load_puzzles(write(tmp_path / "p.csv", lines), on_error="skip")
    assert loaded.lines.tolist() == [3]
    ((line, told),) = loaded.rejected
    assert line == 2
    assert reason in told


def test_missing_columns_and_open_quotes_spoil_their_own_line_only(tmp_path):
    lines = [*LAYOUTS["quoted"][:3], f'"a","{ROWS[2][0]}', "own", *LAYOUTS["quoted"][4:]]
    loaded = load_puzzles(write(tmp_path / "p.csv", lines), on_error="skip")
    assert [line for line, _ in loaded.rejected] == [4, 5]
    assert all("expected 3 or more columns" in reason for _, reason in loaded.rejected)
    assert len(loaded) == 5


def test_only_the_first_bad_rows_are_listed(tmp_path):
    path = write(tmp_path / "p.txt", [DOTS[0], *["1" * 81] * 9])
    with pytest.raises(
        ValueError, match=r"9 of 10 rows are bad: line 2: .*line 6: .*; and 4 more$"
    ):
        load_puzzles(path)


def test_repeated_puzzles_are_kept_once_and_counted(tmp_path):
    path = write(tmp_path / "p.txt", [DOTS[3], DOTS[1], ROWS[3][0], DOTS[0], DOTS[1]])
    loaded = load_puzzles(path)
    assert loaded.duplicates == 2
    assert loaded.lines.tolist() == [1, 2, 4]
    assert (loaded.puzzles == PUZZLES[[3, 1, 0]]).all()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [("cut", "the gzip file is cut off"), ("flip", "the gzip file is damaged")],
)
def test_of_a_damaged_gzip_the_lines_before_the_damage_are_kept(tmp_path, damage, reason):
    puzzles, _, _ = draw(np.arange(400), 9, "easy")
    data = bytearray(gzip.compress("\n".join(text_of(p) for p in puzzles).encode()))
    if damage == "cut":
        data = data[:-3000]
    else:
        data[-1] ^= 255
    path = tmp_path / "p.txt.gz"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=rf"p.txt.gz: 1 of \d+ rows are bad: line \d+: {reason}"):
        load_puzzles(path)
    loaded = load_puzzles(path, on_error="skip")
    assert 100 < len(loaded) < 400
    assert (loaded.puzzles == puzzles[: len(loaded)]).all()
    assert loaded.rejected[0][0] == len(loaded) + 1


EMPTY = {
    "empty": (b"", "the file holds no puzzle"),
    "blank lines": (b"\n \r\n", "the file holds no puzzle"),
    "comments": (b"# nothing\n", "the file holds no puzzle"),
    "header alone": (b"puzzle,solution\n", "no puzzle of 16, 36, 81, 256 or 625 cells"),
    "prose": (b"once upon a time\n", "got 'once upon a time' in the first line"),
    "short rows": (b"puzzle\n123\n", "line 2: got 3 cells"),
    "cut gzip": (gzip.compress(b"1" * 81)[:12], "no puzzle; the gzip file is cut off"),
    "bytes": (bytes(range(128, 256)) * 9, "in the first line"),
    "cut npy": (b"\x93NUMPY\x01\x00", "not a readable npy file"),
}


@pytest.mark.parametrize("kind", EMPTY)
@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_a_file_without_any_puzzle_is_an_error_of_its_own(tmp_path, kind, on_error):
    content, reason = EMPTY[kind]
    path = tmp_path / "some.file"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"some.file: ") as error:
        load_puzzles(path, on_error)
    assert reason in str(error.value)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 81)), r"expected integers .* got float64 of shape \(2, 81\)"),
        (np.zeros((2, 80), int), "expected puzzles of 16, 36, 81, 256 or 625 cells, got 80"),
        (np.zeros((2, 8, 9), int), r"got int64 of shape \(2, 8, 9\)"),
        (np.zeros((2, 18, 9), int), r"got int64 of shape \(2, 18, 9\)"),
        (np.zeros((0, 81), int), "B > 0"),
        (np.zeros((), int), r"shape \(\)"),
        (np.full((2, 81), 10), "line 1: expected 0..9, 0 for blank, got 10"),
        (np.full((2, 81), -1), "line 1: expected 0..9, 0 for blank, got -1"),
        (np.full((2, 81), 258), "line 1: expected 0..9, 0 for blank, got 258"),
    ],
)
def test_arrays_of_other_shapes_and_numbers_are_refused(tmp_path, array, message):
    np.save(tmp_path / "p.npy", array)
    with pytest.raises(ValueError, match=message):
        load_puzzles(tmp_path / "p.npy")


def test_pickled_arrays_are_not_opened(tmp_path):
    np.save(tmp_path / "p.npy", np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match=r"p.npy: expected integers .* got object"):
        load_puzzles(tmp_path / "p.npy")


def test_an_unknown_option_and_a_missing_file_are_errors(tmp_path):
    with pytest.raises(ValueError, match="on_error must be 'raise' or 'skip', got 'ignore'"):
        load_puzzles(tmp_path / "p.npy", on_error="ignore")
    with pytest.raises(FileNotFoundError):
        load_puzzles(tmp_path / "p.npy")


@given(st.binary(max_size=300), st.sampled_from([b"", b"puzzle,solution\n", b"\x1f\x8b\x08\x00"]))
def test_any_bytes_give_puzzles_or_a_value_error(tmp_path_factory, data, start):
    path = tmp_path_factory.mktemp("any") / "file"
    path.write_bytes(start + data)
    with pytest.raises(ValueError, match="file: "):
        load_puzzles(path, "skip")


def test_one_puzzle_is_parsed_from_a_line_or_a_square():
    square = "\n".join(" ".join(DOTS[0][i : i + 9]) for i in range(0, 81, 9))
    assert (parse_puzzle(ROWS[0][0]) == PUZZLES[0]).all()
    assert (parse_puzzle(square) == PUZZLES[0]).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a puzzle has 16, 36, 81, 256 or 625 cells, got 0"),
        (ROWS[0][0][:80], "got 80"),
        (changed(ROWS[0][0], 10, "a"), "got 'a' at position 11"),
        (changed(ROWS[0][0], 10, "٣"), "got '٣' at position 11"),
        (changed("0" * 16, 3, "5"), "expected 1-4, or 0 or '.' for blank, got '5' at position 4"),
        ("11" + "0" * 79, "1 stands twice in row 1"),
        ("2" + "0" * 8 + "2" + "0" * 71, "2 stands twice in column 1"),
        ("3" + "0" * 9 + "3" + "0" * 70, "3 stands twice in box 1"),
    ],
)
def test_a_text_that_is_no_puzzle_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_puzzle(text)


@given(st.text("0123456789.٣x \n", min_size=14, max_size=20))
def test_any_text_is_parsed_or_refused(text):
    try:
        puzzle = parse_puzzle(text)
    except ValueError:
        return
    assert puzzle.shape == (16,)


@pytest.mark.parametrize("word", [DOTS[0], "." * 16, "G" + "." * 254 + "A"])
def test_a_puzzle_is_spelled_as_it_was_read(word):
    assert spell_puzzle(parse_puzzle(word)) == word


def test_a_search_without_end_is_given_up(tmp_path, monkeypatch):
    hard = load_bank(9).guesses.argmax()
    puzzle = text_of(load_bank(9).puzzles[hard])
    path = write(tmp_path / "hard.txt", [puzzle, DOTS[0]])
    assert len(load_puzzles(path)) == 2
    monkeypatch.setattr(files, "MOST_GUESSES", 3)
    with pytest.raises(ValueError, match="line 1: the solver gave up on the puzzle after 3 gues"):
        load_puzzles(path)
