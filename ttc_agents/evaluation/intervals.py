"""Wilson's interval for a share of successes (E. B. Wilson, 1927).

    centre = (p + z^2 / 2n) / (1 + z^2 / n)
    half   = z sqrt(p (1 - p) / n + z^2 / 4 n^2) / (1 + z^2 / n)

Unlike the normal interval it stays inside [0, 1] and is right near both ends.
"""

from __future__ import annotations

import math
from statistics import NormalDist


def wilson(successes: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """The interval (low, high) of the probability of success.

    Args:
        successes: Successes among `count` independent trials.
        count: Trials, at least 1.
        level: Coverage of the interval, between 0 and 1.

    Raises:
        ValueError: The numbers are not a share, or the level is not a probability.
    """
    if not 0 <= successes <= count or count < 1:
        raise ValueError(f"expected 0 <= successes <= count >= 1, got {successes} of {count}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, spread = successes / count, z * z / count
    centre = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    # At the ends the interval is exactly closed, which rounding would miss.
    low = centre - half if successes else 0.0
    return low, centre + half if successes < count else 1.0


def share(successes: int, count: int) -> dict[str, float | int]:
    """The entry of a result table: `solved`, `n`, and the 95% interval `low`..`high`."""
    low, high = wilson(successes, count)
    return {"solved": successes / count, "n": count, "low": low, "high": high}
