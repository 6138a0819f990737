"""The refinement loop: models and classical methods step by step."""

import itertools

import numpy as np
import pytest
import torch

from ttc_agents.evaluation.rollout import rollout
from ttc_agents.inference import RefinementPolicy, refine, solved_share
from ttc_agents.inference.answers import Answers
from ttc_agents.inference.refine import acted, classical_methods
from ttc_agents.models import FactorGraphNetwork
from ttc_agents.models.base import RefinementModel, to_batch
from ttc_envs import RefinementVectorEnv, SortingTask, SudokuTask

STEPS = 10


@pytest.fixture(scope="module")
def puzzles(task):
    """Ten blank cells each; the first cell of some is blank."""
    return task.sample(np.arange(20, dtype=np.uint64), "givens=6")


@pytest.fixture(scope="module")
def lists():
    return SortingTask(8)


@pytest.fixture(scope="module")
def reversed_lists(lists):
    return lists.sample(np.arange(3, dtype=np.uint64), "reversed")


# Models


def test_the_steps_of_a_model_are_those_of_its_contract(task, puzzles):
    torch.manual_seed(1)
    model = FactorGraphNetwork(task.spec, width=8, message_width=8, hidden_width=8).eval()
    torch.nn.init.normal_(model.to_logit)
    with torch.no_grad():
        steps = list(refine(model, task, puzzles, 4))
        context = model.encode(to_batch(puzzles.fields))
        z = model.initial_state(context)
        for step in steps:
            before, z = z, model.step(context, z)
            logits = model.readout(context, z)
            assert torch.equal(step.state, z)
            assert torch.equal(step.logits, logits)
            np.testing.assert_array_equal(step.choice, logits.argmax(-1))
            chances = logits.softmax(-1).max(-1).values
            np.testing.assert_allclose(step.confidence, chances, rtol=1e-6)
            change = (z - before).flatten(1).norm(dim=1) / z.flatten(1).norm(dim=1)
            np.testing.assert_allclose(step.residual, change, rtol=1e-5)
            givens = puzzles.fields["givens"]
            np.testing.assert_array_equal(
                step.answer, np.where(givens < 0, logits.argmax(-1), givens)
            )
            assert step.finite.all()
    assert len(steps) == 4


def test_rows_that_are_not_finite_keep_their_last_answer(task, scripted, puzzles):
    lost = puzzles.fields["givens"][:, 0] < 0
    assert 0 < lost.sum() < len(lost)
    whole = list(refine(scripted(), task, puzzles, 6))
    broken = list(refine(scripted(broken=3), task, puzzles, 6))
    for count, (step, other) in enumerate(zip(broken, whole, strict=True), start=1):
        np.testing.assert_array_equal(step.finite, ~lost | (count < 3))
        np.testing.assert_array_equal(step.answer[~lost], other.answer[~lost])
        kept = whole[min(count, 2) - 1].answer
        np.testing.assert_array_equal(step.answer[lost], kept[lost])
    assert (whole[5].answer[lost] != whole[1].answer[lost]).any()


