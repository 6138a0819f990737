import numpy as np
import pytest

from ttc_envs.tasks.maps.graph import city_graph, select_cities
from ttc_envs.tasks.maps.shards import PathSettings, plan_of, shard_paths


def test_the_plan_covers_the_count():
    for count, places in ((1, 2), (870, 30), (5_000_000, 21321), (10**8, 21321)):
        plan = plan_of(count, places)
        assert plan.per_target <= places - 1
        assert plan.num_targets <= places
        assert (plan.num_targets - 1) * plan.per_target < count
        assert count <= plan.num_targets * plan.per_target


def test_a_shard_is_the_same_in_any_process():
    graph = city_graph(select_cities("spread=30"))
    settings = PathSettings("spread=30", None, 300, 4)
    first, again = (shard_paths(graph, settings, 0) for _ in range(2))
    assert np.array_equal(first.tokens, again.tokens)
    assert first.tokens.dtype == np.uint16


def test_a_map_without_paths_is_refused():
    with pytest.raises(ValueError, match="paths need two connected places at least, the map has 1"):
        plan_of(1, 1)
