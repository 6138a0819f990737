"""Lists of keys: how they are drawn, level by level.

Keys are multiples of 2^-24 in [0, 1), which float32 holds exactly, so that a minimum gap and equal
keys are exact as well. A list of n keys in N places has its keys first; the places behind them hold
`PADDING`, above all keys that are drawn.

Shapes: B lists, N places.
"""

from __future__ import annotations

import math

import numpy as np

from ttc_envs.random_words import random_words
from ttc_envs.spec import Array

LEVELS = ("uniform", "nearly_sorted", "few_distinct", "reversed")
PADDING = np.float32(1)
TICKS = 2**24
"""Number of keys that there are."""

REACH = 4
"""Keys of a nearly sorted list are fewer places than this from where they belong."""

LENGTH_STREAM, KEY_STREAM, ORDER_STREAM = 101, 102, 103


def gap_ticks(min_gap: float, size: int) -> int:
    """The gap in multiples of 2^-24, rounded up.

    Raises:
        ValueError: Keys of a list of `size` cannot be that far apart in [0, 1).
    """
    if isinstance(min_gap, bool) or not isinstance(min_gap, (int, float)) or not min_gap >= 0:
        raise ValueError(f"min_gap must be a number >= 0, got {min_gap!r}")
    if min_gap * (size - 1) >= 1:
        raise ValueError(
            f"min_gap must be below 1 / (size - 1) = {1 / (size - 1):.6g} "
            f"for size {size}, got {min_gap!r}"
        )
    # The last key has to stay below 1 after rounding up.
    return min(math.ceil(min_gap * TICKS), (TICKS - 1) // (size - 1))


def draw(keys: Array, level: str, size: int, min_size: int, gap: int) -> tuple[Array, Array]:
    """Lists (B, N) float32 and masks (B, N) int8 of what they hold, determined by (key, level).

    Args:
        keys: (B,) uint64.
        level: One of `LEVELS`.
        size: N, the largest length.
        min_size: The smallest length; lengths are uniform between the two.
        gap: Different keys are at least that many ticks apart.
    """
    lengths = min_size + _below(random_words(keys, LENGTH_STREAM, 1), size - min_size + 1)
    places = np.arange(size)
    real = places < lengths
    ticks = _below(random_words(keys, KEY_STREAM, size), TICKS - (size - 1) * gap)
    # Behind the list everything is largest, so that sorting leaves it behind.
    ticks[~real] = TICKS
    if gap or level != "uniform":
        order = _order(keys, level, ticks, lengths)
        ordered = np.sort(ticks, axis=1) + places * gap
        ticks = np.take_along_axis(ordered, order, axis=1)
    values = (ticks / TICKS).astype(np.float32)
    values[~real] = PADDING
    return values, real.astype(np.int8)


def _below(words: Array, limits: Array | int) -> Array:
    """Integers 0..limit-1 from random words; of their upper halves, since limits are below 2^32."""
    scaled = (words >> np.uint64(32)) * np.asarray(limits, dtype=np.uint64)
    return (scaled >> np.uint64(32)).astype(np.int64)


def _order(keys: Array, level: str, ticks: Array, lengths: Array) -> Array:
    """(B, N) which of the list's values, counted from the smallest, stands at each place."""
    if level == "uniform":
        return ticks.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    places = np.arange(ticks.shape[1])
    real = places < lengths
    if level == "reversed":
        return np.where(real, lengths - 1 - places, places)
    words = random_words(keys, ORDER_STREAM, ticks.shape[1])
    if level == "few_distinct":
        # About sqrt(n) values, as far apart in the order of all n as can be.
        distinct = np.maximum(2, np.sqrt(lengths).astype(np.int64))
        return np.where(real, _below(words, distinct) * (lengths // distinct), places)
    ahead = _below(words, REACH * TICKS) / TICKS
    return np.where(real, places + ahead, np.inf).argsort(axis=1, kind="stable")
