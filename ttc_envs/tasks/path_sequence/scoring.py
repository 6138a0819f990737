"""Scores of a path that is written down place by place.

Shapes: B batch, L slots.
"""

from __future__ import annotations

import numpy as np

from ttc_envs.spec import Array, Instances, count_per_row
from ttc_envs.tasks.maps.fixed_map import FixedMap
from ttc_envs.tasks.maps.scoring import path_scores


def score(fixed: FixedMap, instances: Instances, answer: Array, bound: float) -> dict[str, Array]:
    """The scores of `path_scores`, and `accuracy` by slots.

    Args:
        fixed: The map.
        instances: Labelled, B of them.
        answer: (B, L) places, -1 where undecided.
        bound: As in `path_scores`.
    """
    slots = answer.shape[1]
    code = fixed.codes(answer)
    there = answer == instances.fields["target"]
    illegal = np.int32(slots - 1) - count_per_row(_legal(fixed, code, there))
    ends = there[:, -1].copy()
    right = count_per_row(answer == instances.labels["answer"])
    # Only paths that lead from the source to the target have a length.
    begins = answer[:, 0] == instances.fields["givens"][:, 0]
    whole = begins & ends & (illegal == 0)
    optimum = instances.labels["optimum"]
    length = np.where(right == slots, optimum, np.inf)
    other = (whole & (right < slots)).nonzero()[0]
    if len(other):
        length[other] = fixed.lengths(code[other])
    scores = path_scores(slots - 1, illegal, ends, length, optimum, bound)
    return {"accuracy": right.astype(np.float32) / np.float32(slots), **scores}


def _legal(fixed: FixedMap, code: Array, there: Array) -> Array:
    """(B, L) bool, jumps by codes that are allowed; `there` says which slots are the target."""
    legal = fixed.roads(code)
    # Staying is no road, and legal at the target alone. Flat is faster than row by row; it also
    # pairs the last slot with the next row.
    flat, stays = legal.ravel(), there.ravel()
    flat[:-1] |= stays[:-1] & stays[1:]
    legal[:, -1] = False
    return legal
