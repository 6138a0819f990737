import numpy as np
import pytest
import torch

from ttc_agents.models import Equilibrium, FactorGraphNetwork
from ttc_agents.models.base import to_batch
from ttc_agents.training.memory import PeakBytes
from ttc_envs import make_task


def test_the_peak_counts_what_is_there_at_once():
    before = torch.zeros(1000)
    with PeakBytes() as peak:
        one = before + 1  # 4,000 bytes
        one.view(10, 100)
        before.detach()
        two = one + 1
        del one
        two = two + 1
        del two
        torch.zeros(100)
    assert peak.now == 0
    assert peak.peak == 8000


@pytest.mark.parametrize("gradient", ["implicit", "mixed", "phantom"])
def test_an_update_of_an_equilibrium_takes_the_same_memory_after_any_number_of_steps(gradient):
    task = make_task("ttc/Sudoku4-v0")
    batch = to_batch(task.sample(np.arange(4, dtype=np.uint64), "givens=6").fields)
    sizes = []
    for steps in (6, 200):
        torch.manual_seed(0)
        inner = FactorGraphNetwork(task.spec, width=8, message_width=8, hidden_width=8)
        model = Equilibrium(
            task.spec, inner, solver="picard", gradient=gradient, max_steps=steps, tol=0.0
        )
        with PeakBytes() as peak:
            model(batch, 1).logits.square().mean().backward()
        sizes.append(peak.peak)
    assert sizes[0] == sizes[1]
