"""The cost of a model by refinement step."""

import numpy as np
import pytest

from ttc_agents.evaluation.cost import AnswerCost, answer_cost
from ttc_agents.models import Transformer
from ttc_agents.models.base import to_batch
from ttc_agents.training.flops import counted
from ttc_envs import make_task


@pytest.mark.parametrize("share", ["all", "top", "none"])
def test_costs_add_up_to_those_of_a_pass(share):
    task = make_task("ttc/Sudoku4-v0")
    model = Transformer(task.spec, 8, 1, layers=3, share=share).eval()
    instances = task.sample(np.arange(5, dtype=np.uint64), "minimal")
    batch = to_batch(instances.fields)
    cost = answer_cost(model, task, instances)
    assert cost.of(7) == pytest.approx(counted(lambda: model(batch, 7))[1] / 5)
    # Dense layers and attention of a block; the readout; the inputs.
    block, readout, enter = 24 * 16 * 8**2 + 4 * 16**2 * 8, 2 * 16 * 8 * 4, 2 * 16 * 32 * 8
    repeated = {"all": 3, "top": 1, "none": 0}[share]
    assert cost == AnswerCost(enter + (3 - repeated) * block, repeated * block + readout)
