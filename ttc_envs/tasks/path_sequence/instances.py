"""Instances of the sequence task: pairs of places on a fixed map, by split and level.

A split holds the pairs whose shortest paths fit into the slots.

Levels are `any`, and for maps of up to 1024 places `near`, `far`, `hops=K` and `hops=LOW..HIGH`.

Shapes: B batch, V places, L slots.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from ttc_envs.random_words import random_words
from ttc_envs.spec import UNDECIDED, Array, Field, Instances, TaskSpec
from ttc_envs.tasks.maps.fixed_map import FixedMap, in_split

ANY_LEVEL, HOPS_PREFIX = "any", "hops="
NAMED_HOPS = {"near": (0, 1 / 8), "far": (1 / 2, 1)}
"""The jumps of the other named levels, as shares of those that the slots allow."""
MOST_FOR_HOPS = 1024
"""Places up to which all pairs are listed by their hops."""
DRAW_STREAM, TRIES = 6, 64


def level_names(places: int) -> tuple[str, ...]:
    """The named levels of a map with so many places."""
    return (ANY_LEVEL, *(NAMED_HOPS if places <= MOST_FOR_HOPS else ()))


def sequence_spec(num_places: int, slots: int) -> TaskSpec:
    """The spec for C = `num_places` and N = `slots`."""
    index: Literal["int8", "int32"] = "int8" if num_places <= 128 else "int32"
    return TaskSpec(
        name="shortest_path_sequence",
        levels=level_names(num_places),
        fields={
            "givens": Field("node", "given", (slots,), index, UNDECIDED, num_places - 1),
            "target": Field("node", "symbol", (slots,), index, 0, num_places - 1),
        },
        num_nodes=slots,
        num_choices=num_places,
        choices="class",
        num_edits=num_places + 1,
        positions=np.arange(slots, dtype=np.float32)[:, None],
    )


def labelled(
    fixed: FixedMap, spec: TaskSpec, keys: Array, source: Array, target: Array
) -> Instances:
    """Instances of pairs (B,), labelled with shortest paths.

    Labels: `answer` (B, L) the path, the target repeated after arrival; `optimum` (B,) its km.

    Raises:
        ValueError: A pair has no way that fits into the slots.
    """
    slots, dtype = spec.num_nodes, spec.answer_dtype
    path, fits = fixed.paths(source, target, slots)
    if not fits.all():
        rows = np.flatnonzero(~fits)[:8]
        raise ValueError(f"no way of at most {slots - 1} jumps exists in instances {rows}")
    givens = np.full(path.shape, UNDECIDED, dtype=dtype)
    givens[:, 0] = source
    goal = np.repeat(target[:, None], slots, axis=1).astype(dtype)
    optimum = fixed.lengths(fixed.codes(path))
    labels = {"answer": path.astype(dtype), "optimum": optimum}
    return Instances(keys, {"givens": givens, "target": goal}, labels)


class Pairs:
    """The pairs of a split that fit into so many slots.

    Args:
        fixed: The map.
        slots: L, one more than the jumps of the longest path.
        split: One of `fixed_map.SHARES`.
    """

    def __init__(self, fixed: FixedMap, slots: int, split: str) -> None:
        self._map = fixed
        self._slots = slots
        self._split = split
        self._listed: dict[str, Array] = {}

    def check(self, level: str) -> None:
        """Refuse a level that cannot be drawn.

        Raises:
            ValueError: There is no such level, or no pair of it.
        """
        if level != ANY_LEVEL:
            self._of(level)

    def draw(self, keys: Array, level: str) -> tuple[Array, Array]:
        """Sources and targets (B,) int64, determined by the keys (B,) uint64 and the level."""
        if level == ANY_LEVEL and len(self._map) > MOST_FOR_HOPS:
            return self._tried(keys)
        pairs = self._of(level)
        word = random_words(keys, DRAW_STREAM, 1)[:, 0]
        chosen = pairs[(word % np.uint64(len(pairs))).astype(np.int64)]
        source, target = np.divmod(chosen, len(self._map))
        return source, target

    def _of(self, level: str) -> Array:
        """Codes source * V + target of all pairs of the split with so many hops, in order."""
        if level not in self._listed:
            low, high = parse_hops(level, self._slots)
            size = len(self._map)
            if size > MOST_FOR_HOPS:
                raise ValueError(f"{level!r} needs at most {MOST_FOR_HOPS} places, got {size}")
            hops = self._map.hops().ravel()
            source, target = np.divmod(np.arange(size * size), size)
            here = (hops >= low) & (hops <= high) & in_split(source, target, self._split)
            pairs = np.flatnonzero(here)
            if not len(pairs):
                raise ValueError(f"no pair of the split {self._split!r} is of level {level!r}")
            self._listed[level] = pairs
        return self._listed[level]

    def _tried(self, keys: Array) -> tuple[Array, Array]:
        """Pairs of the split that fit into the slots, the first such of each key."""
        words = random_words(keys, DRAW_STREAM, 2 * TRIES).reshape(len(keys), TRIES, 2)
        places = (words % np.uint64(len(self._map))).astype(np.int64)
        rows = np.arange(len(keys))
        turn = np.zeros(len(keys), dtype=np.int64)
        right = in_split(places[..., 0], places[..., 1], self._split)
        right &= places[..., 0] != places[..., 1]
        while True:
            right[rows, :] &= np.arange(TRIES) >= turn[:, None]
            if not right.any(axis=1).all():
                raise ValueError(f"no pair that fits into {self._slots} slots in {TRIES} tries")
            turn = right.argmax(axis=1)
            source, target = places[rows, turn].T
            fits = self._map.paths(source, target, self._slots)[1]
            if fits.all():
                return source, target
            right[rows, turn] &= fits


def parse_hops(level: str, slots: int) -> tuple[int, int]:
    """The fewest and the most hops of a level.

    Raises:
        ValueError: There is no such level.
    """
    if level == ANY_LEVEL:
        return 1, slots - 1
    if level in NAMED_HOPS:
        low_share, high_share = NAMED_HOPS[level]
        return max(1, math.ceil(low_share * slots)), max(1, int(high_share * (slots - 1)))
    words = level.removeprefix(HOPS_PREFIX).split("..")
    numeric = all(word.isascii() and word.isdigit() for word in words)
    if level.startswith(HOPS_PREFIX) and numeric and len(words) <= 2:
        low, high = int(words[0]), int(words[-1])
        if 1 <= low <= high < slots:
            return low, high
    raise ValueError(
        f"level must be one of {(ANY_LEVEL, *NAMED_HOPS)}, hops=K or hops=LOW..HIGH "
        f"with 1 <= LOW <= HIGH <= {slots - 1}, got {level!r}"
    )
