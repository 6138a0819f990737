"""Edits of a path: a step ahead to a place, or the last number, a step back.

Shapes: B batch, L slots, C places, E = C + 1 edits.
"""

from __future__ import annotations

import numpy as np

from ttc_envs.spec import UNDECIDED, Array
from ttc_envs.tasks.maps.fixed_map import FixedMap


def edited(fixed: FixedMap, target: Array, answer: Array, edit: Array) -> Array:
    """The answers (B, L) after edits (B,); those that the mask forbids change nothing.

    Args:
        fixed: The map.
        target: (B,) places.
        answer: (B, L) places, -1 where undecided.
        edit: (B,) edits.
    """
    allowed = edit_mask(fixed, target, answer)[np.arange(len(answer)), edit] > 0
    used = used_slots(answer, target)
    back = edit == len(fixed)
    slots = np.arange(answer.shape[1])
    # Stepping back empties the last used slot and what repeats it; a step ahead fills the next.
    emptied = slots >= (used - 1)[:, None]
    after = np.where((back & allowed)[:, None] & emptied, UNDECIDED, answer)
    ahead = ~back & allowed
    arriving = (edit == target)[:, None]
    filled = (slots == used[:, None]) | (arriving & (slots >= used[:, None]))
    written = np.where(ahead[:, None] & filled, edit[:, None], after)
    return written.astype(answer.dtype)


def edit_mask(fixed: FixedMap, target: Array, answer: Array) -> Array:
    """(B, E) int8: roads from the last place, unless it is the target; and a step back."""
    used = used_slots(answer, target)
    last = answer[np.arange(len(answer)), used - 1].astype(np.int64)
    mask = np.zeros((len(answer), len(fixed) + 1), dtype=np.int8)
    going = (used < answer.shape[1]) & (last != target) & (last >= 0)
    rows = going.nonzero()[0]
    mask[rows, :-1] = fixed.neighbour_flags(last[rows])
    mask[:, -1] = used > 1
    return mask


def edit_path(fixed: FixedMap, target: Array, right: Array, answer: Array) -> list[Array]:
    """For each row the edits (k,) int64 that lead from answers (B, L) to right paths (B, L)."""
    used, length = used_slots(answer, target), used_slots(right, target)
    same = np.minimum((answer == right).cumprod(axis=1).sum(axis=1), np.minimum(used, length))
    return [
        np.concatenate([np.full(u - s, len(fixed), dtype=np.int64), row[s:n].astype(np.int64)])
        for row, u, s, n in zip(right, used, same, length, strict=True)
    ]


def used_slots(answer: Array, target: Array) -> Array:
    """(B,) slots in use, up to the first undecided one; a repeated target counts once."""
    slots = answer.shape[1]
    blank = answer < 0
    used = np.where(blank.any(axis=1), blank.argmax(axis=1), slots)
    # Slots at the end that hold the target: all but the first of them repeat it.
    tail = (answer == target[:, None])[:, ::-1].cumprod(axis=1).sum(axis=1)
    counted: Array = np.where(tail > 0, slots - tail + 1, used)
    return np.maximum(counted, 1)
