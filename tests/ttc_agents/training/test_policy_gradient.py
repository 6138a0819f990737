"""Training by the verifier alone."""

import numpy as np
import pytest
import torch

from ttc_agents.models import MODELS
from ttc_agents.models.base import to_batch
from ttc_agents.training.loop import Hook, run
from ttc_agents.training.policy_gradient import (
    PolicyGradient,
    VerifierTraining,
    leave_one_out_loss,
)
from ttc_agents.training.schedule import Length, Spent
from ttc_envs import make_task

TASK = make_task("ttc/Sudoku4-v0")
NUMBERS = PolicyGradient(batch_size=8, samples=4, segment_steps=2, episode_steps=4)


def model(seed=0):
    torch.manual_seed(seed)
    return MODELS["factor_graph_network"](TASK.spec, width=16, message_width=16, hidden_width=32)


def test_the_gradient_is_that_of_the_expected_score():
    # Three answers with known scores; many draws of four against the exact gradient.
    torch.manual_seed(0)
    logits = torch.tensor([0.3, -0.2, 0.5], requires_grad=True)
    scores = torch.tensor([1.0, 0.0, 0.4])
    policy = torch.distributions.Categorical(logits=logits)
    (exact,) = torch.autograd.grad(-(policy.probs * scores).sum(), logits)
    policy = torch.distributions.Categorical(logits=logits)
    drawn = policy.sample((200_000, 4))
    loss = leave_one_out_loss(policy.log_prob(drawn), scores[drawn])
    (estimate,) = torch.autograd.grad(loss, logits)
    assert torch.allclose(estimate, exact, atol=3e-3)


def test_equal_scores_teach_nothing():
    log_probs = torch.randn(5, 4, requires_grad=True)
    leave_one_out_loss(log_probs, torch.full((5, 4), 0.7)).backward()
    assert torch.allclose(log_probs.grad, torch.zeros(5, 4), atol=1e-7)


def test_it_solves_puzzles_without_having_seen_a_label():
    trained = model()
    settings = PolicyGradient(batch_size=16, segment_steps=6, episode_steps=12, learning_rate=3e-3)
    training = VerifierTraining(trained, TASK, "easy", settings, seed=0)
    puzzles = TASK.sample(np.arange(200, dtype=np.uint64), "easy")

    def solved():
        with torch.inference_mode():
            *_, (logits, _) = trained.iterate(to_batch(puzzles.fields), 12)
        return TASK.score(puzzles, logits.argmax(-1).numpy())["solved"].mean()

    before = solved()
    for _ in range(40):
        training.update()
    assert solved() > max(0.6, before + 0.3)


def test_the_state_persists_through_an_episode_and_begins_anew_after_it():
    training = VerifierTraining(model(), TASK, "easy", NUMBERS, seed=0)
    training.update()
    first, state = training.batch["givens"].clone(), training._z.clone()
    training.update()
    assert torch.equal(first, training.batch["givens"])
    assert not torch.equal(state, training._z)
    training.update()
    assert not torch.equal(first, training.batch["givens"])
    assert training.spent == Spent(updates=3, env_steps=3 * 2 * 8 * 4)


def test_the_loop_trains_by_the_verifier_as_by_labels():
    training = VerifierTraining(model(), TASK, "easy", NUMBERS, seed=0)
    shares = []

    class Noting(Hook):
        def after_update(self, training, metrics, done):
            shares.append((done, sorted(metrics)))
            return {}

    spent = run(training, Length(updates=2), [Noting()], count_flops=True)
    assert (spent.updates, spent.env_steps) == (2, 2 * 2 * 8 * 4)
    assert spent.flops > 0
    assert shares == [(share, ["loss", "score", "solved"]) for share in (0.5, 1.0)]


def test_the_same_seed_trains_the_same_weights():
    weights = []
    for _ in range(2):
        trained = model()
        training = VerifierTraining(trained, TASK, "easy", NUMBERS, seed=3)
        training.update()
        training.update()
        weights.append(torch.cat([p.flatten() for p in trained.parameters()]))
    assert torch.equal(*weights)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [({"samples": 1}, "at least 2, got 1"), ({"segment_steps": 5}, "multiple of segment_steps")],
)
def test_numbers_out_of_range_are_refused(numbers, message):
    with pytest.raises(ValueError, match=message):
        PolicyGradient(**numbers)


def test_a_model_that_reads_the_answer_is_refused():
    reader = model()
    reader.reads_answer = True
    with pytest.raises(ValueError, match="reads the answer"):
        VerifierTraining(reader, TASK, "easy", NUMBERS)
