import json

import numpy as np
import pytest
import torch

from ttc_agents.evaluation import sweep, sweep_classical
from ttc_agents.evaluation.sweep import CLASSICAL
from ttc_agents.figures.tables import lost_lines, text_table
from ttc_agents.models import FactorGraphNetwork
from ttc_envs import Instances, SudokuTask

STEPS = (1, 4, 8, 12, 16)


@pytest.fixture(scope="module")
def puzzles(task):
    return task.sample(np.arange(30, dtype=np.uint64), "givens=6")


@pytest.fixture(scope="module")
def mixed(task):
    """As many puzzles with 10, 8 and 4 blank cells."""
    parts = [task.sample(np.arange(8, dtype=np.uint64), f"givens={k}") for k in (6, 8, 12)]
    return Instances(
        np.concatenate([p.keys for p in parts]),
        {"givens": np.concatenate([p.fields["givens"] for p in parts])},
        {"answer": np.concatenate([p.labels["answer"] for p in parts])},
    )


def solved(result, protocol="p1", family="all"):
    return {int(s): e["solved"] for s, e in result.to_json()["rows"][protocol][family].items()}


def test_a_puzzle_is_solved_when_its_last_blank_cell_is_filled(task, scripted, mixed):
    result = sweep(scripted(), task, {"all": mixed}, STEPS, classical=())
    assert solved(result) == {1: 0, 4: 1 / 3, 8: 2 / 3, 12: 1, 16: 1}
    (records,) = result.records["p1"]["all"]
    blanks = (mixed.fields["givens"] < 0).sum(axis=1)
    np.testing.assert_array_equal(records.first_solved, blanks)
    np.testing.assert_array_equal(records.settled, blanks)
    np.testing.assert_array_equal(records.answer, mixed.labels["answer"])


def test_a_collapse_after_the_solution_is_seen(task, scripted, mixed):
    result = sweep(scripted(collapse=11), task, {"all": mixed}, STEPS, classical=())
    assert solved(result) == {1: 0, 4: 1 / 3, 8: 2 / 3, 12: 0, 16: 0}
    (records,) = result.records["p1"]["all"]
    assert (records.settled == 12).all()
    assert set(records.first_solved) == {4, 8, 10}


def test_rows_that_are_not_finite_count_as_unsolved_and_are_reported(task, scripted, mixed):
    result = sweep(scripted(broken=11), task, {"all": mixed}, STEPS, classical=())
    lost = mixed.fields["givens"][:, 0] < 0
    assert 0 < lost.sum() < len(lost)
    assert solved(result)[8] == 2 / 3
    assert solved(result)[16] == 1 - lost.mean()
    (records,) = result.records["p1"]["all"]
    np.testing.assert_array_equal(records.nonfinite, np.where(lost, 11, -1))
    assert np.isinf(records.residual[lost, -1]).all()
    assert result.to_json()["nonfinite"]["p1"]["all"] == lost.sum()


def test_what_is_not_finite_is_said_below_the_table(task, scripted, mixed):
    protocols = ("p1", "p2", "p3")
    options = {"protocols": protocols, "num_trajectories": 2, "classical": ()}
    document = sweep(scripted(broken=11), task, {"all": mixed}, STEPS, **options).to_json()
    lost = int((mixed.fields["givens"][:, 0] < 0).sum())
    assert list(lost_lines(document)) == [
        f"P1: one trajectory, on all: {lost} were not finite and count as unsolved",
        f"P2 and P3: several, on all: {2 * lost} were not finite and count as unsolved",
    ]
    assert text_table(document).endswith("\n\n" + "\n".join(lost_lines(document)))
    whole = sweep(scripted(), task, {"all": mixed}, STEPS, **options).to_json()
    assert "not finite" not in text_table(whole)


