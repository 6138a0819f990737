"""The stepwise loss against a loop, and what counts as solved."""

import torch

from ttc_agents.training.objectives import solved_rows, stepwise_cross_entropy


def test_stepwise_cross_entropy_weighs_instances_alike():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 2, 4, 5, generator=generator)
    labels = torch.randint(5, (2, 4), generator=generator)
    free = torch.tensor([[True, False, False, True], [True, True, True, False]])
    expected = 0.0
    for step in range(3):
        for row in range(2):
            scores = logits[step, row].log_softmax(-1)
            losses = [-scores[n, labels[row, n]] for n in range(4) if free[row, n]]
            expected += sum(losses) / len(losses) / 6
    torch.testing.assert_close(stepwise_cross_entropy(logits, labels, free), expected)
    everywhere = torch.ones(2, 4, dtype=torch.bool)
    torch.testing.assert_close(
        stepwise_cross_entropy(logits, labels), stepwise_cross_entropy(logits, labels, everywhere)
    )


def test_a_row_without_free_nodes_costs_nothing():
    logits = torch.randn(1, 1, 2, 3, generator=torch.Generator().manual_seed(0))
    loss = stepwise_cross_entropy(logits, torch.zeros(1, 2).long(), torch.zeros(1, 2).bool())
    assert loss == 0


def test_solved_rows():
    logits = torch.zeros(3, 2, 2)
    logits[:, :, 1] = 1
    logits[2, 0, 0] = float("nan")
    labels = torch.tensor([[1, 1], [1, 0], [1, 1]])
    assert solved_rows(logits, labels).tolist() == [True, False, False]
