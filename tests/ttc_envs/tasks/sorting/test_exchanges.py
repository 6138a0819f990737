import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ttc_envs.tasks.sorting.exchanges import exchanged, exchanged_towards, odd_even_round
from ttc_envs.tasks.sorting.networks import odd_even_network, rounds_needed


def permutations(seed, batch, size):
    rng = np.random.default_rng(seed)
    return rng.permuted(np.tile(np.arange(size), (batch, 1)), axis=1)


def test_exchanged_swaps_the_ends_of_edges():
    answer = np.array([[4, 3, 2, 1, 0]])
    edges = np.array([[True, False, False, True]])
    assert exchanged(answer, edges).tolist() == [[3, 4, 2, 0, 1]]
    assert answer.tolist() == [[4, 3, 2, 1, 0]]


def test_rounds_are_odd_even_transposition_without_idle_rounds():
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 12, (200, 12)) / 12
    answer = np.tile(np.arange(12, dtype=np.int8), (200, 1))
    rounds = np.zeros(200, dtype=int)
    for _ in range(13):
        after = odd_even_round(keys, answer)
        rounds += (after != answer).any(axis=1)
        answer = after
    shown = np.take_along_axis(keys, answer.astype(int), axis=1)
    assert (np.diff(shown, axis=1) >= 0).all()
    classical = rounds_needed(keys, odd_even_network(12))
    # A first round with nothing to do is the only one that is left out.
    assert set((classical - rounds).tolist()) <= {0, 1}


@given(seed=st.integers(0, 10**6), size=st.integers(2, 12), wild=st.booleans())
@settings(max_examples=60)
def test_a_round_moves_items_by_one_position_towards_the_order(seed, size, wild):
    answer = permutations(seed, 3, size)
    asked = permutations(seed + 1, 3, size)
    if wild:
        asked = np.random.default_rng(seed).integers(0, size, (3, size))
    after = exchanged_towards(answer, asked)
    assert (np.sort(after, axis=1) == np.arange(size)).all()
    before_at, after_at = answer.argsort(axis=1), after.argsort(axis=1)
    assert np.abs(before_at - after_at).max() <= 1
    if wild:
        return
    goal = asked.argsort(axis=1)
    assert (pairs_apart(goal, after) < pairs_apart(goal, answer))[(answer != asked).any(1)].all()
    assert np.array_equal(after[(answer == asked).all(1)], answer[(answer == asked).all(1)])


def pairs_apart(goal, answer):
    shown = np.take_along_axis(goal, answer, axis=1)
    return np.triu(shown[:, :, None] > shown[:, None, :]).sum(axis=(1, 2))


def test_any_order_is_reached_in_about_as_many_rounds_as_there_are_positions():
    answer, asked = permutations(0, 300, 16), permutations(1, 300, 16)
    rounds = 0
    while (answer != asked).any():
        answer = exchanged_towards(answer, asked)
        rounds += 1
    assert 12 <= rounds <= 24


def test_disjoint_exchanges_happen_at_once():
    answer = np.array([[0, 1, 2, 3, 4, 5, 6]])
    asked = np.array([[1, 0, 2, 4, 3, 6, 5]])
    assert np.array_equal(exchanged_towards(answer, asked), asked)


def test_items_that_are_not_asked_for_stay():
    answer = np.array([[2, 0, 1]])
    # Item 2 is to go behind item 0, which nobody asks for.
    assert np.array_equal(exchanged_towards(answer, np.array([[1, 1, 2]])), [[2, 0, 1]])
