"""The stepwise loss against a loop, and what counts as solved."""

import numpy as np
import pytest
import torch

from ttc_agents.models.base import Energies, Trace, to_batch
from ttc_agents.training.loop import run
from ttc_agents.training.objectives import (
    confident,
    contrastive,
    cross_entropy,
    denoising,
    focal,
    sampled_graphs,
    smoothed,
    solved_rows,
    stepwise_cross_entropy,
)
from ttc_agents.training.objectives.energies import changed, corrupted
from ttc_agents.training.objectives.metrics import energy_metrics
from ttc_agents.training.recipes import find_recipe
from ttc_agents.training.update import Training
from ttc_envs import make_task

ONE = torch.ones(())


def test_stepwise_cross_entropy_weighs_instances_alike():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 2, 4, 5, generator=generator)
    labels = torch.randint(5, (2, 4), generator=generator)
    free = torch.tensor([[True, False, False, True], [True, True, True, False]])
    expected = 0.0
    for step in range(3):
        for row in range(2):
            scores = logits[step, row].log_softmax(-1)
            losses = [-scores[n, labels[row, n]] for n in range(4) if free[row, n]]
            expected += sum(losses) / len(losses) / 6
    torch.testing.assert_close(stepwise_cross_entropy(logits, {"answer": labels}, free), expected)
    everywhere = torch.ones(2, 4, dtype=torch.bool)
    whole = stepwise_cross_entropy(logits, {"answer": labels})
    torch.testing.assert_close(
        whole, stepwise_cross_entropy(logits, {"answer": labels}, everywhere)
    )
    own = {"answer": labels.expand(3, 2, 4).clone()}
    torch.testing.assert_close(stepwise_cross_entropy(logits, own), whole)
    own["answer"][:, ~free] = -1
    torch.testing.assert_close(stepwise_cross_entropy(logits, own), expected)


# Beside cross-entropy


def a_trace(seed=0):
    """A trace of two steps, with labels: one instance of three nodes, the last not free."""
    logits = torch.randn(2, 1, 3, 4, generator=torch.Generator().manual_seed(seed))
    labels = {"answer": torch.tensor([[1, 0, 3]])}
    free = torch.tensor([[True, True, False]])
    return Trace(logits.requires_grad_(), logits, None), labels, free


def chances(trace, labels):
    """(2, 2), the probabilities of the right choices of the free nodes by step."""
    p = trace.logits.detach().softmax(-1)
    return torch.stack([p[:, 0, n, labels["answer"][0, n]] for n in (0, 1)], 1)


def test_focal_loss_counts_less_what_is_likely_already():
    trace, labels, free = a_trace()
    p = chances(trace, labels)
    torch.testing.assert_close(focal(trace, labels, free), (-((1 - p) ** 2) * p.log()).mean())


def test_a_smoothed_target_spreads_a_twentieth_over_what_is_there():
    trace, labels, free = a_trace()
    logits = torch.cat([trace.logits, torch.full((2, 1, 3, 1), -1e4)], -1)
    scores = trace.logits.detach().log_softmax(-1)[:, 0, :2]
    spread = -scores.mean(-1)
    expected = (0.95 * -chances(trace, labels).log() + 0.05 * spread).mean()
    found = smoothed(Trace(logits, logits, None), labels, free)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("right", [True, False])
def test_confidence_has_to_say_whether_an_answer_is_right(right):
    trace, labels, free = a_trace()
    chosen = trace.logits[-1].argmax(-1)
    labels["answer"] = chosen if right else (chosen + 1) % 4
    sure = trace.logits[-1].detach().softmax(-1).amax(-1)[0, :2].min()
    expected = cross_entropy(trace, labels, free) + 0.1 * (sure - float(right)) ** 2
    found = confident(trace, labels, free)
    torch.testing.assert_close(found, expected)
    found.backward()
    assert trace.logits.grad.isfinite().all()