@pytest.mark.parametrize("scale", [3e38, 1e20])
def test_finite_weights_whose_outputs_overflow_are_said(scale):
    task = SudokuTask(4, "test")
    model = FactorGraphNetwork(task.spec, width=8, message_width=8, hidden_width=8).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(scale)
        model.start.fill_(1.0)  # else the sign of a random state decides whether it overflows
    easy = task.sample(np.arange(3, dtype=np.uint64), "easy")
    protocols = ("p1", "p2-branch")
    document = sweep(model, task, {"easy": easy}, (32,), protocols=protocols).to_json()
    assert document["nonfinite"] == {"p1": {"easy": 3}, "p2-branch": {"easy": 3}}
    assert len(list(lost_lines(document))) == 2


def test_a_state_that_is_not_finite_counts_although_its_logits_are(task, scripted, puzzles):
    model = scripted()
    model.step = lambda context, z: torch.where(z >= 3, torch.inf, z + 1)
    model.readout = lambda context, z: torch.nn.functional.one_hot(context["solution"], 4).float()
    result = sweep(model, task, {"all": puzzles}, (2, 4), classical=())
    assert solved(result) == {2: 1, 4: 0}


def test_the_residual_is_the_relative_change_of_the_state(task, scripted, puzzles):
    result = sweep(scripted(), task, {"all": puzzles}, (1, 2, 8), classical=())
    (records,) = result.records["p1"]["all"]
    expected = np.tile([1, 1 / 2, 1 / 8], (len(puzzles), 1))
    np.testing.assert_allclose(records.residual, expected, rtol=1e-6)


def test_p2_takes_the_smallest_residual_and_p3_asks_the_rules(task, scripted, puzzles):
    # Each trajectory is ahead by 0..4 steps, and beyond step 11 all is lost: the residual prefers
    # the one that is furthest ahead, the rules any that is right.
    result = sweep(
        scripted(collapse=11),
        task,
        {"all": puzzles},
        (5, 6, 8, 11, 12),
        protocols=("p1", "p2", "p3"),
        classical=(),
        num_trajectories=6,
        seed=1,
    )
    records = result.records["trajectories"]["all"]
    ahead = np.stack([10 - r.first_solved for r in records])
    assert set(ahead.ravel()) == {0, 1, 2, 3, 4}
    right = {step: (ahead + step >= 10) & (ahead + step <= 11) for step in result.steps}
    furthest = ahead.argmax(axis=0)
    rows = np.arange(len(puzzles))
    assert solved(result, "p2") == {s: right[s][furthest, rows].mean() for s in result.steps}
    assert solved(result, "p3") == {s: right[s].any(axis=0).mean() for s in result.steps}
    assert solved(result, "p2") != solved(result, "p3")
    assert solved(result) == {5: 0, 6: 0, 8: 0, 11: 1, 12: 0}


def test_random_first_states_come_from_the_seed_alone(task, scripted, puzzles):
    def run(seed):
        result = sweep(
            scripted(), task, {"all": puzzles}, (8,), protocols=("p3",), classical=(),
            num_trajectories=2, seed=seed,
        )  # fmt: skip
        return [r.first_solved.tolist() for r in result.records["trajectories"]["all"]]

    assert run(3) == run(3)
    assert run(3) != run(4)
    first, second = run(3)
    assert first != second


def test_results_do_not_depend_on_batches_or_threads(task, scripted, mixed):
    before = torch.get_num_threads()
    documents = []
    try:
        for batch_size, threads in ((24, 1), (7, 1), (7, 3)):
            torch.set_num_threads(threads)
            result = sweep(
                scripted(), task, {"all": mixed}, STEPS, classical=(), batch_size=batch_size
            )
            assert torch.get_num_threads() == threads
            documents.append({**result.to_json(per_instance=True), "settings": None})
    finally:
        torch.set_num_threads(before)
    assert documents[0] == documents[1] == documents[2]


