"""The content of a puzzle file: unpacked (gzip, zip), decoded, line by line, all of it bounded.

A small file may unpack to more than any memory holds, and its lines may be as long. Here nothing
grows with what a file claims: blocks and lines have a limit each, and so has the expansion.
"""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Generator
from typing import Any, BinaryIO, cast

STEP = 1 << 12
"""Bytes that are unpacked at once; what stands before a damaged place is not lost with it."""
LONGEST_LINE = 1 << 23
MOST_WHOLE = 1 << 24
"""Characters of documents that are read as a whole: JSON, XML."""
FREE_BYTES, MOST_EXPANSION = 1 << 20, 50
"""What may unpack freely, and how many times its size may come out of a file beyond that."""
KNOWN_TO_ZIP = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


class Unpacked(io.RawIOBase):
    """The bytes of a file without its packing, up to its end or the first damage.

    Args:
        source: Unpacks.
        kind: `gzip` or `zip`.
        packed: The size of the packed file in bytes.

    Attributes:
        damage: What is wrong with the file, "" if nothing was met.
    """

    def __init__(self, source: BinaryIO, kind: str, packed: int) -> None:
        self._source = source
        self._kind = kind
        self._most = max(FREE_BYTES, MOST_EXPANSION * packed)
        self.damage = ""

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """The next bytes; 0 at the end and from the damage on.

        Raises:
            ValueError: More has come out than a puzzle file holds.
        """
        try:
            data = b"" if self.damage else self._source.read(min(len(buffer), STEP))
        except EOFError:
            data, self.damage = b"", f"the {self._kind} file is cut off"
        except (zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
            data, self.damage = b"", f"the {self._kind} file is damaged ({error})"
        self._most -= len(data)
        if self._most < 0:
            raise ValueError(
                f"the {self._kind} file unpacks to more than {MOST_EXPANSION} times its size, "
                "as no puzzle file does"
            )
        buffer[: len(data)] = data
        return len(data)


class Content:
    """What a file holds, unpacked.

    Args:
        file: A seekable binary file, at its beginning.

    Attributes:
        size: Bytes of the file where it is not packed, else None.

    Raises:
        ValueError: A zip file that is damaged, protected, or of several files.
    """

    def __init__(self, file: BinaryIO) -> None:
        start = file.read(4)
        packed = file.seek(0, io.SEEK_END)
        file.seek(0)
        self._raw: Unpacked | None = None
        self.size: int | None = packed
        self.stream: io.BufferedReader[Any]
        self.stream = (
            file if isinstance(file, io.BufferedReader) else io.BufferedReader(cast(Any, file))
        )
        if start.startswith(b"\x1f\x8b"):
            self._raw = Unpacked(cast(BinaryIO, gzip.GzipFile(fileobj=file)), "gzip", packed)
        elif start == b"PK\x03\x04":
            self._raw = Unpacked(_only_member(file), "zip", packed)
        if self._raw is not None:
            self.size = None
            self.stream = io.BufferedReader(self._raw)

    @property
    def damage(self) -> str:
        """What is wrong with the packing, as far as it was read; "" if nothing."""
        return "" if self._raw is None else self._raw.damage

    def lines(self) -> Generator[tuple[int, str], None, None]:
        """Yield numbered lines, without their ends; of a damaged file those before the damage.

        Raises:
            ValueError: A line is too long.
        """
        text = io.TextIOWrapper(self.stream, _encoding(self.stream.peek(4)[:64]), errors="replace")
        number = 0
        try:
            while line := text.readline(LONGEST_LINE + 1):
                number += 1
                if len(line) > LONGEST_LINE:
                    raise ValueError(f"line {number}: expected at most {LONGEST_LINE} characters")
                if line.endswith("\n"):
                    yield number, line[:-1]
                elif not self.damage:
                    yield number, line
        finally:
            text.detach()


def _encoding(start: bytes) -> str:
    """The encoding of a text, by its first bytes."""
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            return encoding
    pairs = len(start) // 2
    if pairs and not any(start[1 : 2 * pairs : 2]):
        return "utf-16-le"
    if pairs and not any(start[0 : 2 * pairs : 2]):
        return "utf-16-be"
    return "utf-8"


def _only_member(file: BinaryIO) -> BinaryIO:
    """The one file in a zip; folders and what macOS adds do not count.

    Raises:
        ValueError: There are several or none, or it cannot be opened.
    """
    try:
        archive = zipfile.ZipFile(file)
        names = [
            entry.filename
            for entry in archive.infolist()
            if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
        ]
        if len(names) != 1:
            raise ValueError(f"expected one file in the zip file, got {len(names)} {names[:5]}")
        if archive.getinfo(names[0]).compress_type not in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        ):
            raise ValueError("expected a zip file that is stored or deflated")
        return cast(BinaryIO, archive.open(names[0]))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, KeyError) as error:
        raise ValueError(f"the zip file cannot be read ({error})") from None
