"""The memory with product keys against one that scores every slot."""

import pytest
import torch

from ttc_agents.models.attention import unit
from ttc_agents.models.product_keys import ProductKeyMemory


@pytest.fixture
def memory():
    torch.manual_seed(0)
    return ProductKeyMemory(6, keys=5, heads=3, top=4, key_width=2).double()


def test_equals_a_search_over_all_slots(memory):
    x = torch.randn(2, 7, 6).double()
    halves = unit(memory.query(x).unflatten(-1, (3, 2, 2)))  # (B, N, A, 2, d)
    first, second = (
        torch.einsum("bnad,akd->bnak", halves[..., i, :], memory.keys[i]) for i in (0, 1)
    )
    scores = (first[..., :, None] + second[..., None, :]).flatten(-2)
    best, slots = scores.topk(4, dim=-1)
    weights = torch.zeros_like(scores).scatter(-1, slots, best.softmax(-1))
    expected = (weights @ memory.values.weight).sum(2)
    torch.testing.assert_close(memory(x), expected)


def test_gradients_reach_keys_queries_and_the_values_that_were_read(memory):
    memory(torch.randn(1, 2, 6).double()).sin().sum().backward()
    assert memory.keys.grad.abs().sum() > 0
    assert memory.query.weight.grad.abs().sum() > 0
    read = memory.values.weight.grad.abs().sum(1) > 0
    assert 4 <= read.sum() <= 24
