"""Rounds in which neighbours exchange their items, each position with one neighbour at most.

An edge e joins the positions e and e + 1. A round is a set of edges that share no position.

Shapes: B lists, N positions, N - 1 edges.
"""

from __future__ import annotations

import numpy as np

from ttc_envs.spec import Array


def exchanged(answer: Array, edges: Array) -> Array:
    """The answers (B, N) after a round (B, N - 1) bool."""
    after = answer.copy()
    np.copyto(after[:, :-1], answer[:, 1:], where=edges)
    np.copyto(after[:, 1:], answer[:, :-1], where=edges)
    return after


def odd_even_round(keys: Array, answer: Array) -> Array:
    """The answers (B, N) after one round of odd-even transposition sort on keys (B, N).

    The neighbours from even positions, if any of these are out of order, else those from odd ones.
    A round leaves its own edges in order, so rounds alternate without being counted, and those
    that would change nothing are left out.
    """
    shown = np.take_along_axis(keys, answer.astype(np.int64), axis=1)
    wrong = shown[:, :-1] > shown[:, 1:]
    even = wrong.copy()
    even[:, 1::2] = False
    odd = wrong ^ even
    edges = np.where(even.any(axis=1, keepdims=True), even, odd)
    return exchanged(answer, edges)


def exchanged_towards(answer: Array, asked: Array) -> Array:
    """The answers after one round towards the order (B, N) that is asked for.

    Neighbours exchange their items where these are asked for in the other order. Of several such
    edges in a row the first, the third and so on are taken. Items that are not asked for stay.

    Args:
        answer: (B, N), permutations.
        asked: (B, N), items.
    """
    batch, size = answer.shape
    goal = np.full((batch, size), -1, dtype=np.int32)
    # Of an item that is asked for twice the last position counts.
    np.put_along_axis(goal, asked.astype(np.int64), np.arange(size, dtype=np.int32)[None], axis=1)
    goal = np.take_along_axis(goal, answer.astype(np.int64), axis=1)
    wanted = (goal[:, :-1] > goal[:, 1:]) & (goal[:, 1:] >= 0)
    edge = np.arange(size - 1)
    run_start = np.maximum.accumulate(np.where(wanted, 0, edge + 1), axis=1)
    return exchanged(answer, wanted & ((edge - run_start) % 2 == 0))
