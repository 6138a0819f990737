"""Sweeps as lines of text."""

import numpy as np
import pytest

from ttc_agents.evaluation import sweep
from ttc_agents.figures.tables import row_name, rows_of_kind, score_rows, table_lines, text_table
from ttc_envs import NextHopTask


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ("p1", "P1: one trajectory"),
        ("improve", "classical steps"),
        ("bellman_ford", "bellman ford"),
        ("own_policies:zeros", "own_policies:zeros"),
    ],
)
def test_rows_have_names_for_readers(row, name):
    assert row_name(row) == name


def test_protocols_are_told_from_other_rows(document):
    document["rows"]["my policy"] = {}
    assert list(rows_of_kind(document, protocols=True)) == ["p1"]
    others = list(rows_of_kind(document, protocols=False))
    assert others == ["random", "improve", "solve", "my policy"]


def test_lines_go_by_family_with_protocols_first(document):
    rows = document["rows"]
    # Whatever the order in which they were swept, and although one row lacks a family.
    document["rows"] = {"random": rows["random"], "p1": rows["p1"], "solve": rows["solve"]}
    del rows["solve"]["four"]
    lines = list(table_lines(document))
    assert [(line.family, line.name, line.classical) for line in lines] == [
        ("ten <b>", "P1: one trajectory", False),
        ("ten <b>", "random answers", True),
        ("ten <b>", "exact solver", True),
        ("four", "P1: one trajectory", False),
        ("four", "random answers", True),
    ]
    assert lines[3].by_step is rows["p1"]["four"]


def test_scores_are_means_after_the_last_step_shares_in_percent(document):
    shown = [(row, family) for row, family, _ in score_rows(document)]
    assert shown[:2] == [("P1: one trajectory", "ten <b>"), ("random answers", "ten <b>")]
    entry = {"length": {"1": {"mean": 7}, "16": {"mean": None, "n": 0}}}
    entry["bounded"] = {"16": {"mean": 0.25, "n": 8, "low": 0.1, "high": 0.5}}
    entry["ratio"] = {"16": {"mean": 1.23456, "n": 8}}
    ((name, family, values),) = score_rows({**document, "scores": {"p1": {"some": entry}}})
    assert (name, family) == ("P1: one trajectory", "some")
    assert values == {"length": "none", "bounded": "25.0%", "ratio": "1.235"}


def test_the_text_table(document):
    lines = text_table(document).splitlines()
    assert lines[0].split()[-3:] == ["1", "4", "16"]
    assert lines[5].split()[-5:] == ["four", "8", "0.0", "100.0", "100.0"]
    assert len({len(line) for line in lines[:9]}) == 1
    assert lines[9] == ""
    assert lines[10].split() == ["after", "16", "steps", "family", "quality", "accuracy"]
    assert lines[11].split()[-2:] == ["1", "1"]
    assert lines[19] == ""
    assert lines[20].startswith("ten <b>: solved within the steps of 'classical steps' 1 x: ")


def test_the_text_of_paths_has_parts_and_pace(improving):
    paths = NextHopTask(places=16, split="test")
    maps = paths.sample(np.arange(8, dtype=np.uint64), "spread16")
    result = sweep(improving(paths), paths, {"some": maps}, (1, 32), classical=("bellman_ford",))
    solved, scores, parts, pace = text_table(result.to_json()).split("\n\n")
    row = solved.splitlines()[2].split()
    assert row[:4] == ["bellman", "ford", "some", "8"]
    assert row[-1] == "100.0"
    head, model, _ = scores.splitlines()
    assert "within 1 percent" in head
    assert model.count("100.0%") == 5
    assert parts.splitlines()[1].split()[-1] == "100.0"
    assert {len(line) for line in parts.splitlines()} == {len(parts.splitlines()[0])}
    assert pace.startswith("some: solved within the steps of 'bellman ford' 1 x: 100.0%, 1.5 x:")