def test_a_generator_draws_the_first_state(task, scripted, puzzles):
    def first(generator=None):
        (step,) = refine(scripted(), task, puzzles, 1, generator=generator)
        return step.state[:, 0].tolist()

    assert set(first()) == {1.0}
    drawn = [first(torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) > 1


def test_a_budget_of_no_steps_is_refused(task, scripted, puzzles):
    with pytest.raises(ValueError, match="num_steps must be at least 1, got 0"):
        list(refine(scripted(), task, puzzles, 0))


class Reader(RefinementModel):
    """Exchanges the choices of neighbours, first in one pairing, then in the other.

    Undecided nodes take a choice by place and step. It keeps what it was shown; rows whose state is
    beyond `broken` have logits that are NaN.
    """

    reads_answer = True

    def __init__(self, spec, broken=np.inf):
        super().__init__(spec)
        self.seen, self.broken = [], broken

    @classmethod
    def supports(cls, spec):
        return None

    def encode(self, batch):
        self.seen.append({name: values.clone() for name, values in batch.items()})
        return batch

    def initial_state(self, context, generator=None):
        return torch.zeros(len(context["answer"]), 1)

    def step(self, context, z):
        return z + 1

    def readout(self, context, z):
        nodes, choices = self.spec.num_nodes, self.spec.num_choices
        place, shift = torch.arange(nodes), int(z[0]) % 2
        other = (((place + shift) ^ 1) - shift).clamp(0, nodes - 1)
        asked = context["answer"][:, other]
        asked = torch.where(asked < 0, (place + z.long()) % choices, asked)
        logits = torch.nn.functional.one_hot(asked, choices).float()
        return torch.where(z[..., None] > self.broken, torch.nan, logits)


READ = pytest.mark.parametrize(
    ("task", "level"),
    [(SudokuTask(4), "minimal"), (SortingTask(size=6, min_size=6, view="adjacent"), "reversed")],
)


@READ
def test_a_model_that_reads_the_answer_sees_the_one_that_has_moved_on(task, level):
    instances, model = task.sample(np.arange(3, dtype=np.uint64), level), Reader(task.spec)
    answers, shown = Answers(task, instances), []
    for step in refine(model, task, instances, STEPS):
        shown.append(answers.shown("cpu"))
        answers.apply(step.choice)
        np.testing.assert_array_equal(step.answer, answers.answer)
    # The answer changes, and the model reads once for each step.
    assert len({str(batch["answer"].tolist()) for batch in shown}) > 1
    assert len(model.seen) == STEPS
    for ours, expected in zip(model.seen, shown, strict=True):
        assert ours.keys() == expected.keys()
        assert all(torch.equal(ours[name], expected[name]) for name in ours)


def test_what_is_not_finite_is_not_shown_to_a_model_that_reads(task, puzzles):
    model = Reader(task.spec, broken=2)
    steps = list(refine(model, task, puzzles, 5))
    for batch in model.seen[3:]:
        np.testing.assert_array_equal(batch["answer"], steps[1].answer)
    assert (model.seen[1]["answer"].numpy() != steps[1].answer).any()


@READ
def test_a_model_that_reads_the_answer_sees_the_same_in_an_environment(task, level):
    instances = task.sample(np.arange(3, dtype=np.uint64), level)
    refined, played = Reader(task.spec), Reader(task.spec)
    list(refine(refined, task, instances, STEPS))
    envs = RefinementVectorEnv(task, 3, terminate_on_solved=False, max_episode_steps=STEPS)
    rollout(RefinementPolicy(played), envs, STEPS, options={"instance": instances})
    assert len(refined.seen) == len(played.seen) == STEPS
    for ours, theirs in zip(refined.seen, played.seen, strict=True):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


# Shares


@pytest.mark.parametrize("training", [True, False])
def test_the_share_is_measured_in_evaluation_mode_and_the_mode_comes_back(
    task, scripted, puzzles, training
):
    model = scripted().train(training)
    step, seen = model.step, []
    model.step = lambda context, z: (
        seen.append((model.training, torch.is_grad_enabled())) or step(context, z)
    )
    assert solved_share(model, task, puzzles, 10) == 1
    assert set(seen) == {(False, False)}
    assert model.training is training
    assert torch.is_grad_enabled()
    model.step = lambda context, z: 1 / 0
    with pytest.raises(ZeroDivisionError):
        solved_share(model, task, puzzles, 1)
    assert model.training is training


def test_rows_that_are_not_finite_are_no_share(task, scripted, puzzles):
    lost = puzzles.fields["givens"][:, 0] < 0
    assert solved_share(scripted(), task, puzzles, 9) == 0
    # Solved at step 10, and their logits are NaN one step later.
    assert solved_share(scripted(broken=11), task, puzzles, 11) == pytest.approx(1 - lost.mean())


def test_a_classical_method_has_a_share_too(lists, reversed_lists):
    methods = classical_methods(lists)
    assert solved_share(methods["solve"], lists, reversed_lists, 1) == 1
    assert solved_share(methods["improve"], lists, reversed_lists, 2) == 0
    assert solved_share(methods["improve"], lists, reversed_lists, 8) == 1


# Classical methods


def test_a_method_gives_steps_as_a_model_does(lists, reversed_lists, improving):
    methods = classical_methods(lists)
    by_method = list(refine(methods["improve"], lists, reversed_lists, STEPS))
    by_model = list(refine(improving(lists), lists, reversed_lists, STEPS))
    answer = lists.initial_answer(reversed_lists)
    for step, other in zip(by_method, by_model, strict=True):
        answer = lists.improve(reversed_lists, answer)
        np.testing.assert_array_equal(step.answer, answer)
        np.testing.assert_array_equal(other.answer, answer)
        assert step.finite.all()
        nothing = step.choice, step.confidence, step.residual, step.logits, step.state
        assert nothing == (None,) * 5


def test_when_a_method_ends_its_last_answer_stands(lists, reversed_lists):
    methods = classical_methods(lists)
    steps = list(refine(methods["solve"], lists, reversed_lists, 3))
    assert len(list(methods["solve"](reversed_lists))) == 1
    for step in steps:
        np.testing.assert_array_equal(step.answer, reversed_lists.labels["answer"])
    nothing = list(refine(lambda instances: iter(()), lists, reversed_lists, 2))
    np.testing.assert_array_equal(nothing[1].answer, lists.initial_answer(reversed_lists))


def test_the_methods_are_the_usual_ones_and_those_of_the_task(task, lists, reversed_lists):
    assert list(classical_methods(task)) == ["random", "improve", "solve"]
    methods = classical_methods(lists)
    assert list(methods) == ["random", "improve", "solve", *lists.baselines()]
    ours = methods["bitonic"](reversed_lists)
    for answer, expected in zip(ours, lists.baselines()["bitonic"](reversed_lists), strict=True):
        np.testing.assert_array_equal(answer, expected)


def test_improve_ends_one_step_after_it_came_to_rest(lists, reversed_lists):
    *earlier, before, last = classical_methods(lists)["improve"](reversed_lists)
    assert len(earlier) >= 6
    np.testing.assert_array_equal(before, last)
    assert (earlier[-1] != last).any()


def test_random_answers_keep_givens_and_differ_by_step_batch_and_seed(task, puzzles):
    def drawn(method):
        return [answer.tolist() for answer in itertools.islice(method(puzzles), 3)]

    method = classical_methods(task, 5)["random"]
    first, second = drawn(method), drawn(method)
    assert first == drawn(classical_methods(task, 5)["random"])
    assert first != drawn(classical_methods(task, 6)["random"])
    # A batch does not repeat the answers of the batch before it.
    assert len({str(answer) for answer in first + second}) == 6
    givens = puzzles.fields["givens"]
    for answer in first:
        assert (np.array(answer)[givens >= 0] == givens[givens >= 0]).all()
        assert set(np.unique(answer)) == {0, 1, 2, 3}


def test_undecided_nodes_take_choice_0_where_an_action_has_to_say_it(task, puzzles):
    improve = classical_methods(task)["improve"]
    gaps = 0
    for answer, said in zip(improve(puzzles), acted(improve, task)(puzzles), strict=False):
        gaps += (answer < 0).sum()
        np.testing.assert_array_equal(said, np.where(answer < 0, 0, answer))
    assert gaps > 0


def test_an_exact_solver_has_to_walk_where_a_step_can_change_little():
    task = SortingTask(size=8, view="adjacent")
    lists = task.sample(np.arange(4, dtype=np.uint64), "reversed")
    solve = classical_methods(task)["solve"]
    at_once = list(refine(solve, task, lists, 8))
    walked = list(refine(acted(solve, task), task, lists, 8))
    assert task.score(lists, at_once[0].answer)["solved"].all()
    assert not task.score(lists, walked[5].answer)["solved"].any()
    assert task.score(lists, walked[-1].answer)["solved"].all()
