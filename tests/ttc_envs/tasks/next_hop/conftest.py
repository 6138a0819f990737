import numpy as np
import pytest


@pytest.fixture
def square():
    """0-1-2-3-0 with sides 1, but 0.96 from 1 to 2; source 0, target 2."""
    neighbours = np.full((1, 4, 8), -1)
    neighbours[0, :, :2] = [[1, 3], [0, 2], [1, 3], [0, 2]]
    distances = np.zeros((1, 4, 8), dtype=np.float32)
    distances[0, :, :2] = [[1, 1], [1, 0.96], [0.96, 1], [1, 1]]
    return {
        "neighbours": neighbours,
        "distances": distances,
        "source": np.array([[1, 0, 0, 0]]),
        "target": np.array([[0, 0, 1, 0]]),
    }
