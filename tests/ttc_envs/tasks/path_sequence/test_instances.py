import numpy as np
import pytest

from ttc_envs.tasks.maps.fixed_map import SHARES, in_split
from ttc_envs.tasks.path_sequence.task import SequenceTask

KEYS = np.arange(3, 11, dtype=np.uint64)
SLOTS = 20


@pytest.fixture(scope="module")
def task():
    return SequenceTask(cities="spread=40", slots=SLOTS)


def ends(instances):
    return instances.fields["givens"][:, 0].astype(int), instances.fields["target"][:, 0].astype(
        int
    )


def test_levels_tell_the_hops(task):
    keys = np.arange(300, dtype=np.uint64)
    hops = task.map.hops()
    for level, low, high in (("hops=3", 3, 3), ("hops=2..4", 2, 4), ("near", 1, 2)):
        assert task.level_index(level) == (1 if level == "near" else -1)
        sample = task.sample(keys, level)
        assert set(hops[ends(sample)].tolist()) == set(range(low, high + 1))
    assert hops[ends(task.sample(keys, "any"))].max() > 6


def test_more_than_1024_places_draw_pairs_by_trying():
    task = SequenceTask(cities="spread=1100", slots=30, split="test")
    assert task.spec.levels == ("any",)
    sample = task.sample(KEYS, "any")
    again = task.sample(KEYS[2:4], "any")
    assert np.array_equal(sample.fields["givens"][2:4], again.fields["givens"])
    source, target = ends(sample)
    assert in_split(source, target, "test").all()
    assert task.score(sample, sample.labels["answer"])["solved"].all()
    with pytest.raises(ValueError, match="needs at most 1024 places"):
        task.level_index("near")


BAD_LEVELS = ["", "hops", "hops=", "hops=0", "hops=4..3", "hops=1..99", "hops=1..2..3", "easy"]


@pytest.mark.parametrize("level", BAD_LEVELS)
def test_a_bad_level_is_an_error(task, level):
    with pytest.raises(ValueError, match="level must be one of"):
        task.level_index(level)


def test_a_level_without_pairs_is_an_error(task):
    with pytest.raises(ValueError, match="no pair of the split 'train'"):
        task.level_index("hops=19")


def test_splits_share_no_pair_in_either_direction():
    keys = np.arange(500, dtype=np.uint64)
    pairs = {}
    for split in SHARES:
        task = SequenceTask(cities="spread=40", slots=SLOTS, split=split)
        source, target = ends(task.sample(keys, "any"))
        pairs[split] = {frozenset(pair) for pair in zip(source, target, strict=True)}
    assert not pairs["train"] & (pairs["validation"] | pairs["test"])
    assert not pairs["validation"] & pairs["test"]
