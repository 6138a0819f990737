"""Files that users bring, files that are written whole or not at all, and locks on them.

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

    Raises:
        OSError: It cannot be written; the error names `path`.
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
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk names no file
        raise
    _sync_folder(path.parent)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file as `written_whole` does: readers find the old one or the new one.

    Raises:
        OSError: It cannot be written.
    """
    with written_whole(path) as file:
        file.write(data)


def _sync_folder(folder: Path) -> None:
    """Bring new names in a folder to the disk, where the system has a way to."""
    with contextlib.suppress(OSError):  # Windows opens no folders; some file systems refuse
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def is_leftover(name: str, of: str) -> bool:
    """Whether a file has the name of a temporary one of `written_whole` for the file `of`."""
    return name.startswith(f".{of}-")


def clear_leftovers(path: Path) -> None:
    """Remove what killed writers of a file have left; only for who keeps others from writing."""
    for other in list(path.parent.iterdir()):
        if is_leftover(other.name, path.name):
            other.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[None]:
    """Holds a lock beside a file, which dies with its owner.

    Windows has no such locks: there, nothing is held.

    Args:
        path: The file.
        wait: Wait as long as another holds it.

    Raises:
        BlockingIOError: Another holds it, and this one does not wait.
    """
    try:
        import fcntl
    except ModuleNotFoundError:
        yield
        return
    with path.with_name(f".{path.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(f"another process is writing in {path.parent}") from None
        yield
