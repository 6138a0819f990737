"""Levels of the next-hop task: the kind and the number of places of its maps, as in `spread64`."""

from __future__ import annotations

from ttc_envs.tasks.maps.pools import KINDS, most_neighbours


def level_names(places: int, degree: int) -> tuple[str, ...]:
    """`spread64`, `spread32` and, where 16 neighbours fit, `dense64`, for 64 places."""
    names = [f"spread{places}"]
    if places >= 4:
        names.append(f"spread{places // 2}")
    if most_neighbours("dense", places) <= degree:
        names.append(f"dense{places}")
    return tuple(names)


def parse_level(level: str, places: int, degree: int) -> tuple[str, int]:
    """Kind and number of places of a level, 2 to `places`.

    Raises:
        ValueError: There is no such level, or its maps have more than `degree` neighbours.
    """
    kind = next((kind for kind in KINDS if level.startswith(kind)), "")
    count = level.removeprefix(kind)
    if not (kind and count.isascii() and count.isdigit() and 2 <= int(count) <= places):
        expected = " or ".join(f"{kind}K" for kind in KINDS)
        raise ValueError(f"level must be {expected} with K in 2..{places}, got {level!r}")
    if most_neighbours(kind, int(count)) > degree:
        needed = most_neighbours(kind, int(count))
        raise ValueError(f"level {level!r} needs degree={needed} at least, got {degree}")
    return kind, int(count)
