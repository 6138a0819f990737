"""The picture of a task that draws none of its own: one cell per node, with its choice in it.

A node stands in the row and column that the ranks of its position say; with one coordinate, or
without positions, all nodes stand in one row. What is given is grey. Other cells are tinted by
confidence, from red (0) over yellow (0.5) to green (1).

Shapes: N nodes; H, W pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ttc_envs.colours import Colour, check_confidence, confidence_colour
from ttc_envs.spec import Array

PAPER, LINE, INK = (255, 255, 255), (203, 208, 216), (38, 43, 54)
GIVEN, PLAIN, EMPTY = (221, 225, 231), (232, 240, 252), (252, 252, 253)
CELL, MARGIN = 40, 8
"""Pixels."""


def render(
    answer: Array,
    given: Array,
    positions: Array | None,
    mode: str,
    confidence: Array | None = None,
) -> Any:
    """One answer as text or pixels.

    Args:
        answer: (N,) choices, -1 where undecided.
        given: (N,) bool, the nodes whose choice is given.
        positions: (N, p) or None.
        mode: `ansi` or `rgb_array`.
        confidence: (N,) probabilities of the choices, or None.

    Returns:
        Text with terminal colours, which ends without a newline; or (H, W, 3) uint8.

    Raises:
        ValueError: There is no such mode, or the confidence has another shape or range.
    """
    sure = None if confidence is None else check_confidence(confidence, len(answer)).tolist()
    colours = [
        _colour(choice < 0, fixed, None if sure is None else sure[node])
        for node, (choice, fixed) in enumerate(zip(answer.tolist(), given.tolist(), strict=True))
    ]
    texts = ["." if choice < 0 else str(choice) for choice in answer.tolist()]
    if mode == "ansi":
        return _text(texts, colours, cells_of(positions, len(answer)))
    if mode == "rgb_array":
        return _pixels(texts, colours, cells_of(positions, len(answer)))
    raise ValueError(f"mode must be 'ansi' or 'rgb_array', got {mode!r}")


def cells_of(positions: Array | None, size: int) -> Array:
    """(N, 2) int64, row and column of each node: the ranks of its coordinates."""
    if positions is None:
        positions = np.arange(size)[:, None]
    ranks = [np.unique(axis, return_inverse=True)[1] for axis in positions.T[:2]]
    if len(ranks) == 1:
        ranks.insert(0, np.zeros(size, dtype=np.int64))
    return np.stack(ranks, axis=1)


def _colour(empty: bool, given: bool, confidence: float | None) -> Colour:
    if given:
        return GIVEN
    if empty:
        return EMPTY
    return PLAIN if confidence is None else confidence_colour(confidence)


def _text(texts: list[str], colours: list[Colour], cells: Array) -> str:
    """Rows of cells of one width; places without a node stay blank."""
    width = max(map(len, texts))
    height, length = (cells.max(axis=0) + 1).tolist()
    lines = [[" " * (width + 2)] * length for _ in range(height)]
    for text, (red, green, blue), (row, column) in zip(texts, colours, cells.tolist(), strict=True):
        paint = f"\x1b[48;2;{red};{green};{blue}m\x1b[38;2;{INK[0]};{INK[1]};{INK[2]}m"
        lines[row][column] = f"{paint} {text:>{width}} \x1b[0m"
    return "\n".join("".join(line) for line in lines)


def _pixels(texts: list[str], colours: list[Colour], cells: Array) -> Array:
    # Pillow is imported with the first picture, so that `import ttc_envs` stays quick.
    from PIL import Image, ImageDraw, ImageFont

    height, width = (CELL * (cells.max(axis=0) + 1) + 2 * MARGIN).tolist()
    image = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=CELL * min(0.5, 1.2 / max(map(len, texts))))
    corners = (cells[:, ::-1] * CELL + MARGIN).tolist()
    for text, colour, (left, top) in zip(texts, colours, corners, strict=True):
        box = (left, top, left + CELL - 1, top + CELL - 1)
        draw.rectangle(box, fill=colour, outline=LINE)
        middle = (left + CELL / 2, top + CELL / 2)
        if text != ".":
            draw.text(middle, text, fill=INK, font=font, anchor="mm")
    return np.asarray(image, dtype=np.uint8).copy()
