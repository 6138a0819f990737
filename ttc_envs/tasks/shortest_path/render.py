"""Pictures of a path on the map: text (`ansi`) and pixels (`rgb_array`).

Places are dots in Albers' equal-area projection, so that the packaged table draws the country;
jumps are great circles. The shortest path lies light behind the answer, an illegal jump is red and
dashed. With confidence a jump is tinted from red (0) over yellow to green (1).

Shapes: V places of the map, H, W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ttc_envs.colours import Colour, blend, check_confidence
from ttc_envs.spec import Array, Instances
from ttc_envs.tasks.shortest_path.graph import CityGraph, unit_vectors
from ttc_envs.tasks.shortest_path.maps import mainland_table

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


@dataclass(frozen=True, eq=False)
class Scene:
    """What there is to draw.

    Args:
        positions: (V, 2) latitude and longitude.
        names: V names of places.
        jumps: (from, to, legal, confidence or None) along the answer's path.
        hops: (from, to, confidence or None) of places off the path.
        roads: (E, 2), drawn faintly.
        optimum: Places of a shortest path.
        source: Where the path begins.
        target: Where it should end.
        scores: Of the answer, (1,) each.
    """

    positions: Array
    names: Sequence[str]
    jumps: list[tuple[int, int, bool, float | None]]
    hops: list[tuple[int, int, float | None]]
    roads: Array
    optimum: list[int]
    source: int
    target: int
    scores: dict[str, Array]


def render(scene: Scene, mode: str) -> Any:
    """The scene as `ansi` text or (H, W, 3) uint8.

    Raises:
        ValueError: There is no such mode.
    """
    if mode == "ansi":
        return _text(scene)
    if mode == "rgb_array":
        return _pixels(scene)
    raise ValueError(f"mode must be 'ansi' or 'rgb_array', got {mode!r}")


# Scenes


def sequence_scene(
    graph: CityGraph,
    instance: Instances,
    answer: Array,
    scores: dict[str, Array],
    confidence: Array | None,
) -> Scene:
    """The scene of a sequence of places (L,); undecided slots are left out."""
    target = int(instance.fields["target"][0, 0])
    sure = _checked(confidence, len(answer))
    roads = {(a, b) for a, b in _roads_of(graph).tolist()}
    path = [(int(place), slot) for slot, place in enumerate(answer) if place >= 0]
    jumps = [
        (a, b, (a, b) in roads, sure[slot])
        for (a, _), (b, slot) in pairwise(path)
        if not a == b == target
    ]
    cities = graph.cities
    return Scene(
        np.stack([cities["latitude"], cities["longitude"]], axis=1),
        _names(cities),
        jumps,
        [],
        _roads_of(graph),
        instance.labels["answer"][0].tolist(),
        int(instance.fields["givens"][0, 0]),
        target,
        scores,
    )


def next_hop_scene(
    instance: Instances, answer: Array, scores: dict[str, Array], confidence: Array | None
) -> Scene:
    """The scene of next hops (N,); places without a hop are dots alone."""
    neighbours = instance.fields["neighbours"][0].astype(np.int64)
    source, target = (int(instance.labels[name][0]) for name in ("source", "target"))
    onward = np.where(answer >= 0, neighbours[np.arange(len(answer)), answer], -1)
    best = neighbours[np.arange(len(answer)), instance.labels["answer"][0]]
    sure = _checked(confidence, len(answer))
    on_path = follow(onward, source, target)
    jumps = [(a, b, True, sure[a]) for a, b in pairwise(on_path)]
    first = set(on_path[:-1]) | {target}
    hops = [(a, int(b), sure[a]) for a, b in enumerate(onward) if b >= 0 and a not in first]
    positions, names = _places(instance.labels["places"][0])
    nodes, slots = np.nonzero(neighbours >= 0)
    roads = np.stack([nodes, neighbours[nodes, slots]], axis=1)
    roads = roads[roads[:, 0] < roads[:, 1]]
    optimum = follow(best, source, target)
    return Scene(positions, names, jumps, hops, roads, optimum, source, target, scores)


def follow(onward: Array, source: int, target: int) -> list[int]:
    """The places that hops (V,) lead through: to the target, to a dead end or once round a loop."""
    path = [source]
    while path[-1] != target and onward[path[-1]] >= 0:
        path.append(int(onward[path[-1]]))
        if path[-1] in path[:-1]:
            break
    return path


def _checked(confidence: Array | None, size: int) -> list[float | None]:
    """The confidence of each node, None where it is not known."""
    if confidence is None:
        return [None] * size
    return [float(c) for c in check_confidence(confidence, size)]


def _roads_of(graph: CityGraph) -> Array:
    """(E, 2) directed roads."""
    sources = np.repeat(np.arange(len(graph)), graph.degrees)
    return np.stack([sources, graph.neighbours], axis=1)


def _names(cities: dict[str, Array]) -> list[str]:
    return [f"{n}, {s}" for n, s in zip(cities["name"], cities["state"], strict=True)]


def _places(rows: Array) -> tuple[Array, list[str]]:
    """Positions and names of mainland places; on a circle where they are not known (-1)."""
    cities, _ = mainland_table()
    known = rows >= 0
    angle = np.arange(len(rows)) * 2 * np.pi / len(rows)
    circle = np.stack([38 + 9 * np.sin(angle), -96 + 18 * np.cos(angle)], axis=1)
    degrees = np.stack([cities["latitude"], cities["longitude"]], axis=1)
    positions = np.where(known[:, None], degrees[np.maximum(rows, 0)], circle)
    names = _names({name: cities[name][np.maximum(rows, 0)] for name in ("name", "state")})
    return positions, [name if known[i] else f"node {i}" for i, name in enumerate(names)]


# Text


def _text(scene: Scene) -> str:
    """Both ends, what the path amounts to, and the path itself."""
    legal = sum(jump[2] for jump in scene.jumps)
    ratio = float(scene.scores["length_ratio"][0])
    illegal = int(scene.scores["illegal_jumps"][0])
    parts = [f"{legal} legal jumps", f"{illegal} illegal"]
    if illegal:
        parts[1] = f"\x1b[31m{parts[1]}\x1b[0m"
    if np.isfinite(ratio):
        parts.append("\x1b[32mshortest\x1b[0m" if scene.scores["optimal"][0] else f"{ratio:.3f} x")
    else:
        parts.append("does not arrive")
    path = scene.names[scene.source]
    for _, place, allowed, _ in scene.jumps:
        arrow = ">" if allowed else "\x1b[31mx\x1b[0m"
        path += f" {arrow} {scene.names[place]}"
    ends = f"\x1b[1m{scene.names[scene.source]} -> {scene.names[scene.target]}\x1b[0m"
    return f"{ends}: {', '.join(parts)}\n{path}"


# Pixels


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
