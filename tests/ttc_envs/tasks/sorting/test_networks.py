import itertools

import numpy as np
import pytest

from ttc_envs import SortingTask, bitonic_network, odd_even_network, rounds_needed
from ttc_envs.tasks.sorting.networks import exchange


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


@pytest.mark.parametrize("view", ["complete", "adjacent"])
def test_the_bitonic_row_moves_items_as_the_network_moves_keys(view):
    task = SortingTask(13, min_size=5, view=view)
    lists = task.sample(np.arange(40, dtype=np.uint64), "few_distinct")
    keys = lists.fields["numbers"]
    network = bitonic_network(13)
    answers = list(task.baselines()["bitonic"](lists))
    assert len(answers) == len(network)
    for pairs, answer in zip(network, answers, strict=True):
        keys = exchange(keys, pairs)
        shown = np.take_along_axis(lists.fields["numbers"], answer.astype(np.int64), axis=1)
        np.testing.assert_array_equal(shown, keys)
        assert task.score(lists, answer)["valid_permutation"].all()
    assert task.score(lists, answers[-1])["solved"].all()


def test_improving_takes_the_rounds_of_odd_even_sort():
    task = SortingTask(16, view="adjacent")
    lists = task.sample(np.arange(50, dtype=np.uint64), "uniform")
    rounds = rounds_needed(lists.fields["numbers"], odd_even_network(16))
    answer, first = task.initial_answer(lists), np.zeros(50, dtype=int)
    for step in range(1, 17):
        answer = task.improve(lists, answer)
        first[(first == 0) & task.score(lists, answer)["solved"]] = step
    # The network's first round, of even positions, may find nothing to do.
    assert set(rounds - first) <= {0, 1}
