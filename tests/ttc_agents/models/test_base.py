"""Instances as tensors."""

import numpy as np
import torch

from ttc_agents.models.base import free_nodes, to_batch
from ttc_envs import SortingTask, SudokuTask

KEYS = np.arange(4, dtype=np.uint64)


def test_a_batch_has_integers_as_int64_and_reals_as_float32():
    fields = {"a": np.ones((2, 3), np.int8), "b": np.ones((3, 2)).T}
    batch = to_batch(fields)
    assert {name: values.dtype for name, values in batch.items()} == {
        "a": torch.int64,
        "b": torch.float32,
    }
    assert all(values.shape == (2, 3) for values in batch.values())
    batch["a"][0] = 5
    assert (fields["a"] == 1).all()


def test_free_nodes_are_those_that_are_not_given():
    task = SudokuTask(4)
    fields = task.sample(KEYS, "minimal").fields
    free = free_nodes(task.spec, to_batch(fields))
    np.testing.assert_array_equal(free.numpy(), fields["givens"] < 0)


def test_a_task_without_givens_has_no_free_nodes_to_name():
    task = SortingTask(size=5)
    fields = task.sample(KEYS, task.spec.levels[0]).fields
    assert free_nodes(task.spec, to_batch(fields)) is None
