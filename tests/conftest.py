"""Settings that all tests share."""

import os

# Before anything imports PyTorch: tests run side by side, and their tensors are small. Threads that
# wait for each other's cores would take most of the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import gymnasium as gym
import pytest
from hypothesis import settings

import ttc_envs  # noqa: F401 - its ids are no test's

# The same examples in each run; no deadline, since machines that run tests are busy.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _ids_of_this_test_alone():
    """An id that a test registers is gone after it, whatever order tests run in."""
    known = set(gym.registry)
    yield
    for env_id in set(gym.registry) - known:
        del gym.registry[env_id]
