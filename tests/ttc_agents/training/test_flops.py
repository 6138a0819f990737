"""Counts of floating-point operations against closed forms."""

import dataclasses

import numpy as np
import pytest
import torch

from ttc_agents.models import Transformer
from ttc_agents.models.base import to_batch
from ttc_agents.training.flops import (
    AnswerCost,
    FlopCounter,
    answer_cost,
    counted,
    cudnn_backward_flops,
    cudnn_flops,
)
from ttc_agents.training.recipes import RECIPES
from ttc_agents.training.update import Training
from ttc_envs import make_task

ROWS, STEPS = 3, 2
WIDTH, LAYERS, EMBEDDING = 16, 2, 8


@pytest.fixture(scope="module")
def task():
    return make_task("ttc/Sudoku4-v0")


def attention(nodes, width):
    """Scores and means: two products of (N, d) and (d, N), for all heads together."""
    return 2 * 2 * nodes * nodes * width


def dense(nodes, width, inputs, classes):
    """{part: operations of its matrices} per instance."""
    block = nodes * (3 + 1 + 4 + 4) * width * width
    parts = {"enter": nodes * inputs * width, "blocks": LAYERS * block}
    return {**{name: 2 * n for name, n in parts.items()}, "readout": 2 * nodes * width * classes}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_transformer_costs_what_its_equations_say(task, dtype):
    spec = task.spec
    model = Transformer(spec, WIDTH, 2, LAYERS, embedding=EMBEDDING).to(dtype)
    batch = to_batch(task.sample(np.arange(ROWS, dtype=np.uint64), "minimal").fields)
    parts = dense(spec.num_nodes, WIDTH, EMBEDDING, spec.num_choices)
    seen = LAYERS * attention(spec.num_nodes, WIDTH)
    forward = parts["enter"] + STEPS * (parts["blocks"] + parts["readout"] + seen)
    with torch.no_grad():
        assert counted(lambda: model(batch, STEPS))[1] == ROWS * forward
    # Backward: both factors of each product; attention computes its scores once more.
    trained = 3 * forward + STEPS * seen / 2
    loss = counted(lambda: model(batch, STEPS).logits.square().sum().backward())
    assert loss == (None, ROWS * trained)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_lstm_costs_what_its_equations_say(dtype):
    lstm = torch.nn.LSTM(6, 10, num_layers=2, batch_first=True).to(dtype)
    x = torch.randn(ROWS, 5, 6, dtype=dtype, requires_grad=True)
    forward = 2 * ROWS * 5 * (4 * 10 * (6 + 10) + 4 * 10 * (10 + 10))
    with torch.no_grad():
        assert counted(lambda: lstm(x))[1] == forward
    trained = counted(lambda: lstm(x)[0].sum().backward())[1]
    # One kernel does all or, in float64, autograd leaves out the gradients of the first states.
    assert trained == 3 * forward - (dtype == torch.float64) * 2 * 2 * ROWS * 4 * 10 * 10


def test_an_lstm_on_a_gpu_would_cost_the_same():
    # The shapes that the operation gets: here without a GPU.
    layers = [(40, 6), (40, 10), (40,), (40,), (40, 10), (40, 10), (40,), (40,)]
    forward = 2 * ROWS * 5 * (40 * (6 + 10) + 40 * (10 + 10))
    assert cudnn_flops((5, ROWS, 6), layers, 4, None) == forward
    assert cudnn_backward_flops((5, ROWS, 6), layers, 4, None) == 2 * forward


def test_a_training_is_counted_within_a_percent(task):
    changes = {"batch_size": 4, "segment_steps": 2, "precision": "float32", "compile": "off"}
    options = {"width": 8, "heads": 1}
    recipe = dataclasses.replace(
        RECIPES["sudoku4-demo"], model="transformer", model_options=options, **changes
    )
    estimated = FlopCounter()
    training = Training(recipe, task)
    for _ in range(7):
        estimated.run(lambda: training.update(0.0))
    training = Training(recipe, task)
    _, flops = counted(lambda: [training.update(0.0) for _ in range(7)])
    assert estimated.updates == 7
    assert estimated.total == pytest.approx(flops, rel=0.01)


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
