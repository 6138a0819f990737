"""Classical methods for next hops, as streams of answers: the rows that stand beside models.

With w(v, u) the distance of neighbours and g(u) the great-circle distance of u to the target:

- greedy: each node points to the neighbour with the smallest g(u), once and for all;
- one-step A* (Hart, Nilsson and Raphael 1968): to that with the smallest w(v, u) + g(u);
- Bellman-Ford (Bellman 1958): t synchronous relaxations from the target,
      d_0 = 0 at the target, else infinite,    d_t(v) = min_u w(v, u) + d_{t-1}(u),
  where v points to the u that gives the minimum. It is the ceiling of whatever sees one neighbour
  further at each step.

Shapes: B batch, N nodes, D neighbours per node.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ttc_envs.spec import UNDECIDED, Array, Instances
from ttc_envs.tasks.maps.graph import km_of_chord
from ttc_envs.tasks.maps.pools import mainland_table, through


def greedy(instances: Instances) -> Iterator[Array]:
    """The neighbour closest to the target; nothing on maps whose places are not known."""
    yield _pointed(_remainders(instances))


def one_step_a_star(instances: Instances) -> Iterator[Array]:
    """The neighbour that leads to the target soonest, if one could go straight from there."""
    points = _points(instances)
    jump = _km(_onward(instances, points), points[:, :, None])
    yield _pointed(jump + _remainders(instances))


def bellman_ford(instances: Instances) -> Iterator[Array]:
    """Synchronous relaxations, one per step, until a step changes no distance."""
    neighbours, distances = instances.fields["neighbours"], instances.fields["distances"]
    target = instances.fields["target"].argmax(axis=1)
    rows = np.arange(len(target))
    length = np.full(neighbours.shape[:2], np.inf)
    length[rows, target] = 0.0
    while True:
        ways = through(neighbours, distances, length)
        ways[rows, target] = np.inf
        yield _pointed(ways)
        relaxed = ways.min(axis=2)
        relaxed[rows, target] = 0.0
        if np.array_equal(relaxed, length):
            return
        length = relaxed


def _pointed(ways: Array) -> Array:
    """(B, N) the slots with the smallest of (B, N, D), undecided where all are infinite."""
    known = ways.min(axis=2) < np.inf
    slots: Array = np.where(known, ways.argmin(axis=2), UNDECIDED)
    return slots.astype(np.int8 if ways.shape[2] <= 128 else np.int32)


def _remainders(instances: Instances) -> Array:
    """(B, N, D) km from each neighbour straight to the target; infinite where nothing is known."""
    points, labels = _points(instances), instances.labels
    rows = np.arange(len(points))
    km = _km(points, points[rows, labels["target"], None])
    known = labels["places"][rows, labels["target"]] >= 0
    away = _onward(instances, km)
    there = (instances.fields["neighbours"] >= 0) & known[:, None, None]
    return np.where(there, away, np.inf)


def _onward(instances: Instances, values: Array) -> Array:
    """(B, N, D, ...) the values (B, N, ...) of each neighbour; any value for padding."""
    neighbours = np.maximum(instances.fields["neighbours"], 0)
    onward: Array = values[np.arange(len(values))[:, None, None], neighbours]
    return onward


def _points(instances: Instances) -> Array:
    """(B, N, 3) unit vectors of the nodes; some point or other where the place is not known."""
    _, points = mainland_table()
    nodes: Array = points[np.maximum(instances.labels["places"], 0)]
    return nodes


def _km(first: Array, second: Array) -> Array:
    """(...) great-circle distances between unit vectors (..., 3)."""
    return km_of_chord(np.linalg.norm(first - second, axis=-1))
