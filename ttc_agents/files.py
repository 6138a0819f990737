"""Files that are whole or not there, and locks on them, for several processes in one folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Write to a temporary name of its own and rename: readers find the old file or the new one.

    Two writers do not disturb each other; the last one to finish wins.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)  # mkstemp keeps others out
        Path(name).replace(path)
        settle(path.parent)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk names no file
        raise


def is_leftover(name: str, of: str) -> bool:
    """Whether a file has the name of a temporary one of `write_atomically` for the file `of`."""
    return name.startswith(f".{of}-")


def clear_leftovers(path: Path) -> None:
    """Remove what killed writers of a file have left; only for who keeps others from writing."""
    for other in list(path.parent.iterdir()):
        if is_leftover(other.name, path.name):
            other.unlink(missing_ok=True)


def settle(directory: Path) -> None:
    """Have renames in a directory outlast a power cut, where the system can be asked to."""
    with suppress(OSError):  # Windows opens no directories, and some file systems sync none.
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
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
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
