"""What both path tasks report of a path, from three numbers each.

quality = (legal share + ends + arrives * optimum / length) / 3, where a path arrives if it ends at
the target without an illegal jump.
"""

from __future__ import annotations

import numpy as np

from ttc_envs.spec import Array, Parts, count_per_row

EXACT = 1 + 1e-6
WITHIN = 1.01


def path_scores(
    jumps: Array, illegal: Array, ends: Array, length: Array, optimum: Array, bound: float
) -> dict[str, Array]:
    """The scores of B paths, all but `accuracy`.

    Args:
        jumps: (B,) jumps of each path.
        illegal: (B,) those that no road allows.
        ends: (B,) bool, whether the path ends at the target.
        length: (B,) float64, infinite for paths that do not count.
        optimum: (B,) float64, the shortest length, infinite where there is no way.
        bound: The largest `length_ratio` that is `bounded`.
    """
    reachable = optimum < np.inf
    arrives = ends & (illegal == 0) & reachable
    # A path from a place to itself has length 0 and is a shortest one.
    ratio = np.full(len(length), np.inf)
    np.divide(length, optimum, out=ratio, where=arrives & (optimum > 0))
    ratio[arrives & (optimum <= 0) & (length <= 0)] = 1.0
    legal = 1 - illegal / np.maximum(jumps, 1)
    optimal = ratio <= EXACT
    return {
        "quality": ((legal + ends * reachable + 1 / ratio) / 3).astype(np.float32),
        "solved": optimal,
        "illegal_jumps": illegal.astype(np.int32),
        "ends_at_target": ends.astype(bool),
        "length_ratio": ratio.astype(np.float32),
        "bounded": ratio <= bound,
        "optimal": optimal.copy(),
        "within_1_percent": ratio <= WITHIN,
        "reachable": reachable,
    }


def count_flags(flags: Array) -> Array:
    """(B,) int32, how many of contiguous (B, N) flags hold: `count_per_row`, three times as fast.

    Eight flags are added as the bytes of one word; a product then adds its bytes, up to 255.
    """
    size = flags.shape[1]
    if size % 8 or size > 255:
        return count_per_row(flags)
    words = flags.view(np.uint64).sum(axis=1)
    count: Array = ((words * np.uint64(0x0101010101010101)) >> np.uint64(56)).astype(np.int32)
    return count


def path_parts(ratio: Array, hops: Array, counted: Array, bound: float) -> Parts:
    """Paths by the hops of the shortest ones.

    Args:
        ratio: (B, P) length / optimum.
        hops: (B, P) jumps of shortest paths.
        counted: (B, P) bool, the paths that count.
        bound: As in `path_scores`.
    """
    depth = np.where(counted, hops, -1).astype(np.int32)
    holds = {
        "optimal": ratio <= EXACT,
        "within_1_percent": ratio <= WITHIN,
        "bounded": ratio <= bound,
    }
    return Parts("hops", depth, holds)


def check_bound(bound: float) -> float:
    """The bound itself.

    Raises:
        ValueError: It is not a number of at least 1.
    """
    if isinstance(bound, bool) or not isinstance(bound, (int, float)) or not bound >= 1:
        raise ValueError(f"bound must be a number of at least 1, got {bound!r}")
    return float(bound)
