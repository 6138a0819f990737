"""Files that are whole or not there, and locks between processes."""

import errno
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ttc_agents.files import locked, write_atomically

IN_A_PROCESS = """
import sys
from pathlib import Path
from ttc_agents.files import locked

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


def test_the_directory_of_a_file_is_settled_after_the_rename(tmp_path, monkeypatch):
    order, sync, replace = [], os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: order.append("sync") or sync(handle))
    monkeypatch.setattr(Path, "replace", lambda *a: order.append("rename") or replace(*a))
    write_atomically(tmp_path / "file", b"new")
    assert order == ["sync", "rename", "sync"]


def test_without_such_locks_nothing_is_held(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with locked(tmp_path / "file"):
        assert list(tmp_path.iterdir()) == []
