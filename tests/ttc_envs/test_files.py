"""Files that users bring, and files that are written whole or not at all."""

import hashlib
import os
import stat
import subprocess
import sys

import pytest

from ttc_envs.files import digest, only_writer, open_regular, read_regular, written_whole


def test_a_file_is_known_by_its_content(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"content")
    assert digest(path) == hashlib.sha256(b"content").hexdigest()
    assert read_regular(path, 7) == b"content"
    with pytest.raises(ValueError, match="a: expected at most 6 bytes, got more"):
        read_regular(path, 6)


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", "/dev/null"):
        with pytest.raises(ValueError, match="expected a regular file, got a FIFO or a device"):
            open_regular(path)
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        open_regular(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        open_regular(tmp_path / "nowhere")


def test_a_file_gets_its_name_when_it_is_on_the_disk(tmp_path, monkeypatch):
    order = []
    sync, replace = os.fsync, type(tmp_path).replace
    monkeypatch.setattr(os, "fsync", lambda handle: order.append("sync") or sync(handle))
    monkeypatch.setattr(
        type(tmp_path), "replace", lambda *paths: order.append("name") or replace(*paths)
    )
    with written_whole(tmp_path / "a") as file:
        file.write(b"new")
        assert not (tmp_path / "a").exists()
    # The folder is brought to the disk, too, since it holds the name.
    assert order == ["sync", "name", "sync"]
    assert (tmp_path / "a").read_bytes() == b"new"
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~umask


def test_two_writers_have_names_of_their_own_and_a_failure_leaves_nothing(tmp_path):
    path = tmp_path / "a"
    with written_whole(path) as first, written_whole(path) as second:
        first.write(b"first")
        second.write(b"second")
    assert path.read_bytes() == b"first"
    with pytest.raises(ZeroDivisionError), written_whole(path) as file:
        file.write(b"half" * (1 // (file.tell())))
    assert path.read_bytes() == b"first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


HOLD = """
import sys, time
from pathlib import Path
from ttc_envs.files import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_folder_has_one_writer_until_it_dies(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with (
            pytest.raises(ValueError, match="another process is writing there"),
            only_writer(tmp_path),
        ):
            pass
        process.kill()
        process.wait()
    with only_writer(tmp_path):
        pass


def test_where_there_are_no_locks_nothing_is_held(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with only_writer(tmp_path), only_writer(tmp_path):
        assert not list(tmp_path.iterdir())
