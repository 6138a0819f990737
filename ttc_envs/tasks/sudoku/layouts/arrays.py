"""Puzzles in npy files: integers (B, N), (B, n, n), or (B, 2, n, n) for pairs with solutions.

The header is believed only as far as the file is long.
"""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np

from ttc_envs.spec import Array
from ttc_envs.tasks.sudoku.layouts.content import Content
from ttc_envs.tasks.sudoku.layouts.rows import Rejected, Rows
from ttc_envs.tasks.sudoku.layouts.symbols import BAD, LENGTHS, SIZE_OF

MAGIC = b"\x93NUMPY"
MOST_BYTES = 1 << 31
"""Of an array, packed or not."""
PIECE = 1 << 20


def read_array(content: Content, rejected: Rejected) -> Rows:
    """The rows of an npy file.

    Raises:
        ValueError: It is damaged, or holds no puzzles.
    """
    array = _load(content)
    shape = array.shape
    pairs = len(shape) == 4 and shape[1] == 2
    cells = math.prod(shape[2:] if pairs else shape[1:])
    size = SIZE_OF[cells]
    grids = array.reshape(len(array), -1, cells)
    known = (grids >= 0) & (grids <= size)
    digits = np.where(known, np.where(known, grids, 0).astype(np.int8) - 1, np.int8(BAD))
    for row in np.flatnonzero((digits[:, 0] == BAD).any(axis=1)):
        wrong = grids[row, 0][digits[row, 0] == BAD][0]
        rejected[int(row) + 1] = f"expected 0..{size}, 0 for blank, got {wrong}"
    lines = np.arange(1, len(array) + 1, dtype=np.int64)
    return Rows(size, lines, digits[:, 0], digits[:, 1] if pairs else None)


def _load(content: Content) -> Array:
    """The array, after a look at its header."""
    stream = content.stream
    try:
        version = np.lib.format.read_magic(stream)  # type: ignore[no-untyped-call]
        read_header: Any = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            read_header = np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read_header(stream)
    except Exception as error:
        # Numpy evaluates and tokenizes the header, which fails in many ways. Further lines of its
        # message advise to trust the file.
        reason = (str(error).splitlines() or [""])[0]
        raise ValueError(f"not a readable npy file ({type(error).__name__}: {reason})") from None
    _check_header(shape, dtype)
    wanted = math.prod(shape) * dtype.itemsize
    if wanted > MOST_BYTES:
        raise ValueError(f"expected at most {MOST_BYTES} bytes of numbers, got shape {shape}")
    if content.size is not None and wanted > content.size - stream.tell():
        raise ValueError(f"not a readable npy file (cut off: {shape} numbers are missing)")
    data = _read(stream, wanted)
    if len(data) < wanted:
        raise ValueError(f"not a readable npy file (cut off: {shape} numbers are missing)")
    array: Array = np.frombuffer(data, dtype=dtype)
    return array.reshape(shape, order="F" if fortran else "C")


def _check_header(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse what holds no puzzles."""
    pairs = len(shape) == 4 and shape[1] == 2
    square = len(shape) == 2 or ((pairs or len(shape) == 3) and shape[-1] == shape[-2])
    if dtype.kind not in "iu" or not square or shape[0] < 1:
        raise ValueError(
            "expected integers of shape (B, N), (B, n, n) or (B, 2, n, n) and B > 0, "
            f"got {dtype} of shape {shape}"
        )
    cells = math.prod(shape[2:] if pairs else shape[1:])
    if cells not in SIZE_OF:
        raise ValueError(f"expected puzzles of {LENGTHS} cells, got {cells}")


def _read(stream: io.BufferedReader[Any], wanted: int) -> bytearray:
    """So many bytes, or fewer at the end of the file, without room for more than there are."""
    data = bytearray()
    while len(data) < wanted and (piece := stream.read(min(PIECE, wanted - len(data)))):
        data += piece
    return data
