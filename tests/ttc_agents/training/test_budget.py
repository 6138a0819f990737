"""What a training may cost."""

import time

import pytest

from ttc_agents.training.budget import NOTHING, Budget, Meter, Spent


def test_shares_and_parts_of_both_kinds():
    assert Budget(seconds=10).share(Spent(seconds=4, flops=1e9)) == pytest.approx(0.4)
    assert Budget(flops=1e9).share(Spent(seconds=4, flops=5e8)) == pytest.approx(0.5)
    assert Budget(seconds=10).share(Spent(seconds=40)) == 1
    assert Budget(seconds=10).part(0.25) == Budget(seconds=2.5)
    assert Budget(flops=8).part(0.25) == Budget(flops=2)


@pytest.mark.parametrize("numbers", [{}, {"seconds": 1, "flops": 1}, {"seconds": 0}, {"flops": -1}])
def test_a_budget_without_a_definite_size_is_refused(numbers):
    with pytest.raises(ValueError, match="budget"):
        Budget(**numbers)


def test_reports_come_at_equal_parts_and_never_at_the_end():
    seen = []
    meter = Meter(Budget(flops=80), seen.append, points=4, before=Spent(3.0, 100, 1000))
    shares = [meter.share(count, 10 * count) for count in range(9)]
    assert shares == pytest.approx([count / 8 for count in range(9)])
    assert [spent.flops for spent in seen] == [1020, 1040, 1060]
    assert [spent.env_steps for spent in seen] == [102, 104, 106]
    assert seen[0].seconds >= 3.0
    assert meter.own(8, 80).env_steps == 8


def test_the_time_of_reports_does_not_count():
    def report(spent):
        until = time.process_time() + 0.2
        while time.process_time() < until:
            pass

    meter = Meter(Budget(flops=2), report, points=2)
    meter.share(1, 1)
    assert meter.own(1, 1).seconds < 0.1
    assert Spent() == NOTHING