def test_classical_rows(task, scripted, puzzles):
    result = sweep(scripted(), task, {"a": puzzles, "b": puzzles[:7]}, (1, 16), seed=5)
    rows = result.to_json()["rows"]
    assert tuple(rows) == ("p1", *CLASSICAL)
    assert rows["solve"]["a"]["1"]["solved"] == 1
    assert rows["random"]["a"]["16"]["solved"] < 0.2
    answer = task.initial_answer(puzzles)
    for _ in range(16):
        answer = task.improve(puzzles, answer)
    assert rows["improve"]["a"]["16"]["solved"] == task.score(puzzles, answer)["solved"].mean()
    assert rows["improve"]["a"]["1"]["solved"] < rows["improve"]["a"]["16"]["solved"]
    assert rows["improve"]["b"]["1"]["n"] == 7


def test_the_document_has_the_agreed_shape(task, scripted, puzzles):
    result = sweep(scripted(), task, {"all": puzzles}, (4, 1, 4), classical=("solve",))
    document = json.loads(json.dumps(result.to_json()))
    rows = document["rows"]
    assert list(rows) == ["p1", "solve"]
    assert list(rows["p1"]["all"]) == ["1", "4"]
    for row in rows.values():
        assert set(row["all"]["4"]) == {"solved", "n", "low", "high"}
    assert "records" not in document
    full = json.loads(json.dumps(result.to_json(per_instance=True), allow_nan=False))
    assert len(full["records"]["p1"]["all"][0]["settled"]) == len(puzzles)


def test_steps_are_reported_as_progress(task, scripted, puzzles):
    seen = []
    sweep(
        scripted(), task, {"all": puzzles}, (2,), classical=(), batch_size=10,
        report=lambda label, done: seen.append((label, round(done, 3))),
    )  # fmt: skip
    assert seen == [("all", 0.333), ("all", 0.667), ("all", 1.0)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": ()}, "positive integers"),
        ({"steps": (0, 4)}, "positive integers"),
        ({"protocols": ("p4",)}, "unknown protocol 'p4'"),
        ({"classical": ("guess",)}, "unknown classical row 'guess'"),
        ({"num_trajectories": 0}, "at least 1"),
        ({"batch_size": 0}, "at least 1"),
    ],
)
def test_bad_arguments_are_errors(task, scripted, puzzles, options, message):
    steps = options.pop("steps", (1,))
    with pytest.raises(ValueError, match=message):
        sweep(scripted(), task, {"all": puzzles}, steps, **options)


def test_an_empty_family_and_another_task_are_errors(task, scripted, puzzles):
    with pytest.raises(ValueError, match="'none' holds no instance"):
        sweep(scripted(), task, {"none": puzzles[:0]}, (1,))
    with pytest.raises(ValueError, match="made for sudoku with 4 choices"):
        sweep(scripted(), SudokuTask(6), {"all": puzzles}, (1,))


def test_a_failure_in_a_batch_comes_out(task, scripted, puzzles):
    model = scripted()

    def fail(context, z):
        raise RuntimeError("no such luck")

    model.step = fail
    with pytest.raises(RuntimeError, match="no such luck"):
        sweep(model, task, {"all": puzzles}, (1,), batch_size=5)


def test_classical_rows_without_a_model_are_those_of_a_sweep(task, scripted, puzzles):
    families = {"a": puzzles, "b": puzzles[:7]}
    alone = sweep_classical(task, families, (1, 16), seed=5).to_json()
    beside = sweep(scripted(), task, families, (1, 16), seed=5).to_json()
    assert alone["rows"] == {row: own for row, own in beside["rows"].items() if row != "p1"}
    assert alone["scores"] == {row: s for row, s in beside["scores"].items() if row != "p1"}
    assert alone["pace"]["improve"] == {}
    with pytest.raises(ValueError, match="unknown classical row 'guess'"):
        sweep_classical(task, families, (1,), classical=("guess",))
    with pytest.raises(ValueError, match="'none' holds no instance"):
        sweep_classical(task, {"none": puzzles[:0]}, (1,))
