import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ttc_envs.tasks.sorting import scoring
from ttc_envs.tasks.sorting.scoring import count_inversions, is_permutation, labels_of, score

INT8 = np.dtype(np.int8)
EXAMPLES = settings(max_examples=40)


def naive_inversions(values):
    return sum(a > b for i, a in enumerate(values) for b in values[i + 1 :])


def naive_scores(keys, length, answer):
    """The scores of one row, from the definition."""
    items = answer[:length].tolist()
    shown = [keys[i] if 0 <= i < length else np.inf for i in items]
    ordered = sorted(keys[:length])
    permutation = sorted(items) == list(range(length))
    inversions = naive_inversions(shown)
    most = naive_inversions(ordered[::-1])
    in_order = inversions == 0 and np.inf not in shown
    return {
        "quality": np.float32((1 - inversions / max(most, 1)) * permutation),
        "accuracy": np.float32(np.mean([a == b for a, b in zip(shown, ordered, strict=True)])),
        "solved": in_order and permutation,
        "sorted": in_order,
        "inversions": inversions,
        "valid_permutation": permutation,
    }


def padded(values, lengths):
    """Keys (B, N), padding behind each length, and the masks."""
    mask = (np.arange(values.shape[1]) < np.asarray(lengths)[:, None]).astype(np.int8)
    return np.where(mask == 1, values, 1).astype(np.float32), mask


@st.composite
def cases(draw):
    size = draw(st.integers(2, 12))
    batch = draw(st.integers(1, 4))
    # Few different values, so that equal keys are common.
    ticks = draw(hnp.arrays(np.int64, (batch, size), elements=st.integers(0, 6)))
    lengths = draw(st.lists(st.integers(1, size), min_size=batch, max_size=batch))
    return ticks / 8, lengths, draw(st.integers(0, 2**32 - 1))


@given(case=cases(), kind=st.sampled_from(["permutation", "items", "anything"]))
@EXAMPLES
def test_scores_agree_with_the_definition(case, kind):
    values, lengths, seed = case
    keys, mask = padded(values, lengths)
    rng = np.random.default_rng(seed)
    batch, size = keys.shape
    answer = np.tile(np.arange(size, dtype=np.int8), (batch, 1))
    for row, length in enumerate(lengths):
        if kind == "permutation":
            answer[row, :length] = rng.permutation(length)
        else:
            low, high = (0, length) if kind == "items" else (-3, size + 3)
            answer[row, :length] = rng.integers(low, high, length)
    scores = score(labels_of(keys, mask, INT8), mask, answer)
    for row, length in enumerate(lengths):
        expected = naive_scores(keys[row], length, answer[row])
        assert {name: scores[name][row] for name in expected} == expected
    assert np.array_equal(scores["position_accuracy"], scores["accuracy"])


@given(
    answer=hnp.arrays(
        st.sampled_from(["int8", "uint8", "int16", "int32", "int64", "uint64", ">i4"]), (2, 9)
    )
)
@EXAMPLES
def test_no_answer_crashes_the_scorer(answer):
    keys, mask = padded(np.linspace(0, 1, 18).reshape(2, 9), [9, 4])
    scores = score(labels_of(keys, mask, INT8), mask, answer)
    assert all(np.isfinite(values).all() for values in scores.values())
    assert ((scores["quality"] >= 0) & (scores["quality"] <= 1)).all()
    assert (scores["solved"] <= scores["valid_permutation"]).all()


@pytest.mark.parametrize("bad", [np.zeros((2, 4)), np.zeros((2, 3), int), np.zeros((2, 4), bool)])
def test_answers_of_another_kind_are_refused(bad):
    keys, mask = padded(np.zeros((2, 4)), [4, 4])
    with pytest.raises(ValueError, match=r"answers must be integers of shape \(2, 4\), got"):
        score(labels_of(keys, mask, INT8), mask, bad)


def test_equal_keys_are_interchangeable():
    keys, mask = padded(np.array([[0.5, 0.25, 0.5, 0.25]]), [4])
    labels = labels_of(keys, mask, INT8)
    assert labels["answer"].tolist() == [[1, 3, 0, 2]]
    for items in ([1, 3, 0, 2], [3, 1, 0, 2], [3, 1, 2, 0]):
        scores = score(labels, mask, np.array([items]))
        assert scores["solved"][0]
        assert scores["accuracy"][0] == 1
    # The right values, but an item twice.
    scores = score(labels, mask, np.array([[1, 1, 0, 2]]))
    assert (scores["sorted"][0], scores["accuracy"][0]) == (True, 1)
    assert (scores["solved"][0], scores["quality"][0]) == (False, 0)


