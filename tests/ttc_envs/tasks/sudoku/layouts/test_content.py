"""Files that would eat the machine, and what is no file."""

import gzip
import os
import struct
import threading
import time
import zipfile

import numpy as np
import pytest

from ttc_envs.tasks.sudoku.bank import draw
from ttc_envs.tasks.sudoku.files import load_puzzles
from ttc_envs.tasks.sudoku.layouts import content, documents, rows

MEGABYTE = 1 << 20


def npy(shape, data=b"", descr="|i1"):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    text = header.ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


BOMBS = {
    "gzip of zeros": (gzip.compress(bytes(64 * MEGABYTE)), "unpacks to more than 50 times"),
    "gzip of lines": (
        gzip.compress(b"puzzle\n" + b"x\n" * (2 * MEGABYTE)),
        "unpacks to more than 50 times",
    ),
    "gzip of blank lines": (gzip.compress(b"# \n" * (2 * MEGABYTE)), "more than 50 times"),
    "a long line": (b"1" * (9 * MEGABYTE), "line 1: expected at most 8388608 characters"),
    "a long field": (b"puzzle\n" + b" " * (9 * MEGABYTE), "line 2: expected at most 8388608"),
    "npy of 10^12 rows": (npy("(1000000000000, 81)"), "expected at most 2147483648 bytes of num"),
    "npy of 10^7 rows": (npy("(10000000, 81)", bytes(81)), "cut off"),
    "gzip of npy": (gzip.compress(npy("(20000000, 81)", bytes(81))), "cut off"),
    "npy of huge numbers": (npy("(" + "9" * 400 + ",)"), "expected integers of shape"),
    "npy header cut in brackets": (npy("((("), "not a readable npy file"),
    "npy header of nests": (npy("(" * 90), "not a readable npy file"),
    "npy of objects": (npy("(1, 81)", bytes(81 * 8), "|O"), "expected integers .* got object"),
    "npy header that is long": (
        npy("(" * 60_000),
        r"is large and may not be safe to load securely",
    ),
    "npy of no length": (npy("(-1, 81)"), "expected integers of shape"),
}


@pytest.fixture
def tight(monkeypatch):
    """Less may unpack freely, so that a test takes no time."""
    monkeypatch.setattr(content, "FREE_BYTES", 1 << 14)


@pytest.mark.usefixtures("tight")
@pytest.mark.parametrize("kind", BOMBS)
def test_a_small_file_does_not_become_a_large_one(tmp_path, kind):
    data, message = BOMBS[kind]
    path = tmp_path / "some.file"
    path.write_bytes(data)
    begin = time.process_time()
    with pytest.raises(ValueError, match=rf"some\.file: .*{message}") as error:
        load_puzzles(path, on_error="skip")
    assert "allow_pickle" not in str(error.value)
    assert time.process_time() - begin < 5


def test_a_gzip_of_many_members_is_read_in_time_that_grows_with_it(tmp_path):
    path = tmp_path / "many.gz"
    path.write_bytes(gzip.compress(b"\n") * 10_000 + gzip.compress(b"x" * 81))
    begin = time.process_time()
    with pytest.raises(ValueError, match="several solutions"):
        load_puzzles(path)
    assert time.process_time() - begin < 5


def test_a_file_of_nothing_but_bad_rows_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "MOST_REJECTED", 100)
    path = tmp_path / "bad.txt"
    path.write_text("puzzle\n" + "y\n" * 200)
    with pytest.raises(ValueError, match="more than 100 rows are bad, the last one: got 1 cells"):
        load_puzzles(path, on_error="skip")


@pytest.mark.parametrize("start", ["<a>", "{"])
def test_documents_have_a_longest_length(tmp_path, monkeypatch, start):
    monkeypatch.setattr("ttc_envs.tasks.sudoku.layouts.MOST_WHOLE", 1000)
    path = tmp_path / "long.xml"
    path.write_text(start + "\n" * 2000)
    with pytest.raises(ValueError, match="expected a document of at most 1000 characters"):
        load_puzzles(path)


def test_a_file_of_blank_lines_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("ttc_envs.tasks.sudoku.layouts.MOST_SHORT", 100)
    path = tmp_path / "blank.txt"
    path.write_text("\n" * 200)
    with pytest.raises(ValueError, match="more than 100 lines hold one character or none"):
        load_puzzles(path)


@pytest.mark.usefixtures("tight")
def test_a_zip_bomb_is_stopped(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"#\n " * (2 * MEGABYTE))
    with pytest.raises(ValueError, match="the zip file unpacks to more than 50 times its size"):
        load_puzzles(path)


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    found = []

    def look(path):
        with pytest.raises(ValueError, match="expected a regular file, got a FIFO or a device"):
            load_puzzles(path)
        found.append(path)

    for path in (fifo, "/dev/zero"):
        thread = threading.Thread(target=look, args=(path,), daemon=True)
        thread.start()
        thread.join(10)
    assert found == [fifo, "/dev/zero"]
    with pytest.raises(IsADirectoryError):
        load_puzzles(tmp_path)


def test_an_encoding_is_known_by_its_first_bytes():
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        start = "53..".encode(encoding)
        assert start.decode(content._encoding(start)) == "53.."


def test_json_that_nests_too_deep_is_none():
    assert not documents.is_json("[" * 100_000)
    assert documents.is_json('{"puzzle": 1}')
    assert not documents.is_json("1")


def test_arrays_are_read_in_both_orders_and_any_byte_order(tmp_path):
    puzzles, _, _ = draw(np.arange(4), 9, "easy")
    squares = (puzzles + 1).reshape(-1, 9, 9)
    for array in (squares.astype(">u2"), np.asfortranarray(squares), squares.astype("<i8")):
        np.save(tmp_path / "a.npy", array)
        assert (load_puzzles(tmp_path / "a.npy").puzzles == puzzles).all()
    (tmp_path / "a.npy.gz").write_bytes(gzip.compress((tmp_path / "a.npy").read_bytes()))
    assert (load_puzzles(tmp_path / "a.npy.gz").puzzles == puzzles).all()


def test_headers_of_newer_versions_are_read(tmp_path):
    puzzles, _, _ = draw(np.arange(4), 9, "easy")
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array(file, puzzles + 1, version=(2, 0))
    assert (load_puzzles(tmp_path / "a.npy").puzzles == puzzles).all()
