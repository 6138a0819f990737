"""Random words are frozen: a changed value would change every puzzle that a key stands for."""

import numpy as np
import pytest

from ttc_envs.random_words import random_words

GOLDEN = [
    [13987597585446802298, 12630386605100444882],
    [6154564689892520475, 585285953171415394],
    [14277419263724944033, 10744226760616295176],
]


def test_values_are_frozen():
    words = random_words(np.array([0, 1, 2**63], dtype=np.uint64), 3, 2)
    assert words.tolist() == GOLDEN


def test_a_row_depends_on_its_key_alone():
    keys = np.arange(10, dtype=np.uint64)
    np.testing.assert_array_equal(random_words(keys, 1, 4)[7:8], random_words(keys[7:8], 1, 4))
    np.testing.assert_array_equal(random_words(keys, 1, 4)[:, :2], random_words(keys, 1, 2))


def test_streams_differ_and_bits_are_even():
    keys = np.arange(4096, dtype=np.uint64)
    one, two = random_words(keys, 1, 4), random_words(keys, 2, 4)
    assert not (one == two).any()
    shares = [(one >> np.uint64(bit) & np.uint64(1)).mean() for bit in range(64)]
    assert min(shares) > 0.47
    assert max(shares) < 0.53


@pytest.mark.parametrize("keys", [np.zeros((2, 2), dtype=np.uint64), np.zeros(2)])
def test_keys_of_another_shape_or_type_are_refused(keys):
    with pytest.raises(ValueError, match="keys must be"):
        random_words(keys, 1, 1)
