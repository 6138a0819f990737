"""Lengths, what trainings cost, and the rate that follows."""

from dataclasses import asdict

import pytest

from ttc_agents.training.schedule import LOWEST_RATE, NOTHING, Length, Meter, Spent, rate


class Clock:
    """A clock that is moved by hand."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def work(self, seconds):
        """Something that takes so many seconds, and says so."""

        def done():
            self.now += seconds
            return seconds

        return done


@pytest.fixture
def clock():
    return Clock()


def test_shares_and_parts_of_each_unit():
    assert Length(seconds=10).share(Spent(seconds=4, flops=1e9)) == pytest.approx(0.4)
    assert Length(flops=1e9).share(Spent(seconds=4, flops=5e8)) == pytest.approx(0.5)
    assert Length(updates=8).share(Spent(seconds=4, updates=2)) == pytest.approx(0.25)
    assert Length(seconds=10).share(Spent(seconds=40)) == 1
    assert Length(seconds=10).part(0.25) == Length(seconds=2.5)
    assert Length(flops=8).part(0.25) == Length(flops=2)
    assert [Length(**{unit: 3}).unit for unit in ("seconds", "updates", "flops")] == [
        "seconds",
        "updates",
        "flops",
    ]


@pytest.mark.parametrize(
    "numbers",
    [
        {},
        {"seconds": 1, "flops": 1},
        {"seconds": 1, "updates": 1},
        {"seconds": 0},
        {"updates": 0},
        {"flops": -1},
        {"seconds": float("nan")},
    ],
)
def test_a_length_that_is_not_one_positive_number_is_refused(numbers):
    with pytest.raises(ValueError, match="got"):
        Length(**numbers)


def test_costs_add_up():
    both = Spent(1.0, 2, 3, 4.0) + Spent(10.0, 20, 30, 40.0)
    assert both == Spent(11.0, 22, 33, 44.0)
    assert Spent(**asdict(both)) == both
    assert Spent() == NOTHING


def test_a_meter_counts_from_what_was_spent_before(clock):
    meter = Meter(Spent(3.0, 5, 7, 1000.0), clock)
    assert meter.counted(clock.work(2.0)) == 2.0
    assert meter.measured(Spent(updates=6, env_steps=9)) == Spent(5.0, 6, 9, 1000.0)


def test_uncounted_time_does_not_count(clock):
    meter = Meter(clock=clock)
    meter.counted(clock.work(1.0))
    assert meter.uncounted(clock.work(50.0)) == 50.0
    meter.counted(clock.work(0.5))
    assert meter.measured(NOTHING).seconds == 1.5


def test_operations_are_counted_where_wanted(clock):
    import torch

    def product():
        return torch.ones(3, 4) @ torch.ones(4, 5)

    meter = Meter(Spent(flops=1.0), clock, count_flops=True)
    for _ in range(3):
        meter.counted(product)
    assert meter.measured(NOTHING).flops == 1 + 3 * 2 * 3 * 4 * 5
    assert Meter(clock=clock).measured(NOTHING).flops == 0


def test_the_rate_warms_up_stays_and_falls():
    assert [rate(k, 0.0, 4, 0.5) for k in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert rate(0, 0.0, 0, 0.5) == 1
    late = [rate(100, done, 4, 0.5) for done in (0.5, 0.75, 1.0)]
    assert late == pytest.approx([1.0, (1 + LOWEST_RATE) / 2, LOWEST_RATE])
    assert rate(0, 0.75, 4, 0.5) == pytest.approx(0.25 * late[1])
