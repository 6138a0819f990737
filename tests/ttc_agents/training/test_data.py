"""The carried batch: fresh instances where they should be, states that go on elsewhere."""

import torch

from ttc_agents.models import FactorGraphNetwork
from ttc_agents.training.data import CarriedBatch, random_keys
from ttc_envs import SudokuTask


def carried(restart: float) -> tuple[CarriedBatch, FactorGraphNetwork]:
    task = SudokuTask(size=4)
    batch = CarriedBatch(task, "minimal", 64, restart, torch.Generator().manual_seed(0))
    return batch, FactorGraphNetwork(task.spec, width=8)


def test_some_rows_restart_and_the_others_go_on():
    batch, model = carried(0.25)
    batch.refill(model)
    before, fresh = batch.batch["givens"].clone(), batch.state.clone()
    batch.keep(batch.state + 1, 8)
    batch.refill(model)
    restarted = batch.age == 0
    assert 4 <= int(restarted.sum()) <= 30
    assert (batch.age[~restarted] == 8).all()
    assert torch.equal(batch.batch["givens"][~restarted], before[~restarted])
    assert torch.equal(batch.state[~restarted], fresh[~restarted] + 1)
    assert not torch.equal(batch.batch["givens"][restarted], before[restarted])
    assert batch.drawn == 64 + int(restarted.sum())


def test_rows_that_are_not_finite_restart():
    batch, model = carried(1e-9)
    batch.refill(model)
    state = batch.state.clone()
    state[5] = float("nan")
    batch.keep(state, 8)
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
