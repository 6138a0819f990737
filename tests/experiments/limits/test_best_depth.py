"""The script of experiments/limits, on sweeps whose best depths are known."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from ttc_agents.evaluation import joined, sweep_classical
from ttc_envs import NextHopTask, SortingTask

SCRIPT = Path(__file__).parents[3] / "experiments" / "limits" / "best_depth.py"
STEPS = tuple(range(1, 33))


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("best_depth", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def swept(task, level, family, row):
    instances = task.sample(np.arange(20, dtype=np.uint64), level)
    return sweep_classical(task, {family: instances}, STEPS, classical=(row,))


def test_the_best_depth_is_the_first_within_a_point_of_the_best(script):
    depth = script.depth_of(8, 100, (1, 2, 4, 8), (0.1, 0.895, 0.9, 0.7))
    assert depth == (8, 100, 0.9, 2, 0.7)


def test_growth_is_the_exponent_of_a_power(script):
    depths = [script.Depth(n, 1, 1.0, 3 * n**2, 1.0) for n in (2, 5, 9)]
    assert script.growth(depths) == pytest.approx(2)
    assert script.growth(depths[:2]) is None
    assert script.growth([*depths[:2], depths[2]._replace(best=0.4)]) is None


def test_bitonic_rounds_by_the_length_of_lists(script, tmp_path):
    sizes = (4, 8, 16)
    parts = [swept(SortingTask(n), "reversed", f"size={n}", "bitonic") for n in sizes]
    path = tmp_path / "lists.json"
    path.write_text(json.dumps(joined(parts).to_json()))
    lines, found = script.report(path)
    depths = found["bitonic, by size"]["depths"]
    # k (k + 1) / 2 rounds at most; a list in reverse needs each first round of a merge alone.
    assert [d["size"] for d in depths] == list(sizes)
    assert [d["best"] for d in depths] == [1, 1, 1]
    assert all(d["step"] <= limit for d, limit in zip(depths, (3, 6, 10), strict=True))
    assert lines[0] == "## lists"


def test_bellman_ford_takes_as_many_steps_as_hops(script, tmp_path):
    path = tmp_path / "maps.json"
    result = swept(NextHopTask(20, split="test"), "spread20", "places=20", "bellman_ford")
    path.write_text(json.dumps(result.to_json()))
    _, found = script.report(path)
    for depth in found["bellman_ford, places=20"]["depths"]:
        assert depth["best"] == 1
        assert depth["step"] == pytest.approx(depth["size"], abs=1)


def test_it_is_a_command(script, capsys, tmp_path):
    path = tmp_path / "maps.json"
    path.write_text(json.dumps(swept(SortingTask(4), "uniform", "size=4", "bitonic").to_json()))
    script.main([str(path)])
    *_, last = capsys.readouterr().out.splitlines()
    assert list(json.loads(last)) == ["maps"]
    with pytest.raises(SystemExit):
        script.main([])
    assert "the following arguments are required: sweeps" in capsys.readouterr().err
