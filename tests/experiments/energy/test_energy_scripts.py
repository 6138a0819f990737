"""The numbers of experiments/energy, on cases that are known."""

import json

import numpy as np
import pytest
import torch

from ttc_agents.models.base import to_batch
from ttc_envs import make_task


def test_the_area_under_the_curve_is_the_chance_that_the_right_one_is_lower(scripts):
    auc, values = scripts.measure.auc, np.array([0.1, 0.4, 0.3, 0.4])
    assert auc(values, np.array([True, True, False, False])) == pytest.approx(0.625)
    assert auc(values, np.array([True, False, False, False])) == 1.0
    assert auc(values, np.ones(4, dtype=bool)) is None


def test_instances_without_a_difference_have_no_rank(scripts):
    violated = np.array([[0, 1, 2, 3], [0, 2, 1, 3], [1, 1, 1, 1]])
    energies = np.array([[0.0, 1.0, 2.0, 3.0]] * 3)
    assert scripts.measure.rank_correlation(energies, violated) == pytest.approx((1 + 0.8) / 2)


def test_the_least_trusted_come_first(scripts):
    signal = np.array([0.9, 0.1, 0.2, 0.8, 0.5])
    solved = np.array([True, False, False, True, True])
    assert scripts.pictures.reliability(signal, solved).tolist() == [0, 0, 1, 1, 1]


# Memory


def test_memory_of_an_update_does_not_grow_with_its_steps_where_they_are_taken_apart(scripts):
    from ttc_agents.training.recipes import find_recipe

    recipe = find_recipe("sudoku4-energy").replaced(batch_size=4)

    def ratio(every):
        sizes = [
            scripts.memory.peak_of(recipe.replaced(segment_steps=n, backward_every=every))
            for n in (3, 9)
        ]
        return sizes[1] / sizes[0]

    assert ratio(1) < 1.05
    assert ratio(None) > 1.5


# Paths past a region

MAP = {
    # 0 - 1 - 2 is short, 0 - 3 - 4 - 2 is a detour; from 1 on the way is free.
    "neighbours": [[1, 3], [0, 2], [1, 4], [0, 4], [3, 2]],
    "distances": [[0.1, 0.3], [0.1, 0.1], [0.1, 0.3], [0.3, 0.3], [0.3, 0.3]],
    "source": [1, 0, 0, 0, 0],
    "target": [0, 0, 1, 0, 0],
}
SHORT, ROUND, BACK = [0, 1, 0, 1, 1], [1, 1, 0, 1, 1], [1, 1, 0, 0, 1]


@pytest.fixture
def forbidden(scripts):
    """The map, of which the only place between is forbidden, with its detour."""
    task = make_task("ttc/ShortestPath-v0", places=5)
    fields = {name: np.array(values) for name, values in MAP.items()}
    for name, empty in (("neighbours", -1), ("distances", 0.0)):
        slots = np.full((5, 8), empty, dtype=fields[name].dtype)
        slots[:, :2] = fields[name]
        fields[name] = slots
    dtypes = {name: field.dtype for name, field in task.spec.fields.items()}
    given = {name: values[None].astype(dtypes[name]) for name, values in fields.items()}
    return scripts.region.forbidding(task.from_fields(given))


def one_hot(answer):
    return torch.nn.functional.one_hot(torch.tensor([answer]), 8).float()


def test_a_detour_is_the_shortest_path_without_the_region(scripts, forbidden):
    instances, optima = forbidden
    assert instances.fields["forbidden"].tolist() == [[0, 1, 0, 0, 0]]
    assert optima == pytest.approx([0.9])
    shares = {
        name: [
            found["solved"]
            for found in scripts.region.paths(instances, np.array([answer]), optima).values()
        ]
        for name, answer in (("short", SHORT), ("round", ROUND), ("back", BACK))
    }
    assert shares == {"short": [1, 0, 0], "round": [1, 1, 1], "back": [0, 0, 0]}


def test_terms_count_hops_walks_and_arrivals(scripts, forbidden):
    batch = to_batch(forbidden[0].fields)
    counts = {
        name: [float(term(batch, one_hot(answer))) for answer in (SHORT, ROUND, BACK)]
        for name, term in scripts.region.TERMS.items()
    }
    # The target's own hop leads to place 1: it is no hop of a path.
    assert counts["walks"] == [1, 0, 0]
    assert counts["arrivals"] == [1, 0, 2]
    assert counts["hops"] == [2, 1, 1]
    halves = (one_hot(SHORT) + one_hot(ROUND)) / 2
    assert float(scripts.region.walks(batch, halves)) == pytest.approx(0.5)


# Trainings


def run(script, monkeypatch, capsys, *words):
    monkeypatch.setattr("sys.argv", ["script.py", *map(str, words)])
    code = script.main()
    return code, capsys.readouterr().out.splitlines()


def test_a_long_training_goes_on_where_it_was_and_is_measured(
    scripts, interrupted, monkeypatch, capsys, tmp_path
):
    nine = scripts.nine
    small = nine.CELLS["easy"].replaced(env_id="ttc/Sudoku4-v0", level="minimal", batch_size=4)
    monkeypatch.setitem(nine.CELLS, "easy", small)
    monkeypatch.setattr(nine, "LEVELS", ("minimal", "givens=6"))
    monkeypatch.setattr(nine, "STEPS", (1, 2))
    monkeypatch.setattr(nine, "LENGTHS", (2, 3))
    words = ("easy", "--count", 3, "--few", 2, "--runs", tmp_path, "--out", tmp_path)

    with interrupted():
        code, lines = run(nine, monkeypatch, capsys, *words, "--seconds", 0.2)
    assert code == nine.INTERRUPTED
    assert "the same command goes on" in lines[-1]
    assert not list(tmp_path.glob("*.json"))
    code, lines = run(nine, monkeypatch, capsys, *words, "--seconds", 0.2)
    document = json.loads(lines[-1])
    assert code == 0
    assert json.loads((tmp_path / "nine-easy-0.json").read_text()) == document
    assert document["spent"]["updates"] > 0
    assert document["rows"]["p1"]["minimal"]["2"]["n"] == 3
    assert document["flops"]["2"] > document["flops"]["1"]
    assert document["ways"]["annealed"]["minimal"]["3"]["n"] == 2
    again = json.loads(run(nine, monkeypatch, capsys, *words, "--seconds", 0.2)[1][-1])
    assert again["spent"] == document["spent"]


def test_an_energy_and_its_unrolled_body_have_one_body(scripts):
    inner = scripts.nine.CELLS["minimal"].model_options["inner"]
    unrolled = scripts.nine.CELLS["unrolled"]
    assert (inner["model"], inner["options"]) == (unrolled.model, unrolled.model_options)
    assert scripts.nine.CELLS["minimal"].level == unrolled.level


def test_objectives_are_compared_by_one_recipe(scripts, monkeypatch, capsys, tmp_path):
    words = ("--seconds", 0.1, "--seeds", 1, "--count", 4, "--out", tmp_path / "found.json")
    monkeypatch.setattr(scripts.by_objective, "STEPS", [1, 2])
    run(scripts.by_objective, monkeypatch, capsys, *words)
    rows = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert set(rows) == set(scripts.by_objective.CELLS)
    for (row,) in rows.values():
        assert row["solved"]["2"]["n"] == 4
