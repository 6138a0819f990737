"""Pictures of a list: text for a terminal (`ansi`) and pixels (`rgb_array`).

The answer stands as bars, the list as it was given hangs below, and a thread leads each item from
its place in the list to its position in the answer: the moves. Bars and threads are coloured by
key, from blue to red, so that a sorted list is a rainbow; with a confidence they are coloured from
red (0) over yellow (0.5) to green (1). A red mark stands under two neighbours in the wrong order.
An item that the answer gives twice is ringed in red, and so is one in the list that it leaves out.

Shapes: n keys and positions; H, W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ttc_envs.colours import Colour, blend, check_confidence, confidence_colour
from ttc_envs.spec import Array

if TYPE_CHECKING:
    from PIL import ImageDraw

_RAINBOW: tuple[Colour, ...] = (
    (72, 84, 190),
    (61, 153, 213),
    (86, 190, 160),
    (246, 200, 95),
    (236, 112, 84),
)
_PAPER, _SLOT, _WRONG = (252, 252, 253), (218, 222, 229), (200, 24, 66)
_TINTS = 32  # few enough that a gif's palette holds them

_WIDTH, _MARGIN = 720, 16  # pixels
_BARS, _THREADS, _LIST = 236, 104, 68
_BASE = _MARGIN + _BARS
_SUPERSAMPLING = 3

_ROWS, _MOST_COLUMNS, _NUMBERED = 8, 128, 24
_BLOCKS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True, eq=False)
class _Picture:
    """What is drawn.

    Args:
        keys: (n,) keys in the order of the list.
        items: (n,) the item at each position, -1 where there is none.
        tints: (n,) colours of the positions.
        repeated: (n,) bool, positions whose item stands at another position too.
        missing: (n,) bool, items that no position has.
        descents: (n - 1,) bool, whether the next position has a smaller key.
    """

    keys: Array
    items: Array
    tints: list[Colour]
    repeated: Array
    missing: Array
    descents: Array


def render(keys: Array, answer: Array, mode: str, confidence: Array | None = None) -> str | Array:
    """One list and an answer to it as text or pixels.

    Args:
        keys: (n,) numbers in [0, 1].
        answer: (n,) the item at each position; what is no item is shown as an empty slot.
        mode: `ansi` or `rgb_array`.
        confidence: (n,) probabilities of the items, or None.

    Returns:
        Text with terminal colours, which ends without a newline; or (H, W, 3) uint8.

    Raises:
        ValueError: An argument has another shape, type or range.
    """
    if mode not in ("ansi", "rgb_array"):
        raise ValueError(f"mode must be 'ansi' or 'rgb_array', got {mode!r}")
    picture = _picture(np.asarray(keys), np.asarray(answer), confidence)
    return _ansi(picture) if mode == "ansi" else _pixels(picture)


def _picture(keys: Array, answer: Array, confidence: Array | None) -> _Picture:
    if keys.ndim != 1 or not len(keys) or not ((keys >= 0) & (keys <= 1)).all():
        raise ValueError(f"keys must be (n,) numbers in [0, 1], got shape {keys.shape}")
    size = len(keys)
    if answer.shape != (size,) or answer.dtype.kind not in "iu":
        raise ValueError(f"answer must be integers ({size},), got {answer.dtype} {answer.shape}")
    items = np.where((answer >= 0) & (answer < size), answer, -1).astype(np.int64)
    count = np.bincount(items[items >= 0], minlength=size)
    shown = np.where(items >= 0, keys[items], np.inf)
    if confidence is None:
        tints = [_rainbow(key) for key in keys[items].tolist()]
    else:
        steps = np.rint(check_confidence(confidence, size) * _TINTS)
        tints = [confidence_colour(step / _TINTS) for step in steps.tolist()]
    repeated = (items >= 0) & (count[items] > 1)
    return _Picture(keys, items, tints, repeated, count == 0, shown[1:] < shown[:-1])


def _rainbow(key: float) -> Colour:
    at = round(key * _TINTS) / _TINTS * (len(_RAINBOW) - 1)
    low = min(int(at), len(_RAINBOW) - 2)
    return blend(_RAINBOW[low], _RAINBOW[low + 1], at - low)


# Text


def _ansi(picture: _Picture) -> str:
    """Bars of block characters, marks, the items where there is room, and a line in words."""
    size = len(picture.keys)
    wide = size <= _NUMBERED
    shown = range(0, size, -(-size // _MOST_COLUMNS))
    levels = np.rint(picture.keys * (_ROWS * 8 - 2)).astype(int) + 2
    heights = [int(levels[i]) if (i := picture.items[at]) >= 0 else 0 for at in shown]
    bars = [
        "".join(
            _column(_BLOCKS[max(0, min(8, height - 8 * row))], picture.tints[at], wide)
            for at, height in zip(shown, heights, strict=True)
        )
        for row in reversed(range(_ROWS))
    ]
    marks = "".join(_mark(picture, at, wide) for at in shown)
    lines = [*bars, marks]
    if wide:
        lines.append("".join(_number(picture, at) for at in shown))
    return "\n".join([*lines, _summary(picture)])


def _column(block: str, colour: Colour, wide: bool) -> str:
    if block == " ":
        return "   " if wide else " "
    red, green, blue = colour
    return f"\x1b[38;2;{red};{green};{blue}m{block * 2 + ' ' if wide else block}\x1b[0m"


def _red(text: str) -> str:
    return f"\x1b[38;2;{_WRONG[0]};{_WRONG[1]};{_WRONG[2]}m{text}\x1b[0m"


def _mark(picture: _Picture, at: int, wide: bool) -> str:
    """A mark behind a position whose successor is smaller."""
    if at < len(picture.descents) and picture.descents[at]:
        return ("  " if wide else "") + _red("▾")
    return "   " if wide else " "


def _number(picture: _Picture, at: int) -> str:
    item = picture.items[at]
    text = f"{item:2d}" if item >= 0 else " ."
    return (_red(text) if picture.repeated[at] else text) + " "


def _summary(picture: _Picture) -> str:
    wrong, missing = int(picture.descents.sum()), int(picture.missing.sum())
    text = f"{len(picture.keys)} keys, {wrong} of {len(picture.descents)} neighbours in wrong order"
    return text + (f", {missing} items left out" if missing else "")


# Pixels


def _pixels(picture: _Picture) -> Array:
    # Pillow is imported with the first picture, so that `import ttc_envs` stays quick.
    from PIL import Image, ImageDraw

    width = max(_WIDTH, len(picture.keys)) + 2 * _MARGIN
    height = _BASE + _THREADS + _LIST + _MARGIN
    scale = _SUPERSAMPLING
    image = Image.new("RGB", (width * scale, height * scale), _PAPER)
    draw = ImageDraw.Draw(image)
    slot = (width - 2 * _MARGIN) / len(picture.keys)
    _draw_threads(draw, picture, slot)
    for position in range(len(picture.keys)):
        _draw_bar(draw, picture, slot, position)
        _draw_listed(draw, picture, slot, position)
    for position in np.flatnonzero(picture.descents).tolist():
        _draw_mark(draw, slot, position)
    return np.asarray(image.reduce(scale)).copy()


def _box(slot: float, position: int, top: float, bottom: float) -> tuple[float, ...]:
    """Corners of a bar in the pixels of the large image."""
    gap = 0.14 * slot if slot > 3 else 0.0
    left = _MARGIN + position * slot + gap / 2
    corners = (left, top, left + slot - gap, bottom)
    x0, y0, x1, y1 = (corner * _SUPERSAMPLING for corner in corners)
    return x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)


def _length(key: float, room: int) -> float:
    """Of a bar; the smallest key is still seen."""
    return 5 + key * (room - 5)


def _draw_bar(draw: ImageDraw.ImageDraw, picture: _Picture, slot: float, position: int) -> None:
    item = int(picture.items[position])
    if item < 0:
        draw.rectangle(_box(slot, position, _BASE - 3, _BASE), fill=_SLOT)
        return
    top = _BASE - _length(float(picture.keys[item]), _BARS)
    box = _box(slot, position, top, _BASE)
    _draw_rounded(draw, box, slot, picture.tints[position], ringed=bool(picture.repeated[position]))


def _draw_listed(draw: ImageDraw.ImageDraw, picture: _Picture, slot: float, item: int) -> None:
    """An item in the list as it was given, hanging."""
    top = _BASE + _THREADS
    bottom = top + _length(float(picture.keys[item]), _LIST)
    box = _box(slot, item, top, bottom)
    _draw_rounded(draw, box, slot, _SLOT, ringed=bool(picture.missing[item]))


def _draw_rounded(
    draw: ImageDraw.ImageDraw, box: tuple[float, ...], slot: float, fill: Colour, ringed: bool
) -> None:
    radius = min(0.2 * slot, 5.0) * _SUPERSAMPLING
    line = round(min(2.0, 0.3 * slot) * _SUPERSAMPLING) if ringed else 0
    draw.rounded_rectangle(box, radius, fill, outline=_WRONG if line else None, width=line)


def _draw_threads(draw: ImageDraw.ImageDraw, picture: _Picture, slot: float) -> None:
    """A curve from each item in the list to its positions, those that moved last."""
    width = max(1, round(min(2.2, 0.35 * slot) * _SUPERSAMPLING))
    share = np.linspace(0, 1, 25)
    bend = (1 - np.cos(np.pi * share)) / 2
    heights = (_BASE + 12 + share * (_THREADS - 16)) * _SUPERSAMPLING
    moved = np.abs(picture.items - np.arange(len(picture.items)))
    for position in np.argsort(moved, kind="stable").tolist():
        item = int(picture.items[position])
        if item < 0:
            continue
        across = _MARGIN + (position + 0.5 + bend * (item - position)) * slot
        points = np.stack([across * _SUPERSAMPLING, heights], axis=1)
        colour = blend(picture.tints[position], _PAPER, 0.25 if moved[position] else 0.65)
        draw.line([tuple(point) for point in points.tolist()], fill=colour, width=width)


def _draw_mark(draw: ImageDraw.ImageDraw, slot: float, position: int) -> None:
    """A small triangle under the border of two bars."""
    across, half = _MARGIN + (position + 1) * slot, min(4.0, 0.4 * slot)
    points = [(across - half, _BASE + 8), (across + half, _BASE + 8), (across, _BASE + 2)]
    draw.polygon([(x * _SUPERSAMPLING, y * _SUPERSAMPLING) for x, y in points], fill=_WRONG)
