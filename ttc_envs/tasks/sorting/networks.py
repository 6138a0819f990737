"""Sorting networks: rounds of comparisons that are the same for every list (Batcher 1968).

A round is a set of disjoint pairs of positions (low, high); each pair is compared and exchanged if
it is out of order. Odd-even transposition compares neighbours, n rounds. Bitonic sort needs
k (k + 1) / 2 rounds with k = ceil(log2 n), between positions up to n / 2 apart.

Shapes: B lists, N positions, P pairs.
"""

from __future__ import annotations

import numpy as np

from ttc_envs.spec import Array


def odd_even_network(size: int) -> list[Array]:
    """`size` rounds, (P, 2) int64 each, of neighbours, in turns from even and odd positions."""
    low = np.arange(size - 1)
    pairs = np.stack([low, low + 1], axis=1)
    return [pairs[step % 2 :: 2] for step in range(size)]


def bitonic_network(size: int) -> list[Array]:
    """The rounds of bitonic sort, (P, 2) int64 each, for a list of any length.

    Every comparison puts the smaller key at the lower position (merging mirrors one half), so that
    the positions that are missing to a power of two may be left out: they would hold what is
    largest and never move.
    """
    positions = np.arange(1 << (size - 1).bit_length())
    rounds = []
    width = 2
    while width <= len(positions):
        partners = [positions ^ (width - 1)]
        partners += [positions ^ (width >> step) for step in range(2, width.bit_length())]
        for partner in partners:
            pairs = np.stack([positions, partner], axis=1)
            rounds.append(pairs[(positions < partner) & (partner < size)])
        width *= 2
    return rounds


def exchange(keys: Array, pairs: Array) -> Array:
    """The lists (B, N) after one round (P, 2)."""
    low, high = pairs.T
    after = keys.copy()
    after[:, low] = np.minimum(keys[:, low], keys[:, high])
    after[:, high] = np.maximum(keys[:, low], keys[:, high])
    return after


def exchange_items(keys: Array, answer: Array, pairs: Array) -> Array:
    """The answers (B, N), permutations, after one round (P, 2) on keys (B, N)."""
    low, high = pairs.T
    items = answer.astype(np.int64)
    first, second = items[:, low], items[:, high]
    wrong = np.take_along_axis(keys, first, axis=1) > np.take_along_axis(keys, second, axis=1)
    after = answer.copy()
    after[:, low], after[:, high] = np.where(wrong, second, first), np.where(wrong, first, second)
    return after


def rounds_needed(keys: Array, network: list[Array]) -> Array:
    """(B,) int64: the rounds after which a network has put lists (B, N) in order for good.

    Args:
        keys: The lists; what stands behind shorter ones has to be largest.
        network: Its rounds.

    Raises:
        ValueError: The network leaves a list out of order.
    """
    needed = np.zeros(len(keys), dtype=np.int64)
    for number, pairs in enumerate(network, start=1):
        after = exchange(keys, pairs)
        needed[(after != keys).any(axis=1)] = number
        keys = after
    unordered = (keys[:, 1:] < keys[:, :-1]).any(axis=1)
    if unordered.any():
        raise ValueError(f"the network leaves {np.flatnonzero(unordered)[:8]} out of order")
    return needed
