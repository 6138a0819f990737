"""Pictures of a path on the map: text (`ansi`) and pixels (`rgb_array`).

Places are dots in Albers' equal-area projection, so that the packaged table draws the country;
jumps are great circles. The shortest path lies light behind the answer, an illegal jump is red and
dashed. With confidence a jump is tinted from red (0) over yellow to green (1).

Shapes: V places of the map, H, W pixels.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ttc_envs.colours import Colour, blend
from ttc_envs.spec import Array
from ttc_envs.tasks.maps.graph import unit_vectors
from ttc_envs.tasks.maps.pools import mainland_table
from ttc_envs.tasks.maps.scene import Scene, text_of

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

_PAPER, _LAND, _ROAD, _PLACE = (250, 250, 247), (222, 226, 228), (205, 210, 214), (120, 130, 140)
_OPTIMUM, _PATH, _HOP, _ILLEGAL = (150, 176, 214), (26, 74, 150), (150, 160, 172), (206, 32, 44)
_SOURCE, _TARGET, _INK = (24, 128, 72), (214, 110, 16), (38, 43, 54)
_TINTS = ((214, 60, 50), (236, 190, 60), (46, 150, 82))
"""Of confidence 0, 0.5 and 1."""

WIDTH, HEIGHT, MARGIN, SUPERSAMPLING = 840, 560, 28, 2
PARALLELS, ORIGIN = (29.5, 45.5), (37.5, -96.0)
"""Degrees: the standard parallels, and the middle of the projection."""


def render(scene: Scene, mode: str) -> Any:
    """The scene as `ansi` text or (H, W, 3) uint8.

    Raises:
        ValueError: There is no such mode.
    """
    if mode == "ansi":
        return text_of(scene)
    if mode == "rgb_array":
        return _pixels(scene)
    raise ValueError(f"mode must be 'ansi' or 'rgb_array', got {mode!r}")


def view_of(scene: Scene, onward: Array | None) -> dict[str, Any]:
    """The `Task.view` of a scene.

    Args:
        scene: Of any answer.
        onward: (N, C), the place that each choice leads to; None where answers list places.
    """
    return {
        "kind": "map",
        "points": (project(scene.positions) / SUPERSAMPLING).round(1).tolist(),
        "names": list(scene.names),
        "roads": scene.roads.tolist(),
        "best": [int(place) for place in scene.optimum],
        "source": scene.source,
        "target": scene.target,
        "onward": None if onward is None else onward.tolist(),
    }


def _pixels(scene: Scene) -> Array:
    points = project(scene.positions)
    image = _background().copy()
    draw = _draw_on(image)
    for a, b in scene.roads.tolist():
        draw.line([*points[a], *points[b]], fill=_ROAD, width=1)
    for a, b in pairwise(scene.optimum):
        _arc(draw, scene.positions[[a, b]], _OPTIMUM, 5 * SUPERSAMPLING)
    for a, b, sure in scene.hops:
        _arc(draw, scene.positions[[a, b]], _tint(sure, _HOP), SUPERSAMPLING, upto=0.55)
    for point in points:
        _dot(draw, point, 2.2, _PLACE)
    for a, b, legal, sure in scene.jumps:
        colour = _tint(sure, _PATH) if legal else _ILLEGAL
        _arc(draw, scene.positions[[a, b]], colour, 2 * SUPERSAMPLING + 1, dashed=not legal)
        _dot(draw, points[b], 3.2, colour)
    for place, colour in ((scene.source, _SOURCE), (scene.target, _TARGET)):
        _dot(draw, points[place], 8, (255, 255, 255))
        _dot(draw, points[place], 6.5, colour)
    for place, colour in ((scene.source, _SOURCE), (scene.target, _TARGET)):
        _label(draw, points[place], scene.names[place], colour)
    small = image.reduce(SUPERSAMPLING)
    return np.asarray(small, dtype=np.uint8).copy()


def project(positions: Array) -> Array:
    """(V, 2) pixels of (V, 2) degrees, before reduction: Albers' equal-area conic projection."""
    first, second = np.radians(PARALLELS)
    cone = (np.sin(first) + np.sin(second)) / 2
    constant = np.cos(first) ** 2 + 2 * cone * np.sin(first)

    def radius(degrees: Any) -> Any:
        return np.sqrt(constant - 2 * cone * np.sin(np.radians(degrees))) / cone

    turn = cone * np.radians(positions[:, 1] - ORIGIN[1])
    away = radius(positions[:, 0])
    x, y = away * np.sin(turn), radius(ORIGIN[0]) - away * np.cos(turn)
    # The mainland lies in |x| < 0.37, -0.22 < y < 0.24; what is outside leaves the picture.
    scale = min((WIDTH - 2 * MARGIN) / 0.74, (HEIGHT - 2 * MARGIN) / 0.47)
    pixels = np.stack([WIDTH / 2 + scale * x, HEIGHT / 2 - scale * (y - 0.005)], axis=1)
    return pixels * SUPERSAMPLING


