"""Paths that follow one hop per node: from one place, and from all places at once.

Shapes: B batch, N nodes, D neighbours per node; a table of hops holds a slot 0..D-1 per node, -1
where undecided.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ttc_envs.spec import UNDECIDED, Array


@dataclass(frozen=True, eq=False)
class Walks:
    """What became of paths.

    Args:
        jumps: Jumps made, an illegal one among them.
        illegal: 1 where the path ended at a node without a hop (undecided, or a slot without a
            neighbour), else 0.
        ends: Whether it came to the target.
        length: The sum of the distances, float64.
    """

    jumps: Array
    illegal: Array
    ends: Array
    length: Array


def walk(neighbours: Array, distances: Array, hops: Array, source: Array, target: Array) -> Walks:
    """Follow the hops (B, N) from each source (B,): to the target, a dead end or a loop."""
    batch, nodes, slots = neighbours.shape
    jumps, illegal = np.zeros(batch, dtype=np.int32), np.zeros(batch, dtype=np.int32)
    ends = source == target
    seen = np.zeros(batch * nodes, dtype=bool)
    onward, hops = neighbours.reshape(-1), hops.reshape(-1)
    decided = hops.min() >= 0
    rows = (~ends).nonzero()[0]
    base, goal = rows * nodes, target[rows]
    place = base + source[rows]
    for jump in range(1, nodes + 1):
        if not len(rows):
            break
        seen[place] = True
        slot = hops[place]
        # An undecided hop reads a wrong slot, which `decided` masks.
        following = onward[place * slots + slot]
        if not decided:
            following = np.where(slot >= 0, following, UNDECIDED)
        arrived = following == goal
        place = base + following
        # Where there is no neighbour, `seen` is read one place off, which does no harm.
        stops = arrived | (following < 0) | seen[place]
        stopped = stops.nonzero()[0]
        if len(stopped):
            over = rows[stopped]
            jumps[over], illegal[over] = jump, following[stopped] < 0
            ends[over] = arrived[stopped]
            going = (~stops).nonzero()[0]
            rows, base, place, goal = rows[going], base[going], place[going], goal[going]
    length = _lengths(neighbours, distances, hops, source, jumps * ends)
    return Walks(jumps, illegal, ends, length)


def _lengths(
    neighbours: Array, distances: Array, hops: Array, source: Array, jumps: Array
) -> Array:
    """(B,) float64, the distance of the first jumps (B,) from each source, all of them legal."""
    batch, nodes, slots = neighbours.shape
    length = np.zeros(batch)
    onward, step = neighbours.reshape(-1), distances.reshape(-1)
    rows = jumps.nonzero()[0]
    base = rows * nodes
    place = base + source[rows]
    for jump in range(1, int(jumps.max(initial=0)) + 1):
        edge = place * slots + hops[place]
        length[rows] += step[edge]
        going = (jumps[rows] > jump).nonzero()[0]
        rows, base, edge = rows[going], base[going], edge[going]
        place = base + onward[edge]
    return length


def walk_all(neighbours: Array, distances: Array, hops: Array, target: Array) -> Array:
    """(B, N) float64, the length of the path from every node, infinite if it does not arrive.

    Pointer doubling: after k rounds each node knows the place and the length 2^k hops on.
    """
    batch, nodes, slots = neighbours.shape
    base = np.arange(batch)[:, None] * nodes
    slot = np.maximum(hops, 0).astype(np.int64)
    edge = (base + np.arange(nodes)) * slots + slot
    following = neighbours.reshape(-1)[edge]
    legal = (hops != UNDECIDED) & (following >= 0)
    length = np.where(legal, distances.reshape(-1)[edge], np.inf)
    onward = np.where(legal, base + following, base + np.arange(nodes))
    rows = np.arange(batch)
    onward[rows, target] = base[:, 0] + target
    length[rows, target] = 0.0
    onward, length = onward.reshape(-1), length.reshape(-1)
    for _ in range(max(nodes - 1, 1).bit_length()):
        length = length + length[onward]
        onward = onward[onward]
    arrived = onward.reshape(batch, nodes) == base + target[:, None]
    total: Array = np.where(arrived, length.reshape(batch, nodes), np.inf)
    return total
