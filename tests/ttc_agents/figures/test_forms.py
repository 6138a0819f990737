import json
from pathlib import Path

import pytest

from ttc_agents.figures.charts import Point, chart_table
from ttc_agents.figures.forms import charts, facts, tables

ROOT = Path(__file__).parents[3]
RESULTS = sorted(ROOT.glob("experiments/*/results/**/*.json"))
SHARE = {"solved": 0.25, "n": 8, "low": 0.1, "high": 0.6}


def test_a_sweep_is_a_curve_per_row_and_family():
    document = {
        "steps": [1, 4],
        "rows": {"p1": {"easy": {"1": SHARE, "4": {**SHARE, "solved": 1}}}},
    }
    (chart,) = charts(document)
    assert (chart.title, chart.axis, chart.share) == ("Solved", "steps", True)
    (curve,) = chart.curves
    assert curve.series == "P1: one trajectory, easy"
    assert curve.points == (Point(1, 0.25, 0.1, 0.6, 8), Point(4, 1.0, 0.1, 0.6, 8))
    assert chart.csv().splitlines()[1] == '"P1: one trajectory, easy",1.0,0.25,0.1,0.6,8'
    table = chart_table(chart)
    assert table.head == ("steps", "n", "1", "4")
    assert table.rows[0][:3] == ("P1: one trajectory, easy", "8", "25.0% (10.0% to 60.0%)")


def test_every_metric_of_a_step_is_a_chart():
    steps = {str(s): {"radius": {"median": 0.9, "max": 2.0}, "same": SHARE} for s in (8, 16)}
    found = charts({"stability": {"easy": {"tol": 0.1, "steps": steps}}})
    assert [(c.title, c.share) for c in found] == [
        ("Stability, radius", False),
        ("Stability, radius max", False),
        ("Stability, same", True),
    ]
    assert {curve.series for chart in found for curve in chart.curves} == {"easy"}


def test_scores_are_means_with_intervals():
    mean = {"mean": 3.5, "low": 3.0, "high": 4.0}
    (chart,) = charts({"scores": {"p1": {"easy": {"inversions": {"1": mean, "2": mean}}}}})
    assert chart.title == "Inversions"
    assert not chart.share
    assert chart.curves[0].points[0] == Point(1, 3.5, 3.0, 4.0)


def test_learning_curves_of_several_seeds_share_a_name():
    curve = [{"env_steps": n, "seconds": n / 10, "solved": n / 40} for n in (10, 20, 30)]
    runs = [
        {"row": "PPO", "seed": seed, "curve": curve, "reached": {"1": SHARE}} for seed in (0, 1)
    ]
    (learning,) = charts({"rows": {}, "runs": runs})
    assert learning.axis == "env_steps"
    assert learning.series() == ["PPO"]
    assert len(learning.curves) == 2
    assert chart_table(learning) is None  # two lines have no one row


def test_rows_of_a_curve_have_the_names_of_columns():
    runs = [{"seed": 0, "curve": [[1, 0.5], [2, 0.25]]}]
    (chart,) = charts({"columns": ["update", "loss"], "runs": runs})
    assert (chart.title, chart.axis) == ("Loss", "update")
    assert [point.y for point in chart.curves[0].points] == [0.5, 0.25]


def test_flat_entries_are_tables_and_the_rest_are_facts():
    document = {
        "benchmark": "keys",
        "rows": [{"width": 8, "ms": 1.25}, {"width": 16, "ms": None}],
        "settings": {"seed": 0, "branching": {"steps": 32}},
    }
    (table,) = tables(document)
    assert (table.title, table.head) == ("Rows", ("width", "ms"))
    assert table.rows == (("8", "1.25"), ("16", ""))
    assert dict(facts(document)) == {"benchmark": "keys", "seed": "0", "branching.steps": "32"}


def test_what_is_not_finite_is_no_point():
    (chart,) = charts({"rows": {"1": 1.0, "2": float("nan"), "3": True, "4": 4.0}})
    assert [point.x for point in chart.curves[0].points] == [1.0, 4.0]


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_every_published_result_has_something_to_show(path):
    document = json.loads(path.read_text("utf-8"))
    assert charts(document) or tables(document) or facts(document)
    for chart in charts(document):
        assert chart.curves
        assert chart.csv().count("\n") == 1 + sum(len(curve.points) for curve in chart.curves)
