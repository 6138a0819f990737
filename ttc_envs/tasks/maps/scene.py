"""What there is to draw of an answer to a path task, and the same in words.

Each task makes its own scenes in its `render.py`.

Shapes: V places of the map, N nodes, E roads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttc_envs.colours import check_confidence
from ttc_envs.contracts import Wording
from ttc_envs.spec import Array


def map_wording(what: str, classical: str) -> Wording:
    """The words for a task whose pictures are scenes; see `Wording` for the arguments."""
    return Wording(
        what,
        classical,
        "The path that the answer gives stands out on the shortest one, which lies light behind "
        "it; jumps are tinted by the confidence of the network, from red to green, and a jump "
        "without a road is dashed in red.",
    )


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


def follow(onward: Array, source: int, target: int) -> list[int]:
    """The places that hops (V,) lead through: to the target, to a dead end or once round a loop."""
    path = [source]
    while path[-1] != target and onward[path[-1]] >= 0:
        path.append(int(onward[path[-1]]))
        if path[-1] in path[:-1]:
            break
    return path


def confidences(confidence: Array | None, size: int) -> list[float | None]:
    """The confidence of each node, None where it is not known."""
    if confidence is None:
        return [None] * size
    return [float(c) for c in check_confidence(confidence, size)]


def names_of(cities: dict[str, Array]) -> list[str]:
    """Name and state of each place."""
    return [f"{n}, {s}" for n, s in zip(cities["name"], cities["state"], strict=True)]


def text_of(scene: Scene) -> str:
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
