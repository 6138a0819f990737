"""Models around other models, and what is asked of all of them once they are trained."""

import pytest
import torch

from ttc_agents.models import Equilibrium, FactorGraphNetwork, NeuralODE, Transformer
from ttc_agents.models.base import to_batch
from ttc_envs import SudokuTask

TASK = SudokuTask(4)


@pytest.fixture
def inner():
    torch.manual_seed(0)
    return Transformer(TASK.spec, width=8, heads=2, embedding=4)


def test_what_is_not_overridden_is_the_inner_models(inner):
    pytest.importorskip("torchdiffeq")
    solved = Equilibrium(TASK.spec, inner, max_steps=30)
    assert inner.training_depth(8) == 8
    assert solved.training_depth(8) == NeuralODE(TASK.spec, solved).training_depth(8) == 30
    table = inner.choice_embeddings()
    assert table.shape == (4, 4)
    assert solved.choice_embeddings() is not None
    assert torch.equal(NeuralODE(TASK.spec, solved).choice_embeddings(), table)
    assert FactorGraphNetwork(TASK.spec).choice_embeddings() is None


@pytest.mark.parametrize("solver", ["picard", "anderson"])
def test_an_equilibrium_is_linearised_without_damping_where_its_solver_is(inner, solver):
    model = Equilibrium(TASK.spec, inner, solver).eval()
    context = model.encode(to_batch(TASK.sample([1, 2], "easy").fields))
    f, point = model.linearized(context, model.initial_state(context))
    assert torch.equal(point, context["x"])
    assert torch.equal(f(point), model.map(context)(point))
    step, z = inner.linearized(context["inner"], point)
    assert torch.equal(step(z), inner.step(context["inner"], point))


def test_states_by_choice_are_those_of_each_step(inner):
    batch = to_batch(TASK.sample([1, 2], "easy").fields)
    answer = torch.zeros(2, 16).long()
    states = inner.choice_states(batch, answer, 3)
    assert list(states) == ["step 1", "step 2", "step 3"]
    assert torch.equal(states["step 3"][0], inner(batch, 3).state)
    assert states["step 3"][1] is answer
    assert inner.findings(TASK, TASK.sample([1], "easy")) == {}
