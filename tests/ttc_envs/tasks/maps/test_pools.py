"""Pools of maps: how many are made at once does not matter, and large ones can be made."""

import numpy as np
import pytest

from ttc_envs import NextHopTask
from ttc_envs.tasks.maps import pools


def test_a_pool_does_not_depend_on_how_many_maps_are_made_at_once(monkeypatch):
    make = pools.map_pool.__wrapped__
    monkeypatch.setattr(pools, "pool_size", lambda places: 20)
    found = []
    for block in (64, 7):
        monkeypatch.setattr(pools, "BLOCK", block)
        found.append(make("spread", 24, 24, 8, "train"))
    for name in ("rows", "neighbours", "distances", "targets", "distance", "answer"):
        assert np.array_equal(getattr(found[0], name), getattr(found[1], name)), name


def test_the_distances_of_a_block_take_as_much_memory_for_larger_maps():
    assert [pools.block_size(places) for places in (2, 64, 256, 512, 2048)] == [64, 64, 64, 16, 1]


def test_larger_maps_may_have_more_neighbours():
    sizes = (2, 64, 65, 512, 513, 1024, 1025, 2048)
    assert [pools.most_neighbours("spread", n) for n in sizes] == [8, 8, 12, 12, 20, 20, 32, 32]
    assert pools.most_neighbours("dense", 2048) == 64


@pytest.mark.slow
@pytest.mark.parametrize("places", [1024, 2048])
def test_large_maps_can_be_drawn(places):
    task = NextHopTask(places=places, split="validation")
    instances = task.sample(np.arange(2, dtype=np.uint64), f"spread{places}")
    assert task.score(instances, task.solve(instances))["solved"].all()
    used = (instances.fields["neighbours"] >= 0).sum(-1).max()
    assert pools.MOST_NEIGHBOURS[512] < used <= task.degree
