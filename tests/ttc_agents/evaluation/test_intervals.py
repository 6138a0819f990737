import math

import pytest
from scipy.stats import binomtest

from ttc_agents.evaluation.intervals import share, wilson


@pytest.mark.parametrize(("successes", "count"), [(0, 10), (10, 10), (3, 7), (941, 1000), (1, 1)])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_agrees_with_scipy(successes, count, level):
    expected = binomtest(successes, count).proportion_ci(level, method="wilson")
    assert wilson(successes, count, level) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_interval_stays_a_share_and_holds_the_estimate():
    for successes in range(21):
        low, high = wilson(successes, 20)
        assert 0 <= low <= successes / 20 <= high <= 1
        assert high - low > 0


def test_more_trials_narrow_it_as_their_root():
    few, many = wilson(50, 100), wilson(5000, 10000)
    assert (few[1] - few[0]) / (many[1] - many[0]) == pytest.approx(math.sqrt(100), rel=0.03)


@pytest.mark.parametrize(
    ("successes", "count", "level"), [(-1, 5, 0.9), (6, 5, 0.9), (0, 0, 0.9), (1, 2, 0), (1, 2, 1)]
)
def test_impossible_numbers_are_errors(successes, count, level):
    with pytest.raises(ValueError, match="got"):
        wilson(successes, count, level)


def test_an_entry_of_a_table():
    low, high = wilson(3, 4)
    assert share(3, 4) == {"solved": 0.75, "n": 4, "low": low, "high": high}