@pytest.mark.parametrize("objective", [focal, smoothed, confident])
def test_several_right_choices_and_a_penalty_count_here_too(objective):
    logits = torch.randn(2, 1, 3, 4, generator=torch.Generator().manual_seed(1))
    right = torch.tensor([[[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]], dtype=torch.bool)
    labels = {"answer": torch.zeros(1, 3).long(), "right": right}
    bare = objective(Trace(logits, logits, None), labels)
    moved = logits.clone()
    moved[..., 1, :] += torch.tensor([3.0, -1, 0, 0])  # no choice of this node is right
    torch.testing.assert_close(objective(Trace(moved, moved, None), labels), bare)
    torch.testing.assert_close(objective(Trace(logits, logits, ONE), labels), bare + 1)


def test_probabilities_of_several_right_choices_add_up():
    logits = torch.randn(2, 1, 3, 4, generator=torch.Generator().manual_seed(1))
    right = torch.tensor([[[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]], dtype=torch.bool)
    labels = {"answer": torch.zeros(1, 3).long(), "right": right}
    p = logits.softmax(-1)
    expected = -((p[:, 0, 0, 0] + p[:, 0, 0, 1]).log() + p[:, 0, 2, 3].log()).mean() / 2
    logits.requires_grad_()
    loss = stepwise_cross_entropy(logits, labels)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad[:, :, 1] == 0).all()
    chosen = torch.nn.functional.one_hot(torch.tensor([[1, 2, 3]]), 4).float()
    assert solved_rows(chosen, labels).tolist() == [True]
    assert solved_rows(chosen.roll(1, dims=1), labels).tolist() == [False]


def test_a_row_without_free_nodes_costs_nothing():
    logits = torch.randn(1, 1, 2, 3, generator=torch.Generator().manual_seed(0))
    loss = stepwise_cross_entropy(
        logits, {"answer": torch.zeros(1, 2).long()}, torch.zeros(1, 2).bool()
    )
    assert loss == 0


def test_solved_rows():
    logits = torch.zeros(3, 2, 2)
    logits[:, :, 1] = 1
    logits[2, 0, 0] = float("nan")
    labels = torch.tensor([[1, 1], [1, 0], [1, 1]])
    assert solved_rows(logits, {"answer": labels}).tolist() == [True, False, False]


def test_nodes_that_are_not_free_need_not_be_right():
    logits = torch.zeros(3, 2, 2)
    logits[:, :, 1] = 1
    logits[2, 0, 0] = float("nan")
    labels = {"answer": torch.tensor([[0, 1], [1, 0], [1, 1]])}
    free = torch.tensor([[False, True], [True, True], [False, True]])
    assert solved_rows(logits, labels).tolist() == [False, False, False]
    assert solved_rows(logits, labels, free).tolist() == [True, False, False]
    steps = {"answer": torch.stack([1 - labels["answer"], labels["answer"]])}
    assert solved_rows(logits, steps, free).tolist() == [True, False, False]
    undecided = {"answer": torch.tensor([[-1, 1]] * 3)}
    assert solved_rows(logits, undecided).tolist() == [True, True, False]


def test_the_penalty_of_a_trace_joins_the_loss():
    logits = torch.randn(1, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    labels = {"answer": torch.zeros(2, 3).long()}
    plain, dear = (cross_entropy(Trace(logits, logits[0], p), labels) for p in (None, 2 * ONE))
    torch.testing.assert_close(dear, plain + 2)
    with pytest.raises(ValueError, match="trains models that draw graphs"):
        sampled_graphs(Trace(logits, logits[0]), labels)


LABEL = torch.tensor([[0, 1, 2, 0, 1, 2], [2, 2, 1, 1, 0, 0]])


def landscape(sign, offset=0.0):
    """Energies by the distance to the label, and a step of descent that goes all the way.

    Those of the second instance have an offset.
    """
    target = 9.0 * torch.nn.functional.one_hot(LABEL, 3).float()

    def of(logits):
        distance = (logits.argmax(-1) != LABEL).float().mean(1)
        return sign * distance + offset * torch.arange(2)

    return Energies(torch.zeros(1, 2), of, lambda logits: sign * target + 0 * logits)


def traced(sign, answer, offset=0.0):
    logits = 9.0 * torch.nn.functional.one_hot(answer, 3).float()[None]
    return Trace(logits, logits[0], energies=landscape(sign, offset))


def contrast(trace):
    torch.manual_seed(0)
    labels = {"answer": LABEL}
    return contrastive(trace, labels) - cross_entropy(trace, labels)


def test_denoising_asks_a_step_to_lead_back_to_the_label():
    torch.manual_seed(0)
    anywhere = LABEL.roll(1, 1)
    good, bad = (denoising(traced(sign, anywhere), {"answer": LABEL}) for sign in (1, -1))
    assert good < 1e-3 < 1 < bad
    with pytest.raises(ValueError, match="have an energy"):
        denoising(Trace(torch.zeros(1, 2, 6, 3), torch.zeros(2)), {"answer": LABEL})


def test_denoising_trains_a_gradient_that_points_to_the_label():
    """After 60 updates on 4x4, at points between noise and the labels of other puzzles."""
    recipe = find_recipe("sudoku4-energy").replaced(
        objective="denoising", segment_steps=1, updates=60
    )
    task = make_task(recipe.env_id)
    training = Training(recipe, task, say=lambda line: None)
    others = make_task(recipe.env_id, split="validation")
    instances = others.sample(np.arange(50, dtype=np.uint64), "minimal")
    label = torch.from_numpy(instances.labels["answer"]).long()
    torch.manual_seed(0)
    noisy = corrupted(label, 4, torch.full((50,), 0.7))

    def pointing():
        """Share of open nodes at which the energy falls fastest towards the label."""
        model = training.averaged_model()
        context = model.encode(to_batch(instances.fields))
        slope, _ = model.slope(context, noisy, False)
        several = context["free"] & (context["possible"].sum(-1) > 1)
        return float((slope.argmin(-1) == label)[several].float().mean())

    before = pointing()
    run(training, recipe.length)
    assert before < 0.3
    assert pointing() > 0.8


def test_contrast_puts_labels_below_corrupted_and_mined_answers():
    good, bad = contrast(traced(1, LABEL)), contrast(traced(-1, LABEL))
    assert 0 < good < bad
    # A wrong answer that the descent has found counts besides.
    wrong = LABEL.roll(1, 1)
    assert contrast(traced(1, wrong)) < good
    assert contrast(traced(-1, wrong)) > bad


def test_contrast_compares_the_energies_of_different_instances():
    level, apart = (contrast(traced(1, LABEL.roll(1, 1), offset)) for offset in (0.0, 5.0))
    assert level < apart


def test_answers_are_corrupted_from_nothing_to_everything():
    torch.manual_seed(0)
    clean, noise = corrupted(LABEL, 3, torch.tensor([0.0, 1.0]))
    assert (clean.argmax(-1) == LABEL[0]).all()
    assert noise.abs().max() < 5
    few, many = (
        changed(LABEL.repeat(50, 1), 3, torch.zeros(100)),
        changed(LABEL.repeat(50, 1), 3, torch.ones(100)),
    )
    assert ((few != LABEL.repeat(50, 1)).sum(1) <= 1).all()
    assert 0.5 < (many != LABEL.repeat(50, 1)).float().mean() < 0.8


def test_a_training_says_what_its_energy_is_and_how_often_it_falls():
    before = torch.tensor([[3.0, 1.0], [2.0, 2.0], [1.0, 1.0]])
    energies = Energies(before, lambda u: u, lambda u: u)
    found = energy_metrics(Trace(torch.zeros(3, 2, 1, 1), torch.zeros(2), energies=energies))
    assert found == {"energy": 1.0, "falls": 0.75}
    one = Energies(before[:1], lambda u: u, lambda u: u)
    assert energy_metrics(Trace(torch.zeros(1), torch.zeros(2), energies=one)) == {"energy": 2.0}
    assert energy_metrics(Trace(torch.zeros(1), torch.zeros(2))) == {}
