"""Files that users bring, and files that are written whole or not at all.

What is read is a regular file: a FIFO or a device could hang or never end. What is written stands
under a temporary name of its own until it is on the disk.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

StrPath = str | os.PathLike[str]


def open_regular(path: StrPath) -> BinaryIO:
    """A regular file, open for reading; nothing else is waited for.

    Raises:
        OSError: There is no such file, or it cannot be read.
        ValueError: It is a FIFO, a device or a socket.
    """
    # Without O_NONBLOCK, opening a FIFO waits for a writer. Windows has no such flag and no FIFOs.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags)
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    raise ValueError(f"{os.fspath(path)}: expected a regular file, got a FIFO or a device")


def read_regular(path: StrPath, most_bytes: int) -> bytes:
    """The content of a regular file.

    Raises:
        OSError: There is no such file, or it cannot be read.
        ValueError: It is no regular file, or longer than `most_bytes`.
    """
    with open_regular(path) as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise ValueError(f"{os.fspath(path)}: expected at most {most_bytes} bytes, got more")
    return data


def digest(path: StrPath) -> str:
    """The sha256 of a regular file, by which an input is known whatever its name.

    Raises:
        OSError, ValueError: As for `open_regular`.
    """
    with open_regular(path) as file:
        return hashlib.file_digest(cast(Any, file), "sha256").hexdigest()


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which gets its name when all of it is on the disk.

    Two writers do not disturb each other: each has a temporary name of its own, and the last one to
    finish wins. A writer that fails leaves nothing behind; one that is killed leaves a hidden file.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        partial.chmod(0o666 & ~umask)  # mkstemp keeps others out
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Bring new names in a folder to the disk, where the system has a way to."""
    with contextlib.suppress(OSError):  # Windows opens no folders; some file systems refuse
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Holds a lock on a folder, which dies with its owner.

    Windows has no such locks: there, nothing is held.

    Raises:
        ValueError: Another process holds it.
    """
    try:
        import fcntl
    except ModuleNotFoundError:
        yield
        return
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{folder}: another process is writing there") from None
        yield
