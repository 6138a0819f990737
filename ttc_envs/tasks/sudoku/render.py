"""Pictures of a board: text for a terminal (`ansi`) and pixels (`rgb_array`).

Givens stand on grey in bold. Every other digit is tinted by the confidence of whoever wrote it,
from red (0) over yellow (0.5) to green (1), so that thinking is seen as red that turns green.
Digits that clash with an equal one in their row, column or box are underlined (`ansi`) or ringed
(`rgb_array`).

Shapes: N = size * size cells, row by row; H, W pixels.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ttc_envs.colours import Colour, check_confidence, confidence_colour
from ttc_envs.spec import UNDECIDED, Array
from ttc_envs.tasks.sudoku.grid import SYMBOLS, check_grids, grid_of

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

_GIVEN, _PLAIN, _EMPTY = (221, 225, 231), (232, 240, 252), (252, 252, 253)
_INK, _INK_GIVEN, _INK_CLASH = (38, 43, 54), (14, 18, 28), (190, 18, 60)
_LINE, _BOX_LINE = (203, 208, 216), (52, 60, 74)

_CELL, _THIN, _THICK, _MARGIN = 48, 1, 4, 12  # pixels
_TINTS = 32  # few enough that a gif's palette holds them, and that tiles are drawn once and reused
_SUPERSAMPLING = 4


def render(
    givens: Array, answer: Array, size: int, mode: str, confidence: Array | None = None
) -> str | Array:
    """One board as text or pixels.

    Args:
        givens: (N,) integers, class indices 0..size-1, -1 where the cell is free.
        answer: (N,) integers, class indices, -1 where undecided. Where there is a given, the
            given is shown.
        size: Digits on the board: 4, 6, 9, 16 or 25.
        mode: `ansi` or `rgb_array`.
        confidence: (N,) probabilities of the shown digits, or None: then all digits have one tint.

    Returns:
        Text with terminal colours, which ends without a newline; or (H, W, 3) uint8.

    Raises:
        ValueError: An argument has another shape, type or range.
    """
    givens = _checked_digits("givens", givens, size)
    answer = _checked_digits("answer", answer, size)
    tints = None if confidence is None else _checked_tints(confidence, size)
    digits = np.where(givens == UNDECIDED, answer, givens)
    fixed, clashing = givens != UNDECIDED, clashes(digits, size)
    if mode == "ansi":
        return _ansi(digits, fixed, clashing, tints, size)
    if mode == "rgb_array":
        return _pixels(digits, fixed, clashing, tints, size)
    raise ValueError(f"mode must be 'ansi' or 'rgb_array', got {mode!r}")


def clashes(digits: Array, size: int) -> Array:
    """(N,) bool: the cells that hold the digit of another cell of their row, column or box.

    Args:
        digits: (N,) class indices, -1 where undecided.
        size: Digits on the board: 4, 6, 9, 16 or 25.
    """
    same = digits[grid_of(size).peers] == digits[:, None]
    clashing: Array = (digits != UNDECIDED) & same.any(axis=1)
    return clashing


def _checked_digits(name: str, digits: Array, size: int) -> Array:
    checked: Array = check_grids(np.asarray(digits)[None], size, name)[0]
    return checked


def _checked_tints(confidence: Array, size: int) -> Array:
    """(N,) steps 0.._TINTS of the colour scale."""
    tints: Array = np.rint(check_confidence(confidence, size * size) * _TINTS).astype(np.int64)
    return tints


def _background(fixed: bool, digit: int, tint: int | None) -> Colour:
    if fixed:
        return _GIVEN
    if digit == UNDECIDED:
        return _EMPTY
    return _PLAIN if tint is None else confidence_colour(tint / _TINTS)


def _cells(digits: Array, fixed: Array, clashing: Array, tints: Array | None) -> Any:
    """Per cell: digit, fixed, clashing, tint, as plain Python values."""
    tint_list = [None] * len(digits) if tints is None else tints.tolist()
    return zip(digits.tolist(), fixed.tolist(), clashing.tolist(), tint_list, strict=True)


# Text


def _ansi(digits: Array, fixed: Array, clashing: Array, tints: Array | None, size: int) -> str:
    height, width = grid_of(size).box_rows, grid_of(size).box_columns
    cells = [_ansi_cell(*cell) for cell in _cells(digits, fixed, clashing, tints)]

    def rule(left: str, middle: str, right: str) -> str:
        return left + middle.join(["━" * (3 * width)] * (size // width)) + right

    lines = [rule("┏", "┳", "┓")]
    for row in range(size):
        if row and row % height == 0:
            lines.append(rule("┣", "╋", "┫"))
        line = cells[row * size : (row + 1) * size]
        boxes = ("".join(line[start : start + width]) for start in range(0, size, width))
        lines.append("┃" + "┃".join(boxes) + "┃")
    lines.append(rule("┗", "┻", "┛"))
    return "\n".join(lines)


@lru_cache(maxsize=4096)
def _ansi_cell(digit: int, fixed: bool, clashing: bool, tint: int | None) -> str:
    if digit == UNDECIDED:
        return " \x1b[2m.\x1b[22m "
    red, green, blue = _background(fixed, digit, tint)
    ink = _INK_CLASH if clashing else _INK
    bold = ("\x1b[1m", "\x1b[22m") if fixed else ("", "")
    line = ("\x1b[4m", "\x1b[24m") if clashing else ("", "")
    symbol = bold[0] + line[0] + SYMBOLS[digit] + line[1] + bold[1]
    return f"\x1b[48;2;{red};{green};{blue}m\x1b[38;2;{ink[0]};{ink[1]};{ink[2]}m {symbol} \x1b[0m"


# Pixels


def _pixels(digits: Array, fixed: Array, clashing: Array, tints: Array | None, size: int) -> Array:
    board, offsets = _empty_board(size)
    frame = board.copy()
    for index, cell in enumerate(_cells(digits, fixed, clashing, tints)):
        top, left = offsets[index // size][0], offsets[index % size][1]
        frame[top : top + _CELL, left : left + _CELL] = _tile(*cell)
    return frame


@lru_cache(maxsize=8)
def _empty_board(size: int) -> tuple[Array, list[tuple[int, int]]]:
    """The frame without cells, and by index the first pixel of each row and of each column."""
    height, width = grid_of(size).box_rows, grid_of(size).box_columns

    def starts(box: int) -> list[int]:
        gaps = [_THICK if index % box == 0 else _THIN for index in range(size)]
        return [_MARGIN + sum(gaps[: index + 1]) + index * _CELL for index in range(size)]

    tops, lefts = starts(height), starts(width)
    bottom, right = tops[-1] + _CELL, lefts[-1] + _CELL
    frame = np.full((bottom + _THICK + _MARGIN, right + _THICK + _MARGIN, 3), 255, dtype=np.uint8)
    frame[_MARGIN : bottom + _THICK, _MARGIN : right + _THICK] = _BOX_LINE
    for top in tops[::height]:
        for left in lefts[::width]:
            inside = (height * (_CELL + _THIN) - _THIN, width * (_CELL + _THIN) - _THIN)
            frame[top : top + inside[0], left : left + inside[1]] = _LINE
    return frame, list(zip(tops, lefts, strict=True))


@lru_cache(maxsize=4096)
def _tile(digit: int, fixed: bool, clashing: bool, tint: int | None) -> Array:
    """(_CELL, _CELL, 3) uint8, read only since it is shared between frames."""
    tile = np.broadcast_to(np.array(_background(fixed, digit, tint), float), (_CELL, _CELL, 3))
    if digit != UNDECIDED:
        if clashing:
            tile = _painted(tile, _ring_mask(), _INK_CLASH)
        tile = _painted(tile, _digit_mask(digit, fixed), _INK_GIVEN if fixed else _INK)
    pixels: Array = np.rint(tile).astype(np.uint8)
    pixels.setflags(write=False)
    return pixels


def _painted(tile: Array, mask: Array, ink: Colour) -> Array:
    painted: Array = tile + mask[:, :, None] * (np.array(ink, float) - tile)
    return painted


@lru_cache(maxsize=64)
def _digit_mask(digit: int, bold: bool) -> Array:
    """(_CELL, _CELL) in [0, 1]: how much of each pixel the symbol covers."""
    from PIL import ImageFont

    image, draw = _canvas()
    font = ImageFont.load_default(size=0.58 * _CELL * _SUPERSAMPLING)
    middle = image.width / 2
    # Pillow's own font has one weight; an outline of a third of a pixel makes the bold one.
    stroke = 2 if bold else 0
    draw.text(
        (middle, middle), SYMBOLS[digit], fill=255, font=font, anchor="mm", stroke_width=stroke
    )
    return _reduced(image)


@lru_cache(maxsize=1)
def _ring_mask() -> Array:
    image, draw = _canvas()
    inset, thickness = 4 * _SUPERSAMPLING, 2 * _SUPERSAMPLING
    corners = (inset, inset, image.width - 1 - inset, image.height - 1 - inset)
    draw.ellipse(corners, outline=255, width=thickness)
    return _reduced(image)


def _canvas() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    # Pillow is imported with the first picture, so that `import ttc_envs` stays quick.
    from PIL import Image, ImageDraw

    image = Image.new("L", (_CELL * _SUPERSAMPLING,) * 2)
    return image, ImageDraw.Draw(image)


def _reduced(image: Image.Image) -> Array:
    return np.asarray(image.reduce(_SUPERSAMPLING), dtype=np.float64) / 255
