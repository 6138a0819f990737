"""What the tests of several models share."""

import pytest
import torch

from ttc_agents.models.base import stacked


@pytest.fixture
def on_graph():
    """Logits (T, B, N, C) of a model on a graph that replaces that of its spec."""

    def run(model, batch, num_steps, graph) -> torch.Tensor:
        context = model.encode(batch, graph)
        return stacked(model.steps(context, model.initial_state(context), num_steps))[0]

    return run
