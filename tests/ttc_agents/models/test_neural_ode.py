"""A neural ODE against the exact solution of a linear one."""

import pytest
import torch

from ttc_agents.models import FactorGraphNetwork, NeuralODE
from ttc_agents.models.base import RefinementModel
from ttc_envs import make_task

torchdiffeq = pytest.importorskip("torchdiffeq")
SPEC = make_task("ttc/Sudoku4-v0").spec


class Halving(FactorGraphNetwork):
    """A step that halves the state, so that dz/dt = -z/2."""

    def step(self, context, z):
        return z / 2


def test_it_follows_the_equation():
    z = torch.tensor([[1.0, -2.0], [0.5, 4.0]]).double()
    exact = z * torch.exp(torch.tensor(-0.5 * 2).double())
    errors = []
    for substeps in (1, 2, 4):
        model = NeuralODE(SPEC, Halving(SPEC), time_per_step=2.0, substeps=substeps)
        errors.append((model.step({"inner": {}}, z) - exact).abs().max().item())
    assert errors[0] < 0.05
    # Fourth order: sixteen times as close with twice the steps.
    assert 8 < errors[0] / errors[1] < 40
    assert 8 < errors[1] / errors[2] < 40


def test_it_rests_where_the_inner_model_does():
    model = NeuralODE(SPEC, Halving(SPEC))
    assert model.step({"inner": {}}, torch.zeros(2, 3)).abs().max() == 0
    assert isinstance(model, RefinementModel)


def test_bad_options_and_a_missing_package_are_errors(monkeypatch):
    with pytest.raises(ValueError, match="time_per_step must be positive"):
        NeuralODE(SPEC, Halving(SPEC), time_per_step=0.0)
    with pytest.raises(ValueError, match="substeps at least 1"):
        NeuralODE(SPEC, Halving(SPEC), substeps=0)
    monkeypatch.setitem(__import__("sys").modules, "torchdiffeq", None)
    with pytest.raises(ValueError, match=r"ttc-gym\[ode\]"):
        NeuralODE(SPEC, Halving(SPEC))
