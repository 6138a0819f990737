"""The carried batch: fresh instances where they should be, states that go on elsewhere."""

import pytest
import torch

from ttc_agents.models import FactorGraphNetwork, RelationalNetwork
from ttc_agents.models.base import Trace
from ttc_agents.training.data import CarriedBatch, Passed, random_keys
from ttc_envs import SortingTask, SudokuTask


def carried(restart: float, **options: float) -> tuple[CarriedBatch, FactorGraphNetwork]:
    task = SudokuTask(size=4)
    generator = torch.Generator().manual_seed(0)
    batch = CarriedBatch(task, ("minimal",), 64, restart, generator, **options)
    return batch, FactorGraphNetwork(task.spec, width=8)


def trace(state, logits=None):
    return Trace(torch.zeros(1) if logits is None else logits, state.requires_grad_())


def test_some_rows_restart_and_the_others_go_on():
    batch, model = carried(0.25)
    batch.refill(model)
    before, fresh = batch.batch["givens"].clone(), batch.state.clone()
    batch.keep(trace(batch.state + 1), 8)
    batch.refill(model)
    restarted = batch.age == 0
    assert 4 <= int(restarted.sum()) <= 30
    assert (batch.age[~restarted] == 8).all()
    assert torch.equal(batch.batch["givens"][~restarted], before[~restarted])
    assert torch.equal(batch.state[~restarted], fresh[~restarted] + 1)
    assert not batch.state.requires_grad
    assert not torch.equal(batch.batch["givens"][restarted], before[restarted])
    assert batch.drawn == 64 + int(restarted.sum())


@pytest.mark.parametrize(("share", "least", "most"), [(0.25, 4, 30), (1.0, 64, 64)])
def test_some_first_states_are_drawn_at_random(share, least, most):
    batch, model = carried(0.5, random_start=share)
    batch.refill(model)
    own = model.initial_state(model.encode(batch.batch))
    drawn = (batch.state != own).flatten(1).any(1)
    assert least <= int(drawn.sum()) <= most
    # The first of them are not alike.
    first, second = batch.state[drawn][:2]
    assert not torch.equal(first, second)
    batch.refill(model)
    assert torch.isfinite(batch.state).all()


def test_rows_that_are_not_finite_restart():
    batch, model = carried(1e-9)
    batch.refill(model)
    state = batch.state.clone()
    state[5] = float("nan")
    batch.keep(trace(state), 8)
    batch.refill(model)
    assert torch.isfinite(batch.state).all()
    assert (batch.age == 0).nonzero().tolist() == [[5]]


def test_state_dict_continues_the_same_stream():
    batch, model = carried(0.5)
    batch.refill(model)
    other, _ = carried(0.5)
    other.load_state_dict(batch.state_dict())
    batch.refill(model)
    other.refill(model)
    assert torch.equal(batch.batch["givens"], other.batch["givens"])
    assert torch.equal(batch.state, other.state)


def test_keys_are_the_generators():
    first = random_keys(1000, torch.Generator().manual_seed(1))
    again = random_keys(1000, torch.Generator().manual_seed(1))
    assert (first == again).all()
    assert len(set(first.tolist())) == 1000
    assert first.max() > 2**63


def sorting(levels=("uniform",)) -> tuple[CarriedBatch, RelationalNetwork]:
    task = SortingTask(size=6, view="adjacent")
    batch = CarriedBatch(task, levels, 32, 0.5, torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    return batch, RelationalNetwork(task.spec, width=8, message_layers=1, node_layers=1)


def test_answers_are_moved_on_as_the_environment_would():
    batch, model = sorting()
    batch.refill(model)
    keys = batch.batch["numbers"].clone()
    assert (batch.batch["answer"] == torch.arange(6)).all()
    asked = batch.task.improve(batch.answers.instances, batch.answers.answer)
    shown = batch.move_on(one_hot(asked))
    assert shown is batch.batch
    assert torch.equal(shown["answer"], torch.from_numpy(asked).long())
    assert torch.equal(shown["numbers"], keys.gather(1, shown["answer"]))
    batch.refill(model)
    restarted = (batch.batch["answer"] == torch.arange(6)).all(1)
    assert 4 < int(restarted.sum()) < 32
    assert torch.equal(batch.batch["numbers"][~restarted], shown["numbers"][~restarted])


def one_hot(answer):
    return torch.nn.functional.one_hot(torch.from_numpy(answer).long(), 6).float()


def test_an_answer_is_carried_with_its_state():
    batch, model = sorting()
    batch.refill(model)
    said = torch.randn(3, 32, 6, 6, generator=torch.Generator().manual_seed(0))
    expected = batch.task.apply(
        batch.answers.instances, batch.answers.answer, said[-1].argmax(-1).numpy(), "full"
    )
    batch.keep(trace(batch.state, said), 3)
    assert (batch.answers.answer == expected).all()
    assert torch.equal(batch.batch["answer"], torch.from_numpy(expected).long())


def test_improved_answers_are_those_of_the_method_along_the_way():
    batch, model = sorting()
    batch.refill(model)
    answers, first = batch.answers, batch.answers.answer.copy()
    logits = torch.randn(4, 32, 6, 6, generator=torch.Generator().manual_seed(0))
    logits[1] = one_hot(batch.task.improve(answers.instances, first))
    passed = Passed(batch)
    for said in logits[:-1]:  # nobody reads what the last step has led to
        passed(said)
    answer = first
    for target, said in zip(passed.improved(), logits, strict=True):
        improved = batch.task.improve(answers.instances, answer)
        assert torch.equal(target, torch.from_numpy(improved).long())
        answer = batch.task.apply(answers.instances, answer, said.argmax(-1).numpy(), "full")


def test_state_dict_continues_the_answers():
    batch, model = sorting()
    batch.refill(model)
    batch.move_on(torch.randn(32, 6, 6, generator=torch.Generator().manual_seed(0)))
    other, _ = sorting()
    other.load_state_dict(batch.state_dict())
    for carried in (batch, other):
        carried.refill(model)
        carried.move_on(torch.randn(32, 6, 6, generator=torch.Generator().manual_seed(1)))
    assert all(torch.equal(batch.batch[name], other.batch[name]) for name in batch.batch)
    assert (batch.answers.answer == other.answers.answer).all()


def test_each_refill_draws_one_of_the_levels():
    batch, model = sorting(("reversed", "uniform"))
    kinds = []
    for _ in range(20):
        batch.discard()
        batch.refill(model)
        keys = batch.batch["numbers"]
        kinds.append(bool((keys[:, 1:] <= keys[:, :-1]).all()))
        batch.keep(trace(batch.state, torch.zeros(1, 32, 6, 6)), 1)
    assert 3 < sum(kinds) < 17
