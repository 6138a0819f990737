"""Files that users bring, files that are written whole or not at all, and locks."""

import errno
import hashlib
import os
import stat
import subprocess
import sys
import time

import pytest

from ttc_envs import locked, write_atomically
from ttc_envs.files import digest, open_regular, read_regular, written_whole


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


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "file.json"
    for data in (b"first", b"the second one"):
        write_atomically(path, data)
        assert path.read_bytes() == data
        assert list(tmp_path.iterdir()) == [path]


def test_a_reader_keeps_the_file_that_it_has_opened(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"before")
    with path.open("rb") as file:
        write_atomically(path, b"after")
        assert file.read() == b"before"


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no such permissions")
@pytest.mark.parametrize(("umask", "expected"), [(0o022, 0o644), (0o077, 0o600)])
def test_others_may_read_what_the_user_lets_them(tmp_path, umask, expected):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "file", b"")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == expected


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(handle):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left") as caught:
        write_atomically(path, b"new")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_is_not_replaced(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomically(path, b"new")
    assert list(tmp_path.iterdir()) == [path]


IN_A_PROCESS = """
import sys
from pathlib import Path
from ttc_envs import locked

path = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
{work}
"""
COUNT = """
for _ in range(60):
    with locked(path):
        path.write_text(str(int(path.read_text()) + 1))
"""
DIE = """
with locked(path):
    print("locked", flush=True)
    sys.stdin.readline()
    import os
    os._exit(1)
"""


@pytest.fixture
def start(tmp_path):
    """Starts a process that waits for a line, then works on the file."""
    processes = []

    def started(work):
        command = [sys.executable, "-c", IN_A_PROCESS.format(work=work), str(tmp_path / "file")]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        return process

    yield started
    for process in processes:
        process.kill()
        process.communicate()


def go_on(*processes):
    """Let processes that wait go on."""
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()


def test_two_processes_take_turns(tmp_path, start):
    (tmp_path / "file").write_text("0")
    both = start(COUNT), start(COUNT)
    for process in both:
        assert process.stdout.readline() == "ready\n"
    go_on(*both)
    assert [process.wait() for process in both] == [0, 0]
    assert (tmp_path / "file").read_text() == "120"


def test_a_lock_makes_others_wait_and_dies_with_its_owner(tmp_path, start):
    pytest.importorskip("fcntl")
    (tmp_path / "file").write_text("0")
    owner, other = start(DIE), start(COUNT)
    for process in (owner, other):
        assert process.stdout.readline() == "ready\n"
    go_on(owner)
    assert owner.stdout.readline() == "locked\n"
    go_on(other)
    time.sleep(0.3)
    assert other.poll() is None
    assert (tmp_path / "file").read_text() == "0"
    go_on(owner)
    assert owner.wait() == 1
    assert other.wait() == 0
    assert (tmp_path / "file").read_text() == "60"
    with locked(tmp_path / "file"):
        pass


def test_who_does_not_wait_is_told(tmp_path):
    pytest.importorskip("fcntl")
    with locked(tmp_path / "file"):
        with pytest.raises(BlockingIOError), locked(tmp_path / "file", wait=False):
            pass
        with locked(tmp_path / "other", wait=False):
            pass
    with locked(tmp_path / "file", wait=False):
        pass


def test_without_such_locks_nothing_is_held(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with locked(tmp_path / "file"):
        assert list(tmp_path.iterdir()) == []