def test_a_list_of_equal_keys_is_sorted_in_any_order():
    keys, mask = padded(np.full((1, 5), 0.5), [5])
    scores = score(labels_of(keys, mask, INT8), mask, np.array([[4, 2, 0, 1, 3]]))
    assert scores["solved"][0]
    assert scores["quality"][0] == 1


@pytest.mark.parametrize("length", [2, 3, 6])
def test_the_worst_order_has_quality_0(length):
    keys, mask = padded(np.linspace(0, 1, 6)[None], [length])
    worst = np.arange(6)[None, ::-1] - (6 - length)
    scores = score(labels_of(keys, mask, INT8), mask, worst)
    assert (scores["quality"][0], scores["inversions"][0]) == (0, length * (length - 1) // 2)


def test_the_number_behind_the_last_item_is_no_item():
    keys, mask = padded(np.array([[0.1, 0.2, 0.3]] * 2), [3, 3])
    scores = score(labels_of(keys, mask, INT8), mask, np.array([[0, 1, 3], [3, 1, 2]]))
    assert scores["accuracy"] == pytest.approx(2 / 3)
    assert not (scores["valid_permutation"] | scores["sorted"]).any()


def test_keys_near_zero_are_told_apart_and_the_two_zeros_are_one():
    keys, mask = padded(np.array([[3e-30, 1e-30, 0.0, -0.0]]), [4])
    labels = labels_of(keys, mask, INT8)
    assert labels["answer"].tolist() == [[2, 3, 1, 0]]
    assert labels["first"].tolist() == [[0, 0, 2, 3]]


@pytest.mark.parametrize("size", [2, 16, 17, 32, 33, 63, 64, 65, 100, 127, 300])
def test_large_and_small_lists_are_counted_alike(size):
    rng = np.random.default_rng(size)
    shown = rng.integers(0, size + 1, (size, 3)).astype(scoring.place_dtype(size))
    shown[:, 0] = rng.permutation(size)
    expected = [naive_inversions(column) for column in shown.T.tolist()]
    assert count_inversions(shown).tolist() == expected
    assert is_permutation(shown)[0]
    shown[0, 0] = shown[1, 0]
    assert not is_permutation(shown)[0]
    shown[0, 0] = size
    assert not is_permutation(shown)[0]


@pytest.mark.parametrize("length", [1, 2, 5, 6])
def test_labels_of_different_keys(length):
    keys, mask = padded(np.linspace(0.5, 0, 6)[None], [length])
    labels = labels_of(keys, mask, INT8)
    assert labels["most"].tolist() == [length * (length - 1) // 2]
    assert labels["first"].tolist() == [list(range(6))]
    assert labels["place"].tolist() == [[*reversed(range(length)), *range(length, 6)]]
    assert {labels[name].dtype for name in ("first", "place")} == {np.dtype(np.uint8)}


def test_batches_are_scored_in_chunks(monkeypatch):
    rng = np.random.default_rng(0)
    keys, mask = padded(rng.random((7, 20)), [20, 3, 9, 20, 1, 18, 20])
    labels = labels_of(keys, mask, INT8)
    answer = rng.permuted(np.tile(np.arange(20), (7, 1)), axis=1)
    whole = score(labels, mask, answer)
    monkeypatch.setattr(scoring, "CHUNK", 41)
    chunked = score(labels, mask, answer)
    for name, values in whole.items():
        assert np.array_equal(values, chunked[name])
        assert values.dtype == chunked[name].dtype


def test_memory_does_not_grow_with_the_batch():
    keys = np.random.default_rng(0).integers(0, 9, (2**14, 64)) / 8
    keys, mask = padded(keys, np.full(2**14, 63))
    labels = labels_of(keys, mask, INT8)
    tracemalloc.start()
    try:
        score(labels, mask, np.full(mask.shape, -1))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 40e6


@pytest.mark.parametrize(("size", "dtype"), [(255, np.uint8), (256, np.uint16)])
def test_places_are_as_narrow_as_the_place_of_none_allows(size, dtype):
    assert scoring.place_dtype(size) == dtype
    assert np.iinfo(dtype).max >= size


@pytest.mark.parametrize(("size", "padded"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (64, 64)])
def test_lists_are_padded_to_the_next_power_of_two(size, padded):
    assert scoring.padded_size(size) == padded


def test_long_lists_are_counted():
    order = np.random.default_rng(1).permutation(1024)
    inversions = count_inversions(order[:, None].astype(np.uint16))[0]
    assert inversions == np.triu(order[:, None] > order, 1).sum()