def _draw_on(image: Image.Image) -> ImageDraw.ImageDraw:
    # Pillow is imported with the first picture, so that `import ttc_envs` stays quick.
    from PIL import ImageDraw

    return ImageDraw.Draw(image)


@cache
def _background() -> Image.Image:
    """All packaged places of the mainland as faint dots; shared, so that callers take copies."""
    from PIL import Image

    cities, _ = mainland_table()
    image = Image.new("RGB", (WIDTH * SUPERSAMPLING, HEIGHT * SUPERSAMPLING), _PAPER)
    draw = _draw_on(image)
    for x, y in project(np.stack([cities["latitude"], cities["longitude"]], axis=1)).tolist():
        draw.ellipse([x - 1.6, y - 1.6, x + 1.6, y + 1.6], fill=_LAND)
    return image


def _arc(
    draw: ImageDraw.ImageDraw,
    ends: Array,
    colour: Colour,
    width: int,
    dashed: bool = False,
    upto: float = 1.0,
) -> None:
    """A great circle between two positions (2, 2), or its first part."""
    first, second = unit_vectors(ends[:, 0], ends[:, 1])
    share = np.linspace(0, upto, 33)[:, None]
    # Between points less than half the earth apart, normalised chords are the great circle.
    between = first + share * (second - first)
    between /= np.maximum(np.linalg.norm(between, axis=1, keepdims=True), 1e-12)
    latitude = np.degrees(np.arcsin(np.clip(between[:, 2], -1, 1)))
    longitude = np.degrees(np.arctan2(between[:, 1], between[:, 0]))
    points = [tuple(p) for p in project(np.stack([latitude, longitude], axis=1)).tolist()]
    if not dashed:
        draw.line(points, fill=colour, width=width, joint="curve")
        return
    for start in range(0, 32, 4):
        draw.line(points[start : start + 3], fill=colour, width=width)


def _dot(draw: ImageDraw.ImageDraw, point: Array, radius: float, colour: Colour) -> None:
    (x, y), r = point.tolist(), radius * SUPERSAMPLING
    draw.ellipse([x - r, y - r, x + r, y + r], fill=colour)


def _label(draw: ImageDraw.ImageDraw, point: Array, name: str, colour: Colour) -> None:
    """A name beside a point, on the side where there is room."""
    from PIL import ImageFont

    font = ImageFont.load_default(size=14 * SUPERSAMPLING)
    left = bool(point[0] < WIDTH * SUPERSAMPLING * 0.75)
    x = point[0] + (11 if left else -11) * SUPERSAMPLING
    place, anchor = (float(x), float(point[1])), "lm" if left else "rm"
    halo = 3 * SUPERSAMPLING
    draw.text(
        place, name, fill=_INK, font=font, anchor=anchor, stroke_width=halo // 2, stroke_fill=_PAPER
    )


def _tint(confidence: float | None, otherwise: Colour) -> Colour:
    """Red at 0, yellow at 0.5, green at 1, linear between."""
    if confidence is None:
        return otherwise
    low, high = (_TINTS[0], _TINTS[1]) if confidence < 0.5 else (_TINTS[1], _TINTS[2])
    return blend(low, high, 2 * confidence - (confidence >= 0.5))
