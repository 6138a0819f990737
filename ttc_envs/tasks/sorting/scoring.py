"""Scores of answers to lists of keys.

Keys are compared by value, so equal keys are interchangeable. With s_i the key of the item that
position i is given, an inversion is a pair of positions i < j with s_i > s_j (the Kendall distance
from order), and

    quality = 1 - inversions / most    for permutations, else 0

where `most`, the number of pairs of unequal keys, is what the worst order has. A position without
an item counts as one that holds a key above all others. Instead of keys their places in the sorted
list are compared, which are small integers.

Shapes: B lists, N positions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ttc_envs.spec import UNDECIDED, Array, count_per_row

CHUNK = 2**19
"""Positions that are scored at once, which bounds memory to some 40 MB."""

PAIRWISE = 64
"""Longest list whose pairs are compared one by one; beyond, sorting by bits is faster."""


def labels_of(keys: Array, mask: Array, dtype: np.dtype[Any]) -> dict[str, Array]:
    """What scoring needs to know of lists (B, N), computed once.

    Returns:
        `answer` (B, N) of `dtype`, the items in order, equal keys in the order of the list;
        `place` (B, N), where each item stands in it; `first` (B, N), the first position in it with
        the key of a position; `most` (B,) int32, pairs of unequal keys.
    """
    size = keys.shape[1]
    small = place_dtype(size)
    order, ordered = sort(keys)
    place = np.empty(keys.shape, dtype=small)
    np.put_along_axis(place, order, np.arange(size, dtype=small)[None], axis=1)
    first, most = _ties(ordered, mask)
    return {"answer": order.astype(dtype), "place": place, "first": first, "most": most}


def _ties(ordered: Array, mask: Array) -> tuple[Array, Array]:
    """`first` and `most` of `labels_of`, from the keys in order."""
    batch, size = ordered.shape
    places = np.arange(size, dtype=place_dtype(size))
    first = np.tile(places, (batch, 1))
    equal = ordered[:, 1:] == ordered[:, :-1]
    if not equal.any() and mask.all():
        return first, np.full(batch, pairs(size), dtype=np.int32)
    # Padding is equal to nothing.
    first[:, 1:][equal & (mask[:, 1:] == 1)] = 0
    first = np.maximum.accumulate(first, axis=1)
    # Each position forms a pair with all those in front of it that hold a smaller key.
    most = np.where(mask == 1, first, 0).sum(axis=1, dtype=np.int32)
    return first, most


def sort(keys: Array) -> tuple[Array, Array]:
    """The items (B, N) int64 in order, equal keys in the order of the list, and what they are.

    The keys are not negative, so their bits are integers in the same order; with the item behind
    them every number is another, and sorting is several times faster than `argsort`.
    """
    item_bits = keys.shape[1].bit_length()
    # Adding 0 makes a positive zero of a negative one.
    bits = (keys.astype(np.float32) + np.float32(0)).view(np.int32).astype(np.int64)
    numbers = bits << item_bits | np.arange(keys.shape[1])
    numbers.sort(axis=1)
    return numbers & (1 << item_bits) - 1, numbers >> item_bits


def pairs(count: Any) -> Any:
    """How many pairs so many things form."""
    return count * (count - 1) // 2


def place_dtype(size: int) -> np.dtype[Any]:
    """Unsigned integers that hold the places 0..N-1, and N for none."""
    return np.dtype(np.uint8 if size <= 255 else np.uint16)


def score(labels: dict[str, Array], mask: Array, answer: Array) -> dict[str, Array]:
    """`quality`, `accuracy`, `solved` and the metrics of sorting, (B,) each.

    Args:
        labels: As `labels_of` gives them.
        mask: (B, N), 1 where a position is part of the list, 0 behind it.
        answer: (B, N) integers of any value; what is no item is undecided.

    Raises:
        ValueError: The answer has another shape, or is not of integers.
    """
    answer = np.asarray(answer)
    if answer.shape != mask.shape or answer.dtype.kind not in "iu":
        raise ValueError(
            f"answers must be integers of shape {mask.shape}, got {answer.dtype} {answer.shape}"
        )
    rows = max(1, CHUNK // mask.shape[1])
    if len(mask) <= rows:
        return _score(labels, mask, answer)
    parts = []
    for start in range(0, len(mask), rows):
        some = slice(start, start + rows)
        own = {name: values[some] for name, values in labels.items()}
        parts.append(_score(own, mask[some], answer[some]))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _score(labels: dict[str, Array], mask: Array, answer: Array) -> dict[str, Array]:
    size = mask.shape[1]
    full = mask.all()
    lengths: Any = size if full else count_per_row(mask)
    if not full:
        answer = listed(mask, answer)
    places, decided = read(labels["place"], answer)
    if (labels["most"] == pairs(lengths)).all():
        same, first = places, np.arange(size, dtype=places.dtype)[:, None]
    else:
        same, first = by_value(labels["first"], places), labels["first"].T
    right = count_rows(same == first) - (size - lengths)
    inversions = count_inversions(same if full else without(mask, same))
    permutation = is_permutation(places)
    return scores_of(inversions, labels["most"], permutation, decided, right, lengths)


def scores_of(
    inversions: Array,
    most: Array,
    permutation: Array,
    decided: Array | bool,
    right: Array,
    lengths: Array | int,
) -> dict[str, Array]:
    """`Task.score` from counts.

    Args:
        inversions: (B,) pairs out of order.
        most: (B,) pairs of unequal keys.
        permutation: (B,) bool, whether each item is given once.
        decided: (B,) bool, whether each position has an item; True where all have.
        right: (B,) positions that hold the key that belongs there.
        lengths: (B,) keys in each list, or one number for all.
    """
    in_order = (inversions == 0) & decided
    quality = (1 - inversions / np.maximum(most, 1)) * permutation
    accuracy = (right / lengths).astype(np.float32)
    return {
        "quality": quality.astype(np.float32),
        "accuracy": accuracy,
        "solved": in_order & permutation,
        "sorted": in_order,
        "position_accuracy": accuracy,
        "inversions": inversions.astype(np.int32),
        "valid_permutation": permutation.copy(),
    }


def listed(mask: Array, answer: Array) -> Array:
    """(B, N) int64: answers in which padding is in its own place, and undecided elsewhere."""
    size = mask.shape[1]
    items = answer.astype(np.int64)
    items[items >= count_per_row(mask)[:, None]] = UNDECIDED
    return np.where(mask == 0, np.arange(size), items)


def read(place: Array, answer: Array) -> tuple[Array, Array | bool]:
    """Where the items of answers (B, N) belong, (N, B), N for what is no item; and `decided`.

    Positions come first, so that each operation on the places runs along the batch. `decided` is
    (B,) bool, whether a row has items throughout, or True where all rows have.
    """
    batch, size = place.shape
    # As unsigned numbers the negative ones are large.
    outside = answer.view(answer.dtype.str.replace("i", "u")) >= size
    undecided = outside.any()
    if undecided:
        answer = np.where(outside, 0, answer)
    slots = np.ascontiguousarray(answer.T).astype(np.int64)
    slots += np.arange(0, batch * size, size)
    places = place.ravel().take(slots)
    if not undecided:
        return places, True
    places[outside.T] = size
    return places, ~outside.any(axis=1)


def without(mask: Array, places: Array) -> Array:
    """The places (N, B) with the padding that masks (B, N) say above all, in no inversion."""
    top = np.iinfo(places.dtype).max
    return np.where(mask.T == 0, top, places).astype(places.dtype)


def by_value(first: Array, places: Array) -> Array:
    """The places (N, B) with one place for equal keys, by `first` (B, N); N stays."""
    batch, size = first.shape
    slots = np.minimum(places, size - 1) + np.arange(0, batch * size, size)
    same: Array = first.ravel().take(slots)
    same[places == size] = size
    return same


def is_permutation(shown: Array) -> Array:
    """(B,) bool: places (N, B) hold each of 0..N-1."""
    size = len(shown)
    if size > 64:
        whole: Array = (np.sort(shown, axis=0) == np.arange(size)[:, None]).all(axis=0)
        return whole
    word = np.dtype(np.uint16 if size <= 16 else np.uint32 if size <= 32 else np.uint64)
    # A shift by as many places as the word has is 0, which numpy guarantees.
    bits = np.left_shift(word.type(1), shown.astype(word))
    full = word.type(2**size - 1)
    every: Array = np.bitwise_or.reduce(bits, axis=0) & full == full
    return every


def count_inversions(shown: Array) -> Array:
    """(B,) int64: pairs i < j with shown[i] > shown[j], of (N, B) unsigned integers."""
    if len(shown) <= PAIRWISE:
        return _count_pairs(shown)
    return _count_by_bits(np.ascontiguousarray(shown.T).argsort(axis=1, kind="stable"))


def _count_pairs(shown: Array) -> Array:
    """Each pair compared, O(B N^2): those across the middle, then those within the halves."""
    size, batch = shown.shape
    width = padded_size(size)
    if width > size:
        # At the end and largest: in no inversion.
        top = np.full((width - size, batch), np.iinfo(shown.dtype).max, dtype=shown.dtype)
        shown = np.concatenate([shown, top])
    larger = np.empty((pairs(width), batch), dtype=bool)
    filled = 0
    while width > 1:
        halves = shown.reshape(-1, 2, width // 2, batch)
        count = len(halves) * (width // 2) ** 2
        out = larger[filled : filled + count].reshape(len(halves), width // 2, width // 2, batch)
        np.greater(halves[:, 0, :, None], halves[:, 1, None], out=out)
        filled += count
        width //= 2
    return count_rows(larger)


def padded_size(size: int) -> int:
    """The smallest power of two that is not below a size."""
    return 1 << (size - 1).bit_length()


def count_rows(flags: Array) -> Array:
    """(B,) int64, how many of (R, B) flags hold; in bytes, since wider sums take far longer."""
    parts = [
        np.add.reduce(flags[start : start + 255].view(np.uint8), axis=0, dtype=np.uint8)
        for start in range(0, len(flags), 255)
    ]
    total: Array = parts[0].astype(np.int64)
    for part in parts[1:]:
        total += part
    return total


def _count_by_bits(order: Array) -> Array:
    """(B,) inversions of permutations (B, N): O(B N log N).

    From the highest bit on, the numbers of a block are divided into those without the bit and
    those with it, in order. The inversions between the two are the places by which the former
    stand farther right than side by side at the left. Both halves are blocks for the next bit.
    """
    batch, size = order.shape
    width = padded_size(size)
    numbers = np.empty((batch, width), dtype=np.int32)
    numbers[:, :size] = order
    numbers[:, size:] = np.arange(size, width)  # at the end and largest: in no inversion
    count = np.zeros(batch, dtype=np.int64)
    while width > 1:
        half = width // 2
        blocks = numbers.reshape(batch, -1, width)
        high = (blocks & half).astype(bool)
        low = ~high
        places = np.einsum("bgw,w->b", low, np.arange(width))
        count += places - blocks.shape[1] * pairs(half)
        halves = [blocks[part].reshape(batch, -1, 1, half) for part in (low, high)]
        numbers = np.concatenate(halves, axis=2)
        width = half
    return count
