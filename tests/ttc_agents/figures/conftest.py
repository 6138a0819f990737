"""What the tests of several figures share."""

import io

import numpy as np
import pytest
from PIL import Image

from ttc_agents.evaluation import sweep


@pytest.fixture
def document(task, scripted):
    """A sweep over two families of eight puzzles each."""
    keys = np.arange(8, dtype=np.uint64)
    families = {"ten <b>": task.sample(keys, "givens=6"), "four": task.sample(keys, "givens=12")}
    return sweep(scripted(), task, families, (1, 4, 16)).to_json()


@pytest.fixture(scope="session")
def opened():
    """Opens a picture."""
    return lambda data: Image.open(io.BytesIO(data)).convert("RGB")


@pytest.fixture(scope="session")
def has_colour():
    """Whether a pixel of an image has just this colour, `#rrggbb`."""

    def found(image, colour):
        return (np.asarray(image) == tuple(bytes.fromhex(colour[1:]))).all(axis=2).any()

    return found
