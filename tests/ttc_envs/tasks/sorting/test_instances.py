import numpy as np
import pytest

from ttc_envs.tasks.sorting.instances import LEVELS, PADDING, REACH, draw, gap_ticks

KEYS = np.arange(120, dtype=np.uint64)


def lists(level, size=16, min_size=None, gap=0):
    return draw(KEYS, level, size, size if min_size is None else min_size, gap)


@pytest.mark.parametrize("level", LEVELS)
def test_a_list_depends_on_its_own_key_alone(level):
    values, mask = lists(level, min_size=5)
    again, mask_again = draw(KEYS[::-3], level, 16, 5, 0)
    assert np.array_equal(values[::-3], again)
    assert np.array_equal(mask[::-3], mask_again)
    assert len(np.unique(values[:, 0])) > 100


@pytest.mark.parametrize("level", LEVELS)
def test_keys_come_first_and_padding_is_largest(level):
    values, mask = lists(level, min_size=5)
    lengths = mask.sum(axis=1)
    assert set(lengths.tolist()) <= set(range(5, 17))
    assert {5, 16} <= set(lengths.tolist())
    assert (mask == (np.arange(16) < lengths[:, None])).all()
    assert (values[mask == 0] == PADDING).all()
    assert (values[mask == 1] < PADDING).all()
    assert (values >= 0).all()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("min_gap", [0.0, 0.01, 1 / 15.1])
def test_different_keys_keep_their_distance(level, min_gap):
    values, _ = lists(level, gap=gap_ticks(min_gap, 16))
    apart = np.diff(np.sort(values.astype(np.float64), axis=1), axis=1)
    if level == "few_distinct":
        apart = apart[apart > 0]
    assert apart.min() >= min_gap


def test_uniform_lists_are_in_any_order():
    values, _ = lists("uniform", size=3)
    orders = {tuple(row) for row in values.argsort(axis=1).tolist()}
    assert len(orders) == 6


def test_reversed_lists_decrease():
    values, mask = lists("reversed", min_size=5)
    for row, real in zip(values, mask.astype(bool), strict=True):
        assert (np.diff(row[real]) <= 0).all()


def test_nearly_sorted_keys_are_close_to_their_places():
    values, _ = lists("nearly_sorted", size=32)
    places = values.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    away = np.abs(places - np.arange(32))
    assert away.max() == REACH - 1
    assert (away.max(axis=1) > 0).all()


def test_few_distinct_keys_repeat():
    values, mask = lists("few_distinct", min_size=5)
    counts = [len(np.unique(row[real])) for row, real in zip(values, mask == 1, strict=True)]
    assert max(counts) == 4
    assert np.mean(counts) > 2


@pytest.mark.parametrize("gap", [-0.1, float("nan"), 1 / 15, 2, "1", True, None])
def test_impossible_gaps_are_refused(gap):
    with pytest.raises(ValueError, match="min_gap must be"):
        gap_ticks(gap, 16)
