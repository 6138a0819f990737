"""The alphabet of a file is decided for all of it, and what is not clear is refused."""

import numpy as np
import pytest

from ttc_envs.tasks.sudoku.bank import draw
from ttc_envs.tasks.sudoku.files import load_puzzles, parse_puzzle, parse_puzzles

PUZZLES, SOLUTIONS, _ = draw(np.arange(3), 16, "medium")
USUAL, HEXADECIMAL, LETTERS = "123456789ABCDEFG", "0123456789ABCDEF", "ABCDEFGHIJKLMNOP"


def word(grid, symbols, blank="."):
    return "".join(blank if digit < 0 else symbols[digit] for digit in grid)


def words(symbols, blank="."):
    return "\n".join(word(p, symbols, blank) for p in PUZZLES)


def numbers(first, blank):
    return "\n".join(" ".join(blank if d < 0 else str(d + first) for d in p) for p in PUZZLES)


def square(text):
    return "\n".join(text[i : i + 16] for i in range(0, 256, 16))


# 0 is the digit G, so that all others keep their names.
ZERO_LAST = np.where(PUZZLES >= 0, (PUZZLES - 1) % 16, -1)

SAME = {
    "1-G": words(USUAL),
    "1-G, 0 as blank": words(USUAL, "0"),
    "1-g": words(USUAL).lower(),
    "A-P": words(LETTERS),
    "a-p, 0 as blank": words(LETTERS, "0").lower(),
    "1-16": numbers(1, "0"),
    "1-16, dots": numbers(1, "."),
}
MOVED = {
    "0-F": words(HEXADECIMAL),
    "0-f": words(HEXADECIMAL).lower(),
    "0-F in grids": "\n\n".join(square(line) for line in words(HEXADECIMAL).split()),
    "0-15": numbers(0, "."),
    "0-F with solutions": "\n".join(
        ["puzzle,solution"]
        + [
            f"{word(p, HEXADECIMAL)},{word(s, HEXADECIMAL)}"
            for p, s in zip(PUZZLES, SOLUTIONS, strict=True)
        ]
    ),
}


@pytest.mark.parametrize("alphabet", SAME)
def test_alphabets_that_begin_with_one(alphabet):
    assert (parse_puzzles(SAME[alphabet]).puzzles == PUZZLES).all()


@pytest.mark.parametrize("alphabet", MOVED)
def test_alphabets_that_begin_with_zero(alphabet):
    found = parse_puzzles(MOVED[alphabet])
    assert (found.puzzles == ZERO_LAST).all()
    assert ((found.puzzles >= 0) == (PUZZLES >= 0)).all()


def test_digits_from_zero_are_known_in_9x9_too():
    puzzles, _, _ = draw(np.arange(3), 9, "easy")
    found = parse_puzzles("\n".join(word(p, "012345678") for p in puzzles))
    assert (found.puzzles == np.where(puzzles >= 0, (puzzles - 1) % 9, -1)).all()


def test_25x25_goes_on_to_the_letter_p():
    puzzles, _, _ = draw(np.arange(2), 25, "easy")
    symbols = "123456789ABCDEFGHIJKLMNOP"
    from_one = [
        "\n".join(word(p, symbols) for p in puzzles),
        "\n".join(" ".join(str(d + 1) for d in p) for p in puzzles),
    ]
    for text in from_one:
        assert (parse_puzzles(text).puzzles == puzzles).all()
    from_zero = parse_puzzles("\n".join(word(p, "0" + symbols[:24]) for p in puzzles))
    assert (from_zero.puzzles == np.where(puzzles >= 0, (puzzles - 1) % 25, -1)).all()


def test_a_zero_that_may_be_a_digit_or_a_blank_is_refused(tmp_path):
    path = tmp_path / "full.txt"
    path.write_text(word(SOLUTIONS[0], HEXADECIMAL))
    with pytest.raises(ValueError, match=r"full.txt: 0 may be a digit \(0..F\) or a blank"):
        load_puzzles(path)
    # One row of another alphabet among those that decide.
    path.write_text(f"{words(USUAL)}\n{word(PUZZLES[0], HEXADECIMAL)}")
    with pytest.raises(ValueError, match="line 4: 0 and another blank: 0 may be a digit or a bl"):
        load_puzzles(path)


def test_two_alphabets_of_letters_are_not_mixed(tmp_path):
    path = tmp_path / "mixed.txt"
    path.write_text(f"{words(USUAL)}\n{word(PUZZLES[0], LETTERS)}")
    with pytest.raises(ValueError, match=r"line 4: expected 1-9, A-G, or 0 or '.' for blank, got"):
        load_puzzles(path)


def test_a_puzzle_that_is_typed_has_an_alphabet_too():
    assert (parse_puzzle(word(PUZZLES[0], HEXADECIMAL)) == ZERO_LAST[0]).all()
    assert (parse_puzzle(square(word(PUZZLES[0], LETTERS))) == PUZZLES[0]).all()
