"""Verdicts on rows whose shares are made up."""

import json
from dataclasses import asdict

import pytest

from ttc_agents.comparison.verdict import frontier, verdict


def row(name, by_step, cost, n=1000):
    """Runs of a row from {step: shares of the seeds}; each step costs so many FLOPs."""
    seeds = range(len(next(iter(by_step.values()))))
    return [
        {
            "row": name,
            "seed": seed,
            "distinct": n,
            "holds": {
                str(step): {"solved": shares[seed], "n": n} for step, shares in by_step.items()
            },
            "test_flops": {str(step): step * cost for step in by_step},
        }
        for seed in seeds
    ]


LARGER = row("larger", {1: (0.50, 0.52, 0.51)}, 100.0)


def test_a_crossing_is_found_at_its_first_step():
    rising = row("rising", {1: (0.2, 0.2, 0.22), 4: (0.7, 0.72, 0.71), 8: (0.9, 0.9, 0.91)}, 10.0)
    found = verdict(rising, LARGER)
    assert (found.crosses, found.step, found.flops) == (True, 4, 40.0)
    assert found.difference == pytest.approx(0.2)
    assert 0 < found.low < 0.2 < found.high
    assert "rising crosses larger at step 4, 71.0% against 51.0% (40 and 1e+02" in found.words
    assert json.loads(json.dumps(asdict(found)))["crosses"] is True


def test_what_stays_below_does_not_cross():
    flat = row("flat", {1: (0.1, 0.12, 0.11), 8: (0.2, 0.2, 0.21)}, 10.0)
    found = verdict(flat, LARGER)
    assert (found.crosses, found.step) == (False, 8)
    assert found.high < 0
    assert "does not cross" in found.words


@pytest.mark.parametrize("shares", [(0.51, 0.53, 0.52), (0.2, 0.9, 0.6)])
def test_what_chance_explains_is_not_told_apart(shares):
    found = verdict(row("near", {1: shares}, 10.0), LARGER)
    assert found.crosses is None
    assert found.low < 0 < found.high
    assert "not told apart" in found.words


def test_few_instances_widen_the_interval():
    many, few = (
        verdict(row("r", {1: (0.6, 0.6, 0.6)}, 1.0, n), row("l", {1: (0.5, 0.5, 0.5)}, 1.0, n))
        for n in (10_000, 50)
    )
    assert many.crosses is True
    assert few.crosses is None


def test_looking_at_more_steps_widens_the_interval():
    one = verdict(row("r", {1: (0.6, 0.61, 0.6)}, 1.0), LARGER)
    steps = {step: (0.6, 0.61, 0.6) for step in range(1, 9)}
    assert verdict(row("r", steps, 1.0), LARGER).low < one.low


def test_one_seed_gives_no_verdict():
    with pytest.raises(ValueError, match="two seeds of each row at least, got 1 and 3"):
        verdict(row("r", {1: (0.6,)}, 1.0), LARGER)


def test_the_frontier_is_what_nobody_beats_with_less():
    cheap = row("cheap", {1: (0.3, 0.3), 2: (0.2, 0.2), 16: (0.6, 0.6)}, 10.0)
    rows = {"cheap": cheap, "larger": LARGER}
    assert [flops for flops, _ in frontier(rows)] == [10.0, 100.0, 160.0]
    assert [share for _, share in frontier(rows)] == pytest.approx([0.3, 0.51, 0.6])
