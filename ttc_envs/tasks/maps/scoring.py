"""What both path tasks report of a path, from three numbers each.

quality = (legal share + ends + arrives * optimum / length) / 3, where a path arrives if it ends at
the target without an illegal jump.
"""

from __future__ import annotations

import numpy as np

from ttc_envs.contracts import Parts
from ttc_envs.spec import UNDECIDED, Array, TaskSpec

EXACT = 1 + 1e-6
WITHIN = 1.01


def path_scores(
    jumps: Array | int, illegal: Array, ends: Array, length: Array, optimum: Array, bound: float
) -> dict[str, Array]:
    """The scores of B paths, all but `accuracy`.

    Args:
        jumps: (B,) jumps of each path, or one number for all.
        illegal: (B,) int32, those that no road allows.
        ends: (B,) bool, whether the path ends at the target.
        length: (B,) float64, infinite for paths that do not count.
        optimum: (B,) float64, the shortest length, infinite where there is no way.
        bound: The largest `length_ratio` that is `bounded`.
    """
    reachable = optimum < np.inf
    there = ends & reachable
    legal = 1 - illegal / np.maximum(jumps, 1)
    quality = legal + there
    ratios = np.full(len(length), np.inf, dtype=np.float32)
    bounded, optimal, within = np.zeros((3, len(length)), dtype=bool)
    # Only paths that arrive have a ratio, and these are few at first.
    rows = (there & (illegal == 0)).nonzero()[0]
    if len(rows):
        ratio = _ratio(length[rows], optimum[rows])
        quality[rows] += 1 / ratio
        ratios[rows] = ratio
        bounded[rows] = ratio <= bound
        optimal[rows] = ratio <= EXACT
        within[rows] = ratio <= WITHIN
    return {
        "quality": (quality / 3).astype(np.float32),
        "solved": optimal,
        "illegal_jumps": illegal,
        "ends_at_target": ends,
        "length_ratio": ratios,
        "bounded": bounded,
        "optimal": optimal.copy(),
        "within_1_percent": within,
        "reachable": reachable,
    }


def _ratio(length: Array, optimum: Array) -> Array:
    """The ratio; a path from a place to itself has length 0 and is a shortest one."""
    infinite = np.full(len(length), np.inf)
    ratio: Array = np.divide(length, optimum, out=infinite, where=optimum > 0)
    ratio[length <= 0] = 1.0
    return ratio


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


def readable(answer: Array, spec: TaskSpec, batch: int) -> Array:
    """The answers (B, N) in the spec's dtype; what is no choice is undecided.

    Raises:
        ValueError: They have another shape, or are not of integers.
    """
    answer, shape = np.asarray(answer), (batch, spec.num_nodes)
    if answer.shape != shape or answer.dtype.kind not in "iu":
        raise ValueError(
            f"answers must be integers of shape {shape}, got {answer.dtype} {answer.shape}"
        )
    if answer.max(initial=0) < spec.num_choices and answer.min(initial=0) >= UNDECIDED:
        return answer.astype(spec.answer_dtype, copy=False)
    outside = (answer < 0) | (answer >= spec.num_choices)
    read: Array = answer.astype(spec.answer_dtype)
    read[outside] = UNDECIDED
    return read


def check_bound(bound: float) -> float:
    """The bound itself.

    Raises:
        ValueError: It is not a number of at least 1.
    """
    if isinstance(bound, bool) or not isinstance(bound, (int, float)) or not bound >= 1:
        raise ValueError(f"bound must be a number of at least 1, got {bound!r}")
    return float(bound)
