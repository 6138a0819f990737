import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttc_envs.tasks.next_hop.walks import walk, walk_all

# 0 - 1 - 2 in a row and 3 alone; slots: the smaller neighbour first.
NEIGHBOURS = np.array([[[1, -1], [0, 2], [1, -1], [-1, -1]]])
DISTANCES = np.array([[[2.0, 0], [2.0, 3.0], [3.0, 0], [0, 0]]], dtype=np.float32)

CASES = [
    # hops, source, target: jumps, illegal, ends, length
    ([0, 1, 0, 0], 0, 2, (2, 0, True, 5.0)),
    ([0, 1, 0, 0], 2, 2, (0, 0, True, 0.0)),
    ([0, 0, 0, 0], 0, 2, (2, 0, False, 0.0)),
    ([1, 1, 0, 0], 0, 2, (1, 1, False, 0.0)),
    ([0, -1, 0, 0], 0, 2, (2, 1, False, 0.0)),
    ([-1, -1, -1, -1], 0, 1, (1, 1, False, 0.0)),
    ([0, 1, 0, 0], 3, 2, (1, 1, False, 0.0)),
]


@pytest.mark.parametrize(("hops", "source", "target", "expected"), CASES)
def test_a_walk_ends_as_it_should(hops, source, target, expected):
    ends = np.array([source]), np.array([target])
    hops = np.array([hops], dtype=np.int8)
    found = walk(NEIGHBOURS, DISTANCES, hops, *ends)
    assert (found.jumps[0], found.illegal[0], found.ends[0], found.length[0]) == expected
    length = walk_all(NEIGHBOURS, DISTANCES, hops, ends[1])
    assert length[0, source] == (expected[3] if expected[2] else np.inf)


def plain_walk(neighbours, distances, hops, source, target):
    """The definition, one place at a time."""
    place, length, seen = source, 0.0, set()
    while place != target:
        if place in seen or hops[place] < 0 or neighbours[place, hops[place]] < 0:
            return np.inf
        seen.add(place)
        length += float(distances[place, hops[place]])
        place = neighbours[place, hops[place]]
    return length


@given(seed=st.integers(0, 2**32), nodes=st.integers(1, 12), slots=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_both_ways_of_walking_agree_with_the_definition(seed, nodes, slots):
    rng = np.random.default_rng(seed)
    batch = 4
    shape = (batch, nodes, slots)
    neighbours = rng.integers(-1, nodes, shape).astype(np.int8)
    distances = np.where(neighbours >= 0, rng.random(shape) + 0.1, 0).astype(np.float32)
    hops = rng.integers(-1, slots, (batch, nodes)).astype(np.int8)
    source, target = rng.integers(0, nodes, (2, batch))
    found = walk(neighbours, distances, hops, source, target)
    lengths = walk_all(neighbours, distances, hops, target)
    for row in range(batch):
        for place in range(nodes):
            one = (neighbours[row], distances[row], hops[row], place, target[row])
            expected = plain_walk(*one)
            assert lengths[row, place] == pytest.approx(expected)
            if place == source[row]:
                assert found.ends[row] == (expected < np.inf)
                assert not (found.ends[row] and found.illegal[row])
                if found.ends[row]:
                    assert found.length[row] == pytest.approx(expected)
