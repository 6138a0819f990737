import itertools

import numpy as np
import pytest

from ttc_envs import bitonic_network, odd_even_network, rounds_needed


@pytest.mark.parametrize("network_of", [odd_even_network, bitonic_network])
@pytest.mark.parametrize("size", [3, 5, 8, 9])
def test_networks_sort_all_lists_of_zeros_and_ones(network_of, size):
    # By the 0-1 principle (Knuth) they then sort every list.
    keys = np.array(list(itertools.product([0, 1], repeat=size)))
    network = network_of(size)
    assert (rounds_needed(keys, network) <= len(network)).all()
    with pytest.raises(ValueError, match="out of order"):
        rounds_needed(keys, network[:-1])


@pytest.mark.parametrize(("size", "rounds"), [(16, 10), (64, 21), (256, 36), (100, 28)])
def test_bitonic_rounds(size, rounds):
    network = bitonic_network(size)
    assert len(network) == rounds
    for pairs in network:
        assert len(np.unique(pairs)) == pairs.size
        assert (pairs[:, 0] < pairs[:, 1]).all()


def test_odd_even_rounds_are_those_of_neighbours():
    network = odd_even_network(6)
    assert [pairs.tolist() for pairs in network[:2]] == [[[0, 1], [2, 3], [4, 5]], [[1, 2], [3, 4]]]
    assert len(network) == 6


def test_a_sorted_list_needs_no_round():
    keys = np.array([[0.1, 0.2, 0.2, 0.5], [0.4, 0.3, 0.2, 0.1]])
    assert rounds_needed(keys, odd_even_network(4)).tolist() == [0, 4]
