import numpy as np
import pytest

from ttc_envs.spec import TaskSpec
from ttc_envs.tasks.maps.scoring import check_bound, path_parts, path_scores, readable

RATIOS = np.array([1.0, 1 + 1e-6, 1 + 2e-6, 1.01, 1.02, 1.5, 1.6])
WITHIN = {
    "optimal": [True] * 2 + [False] * 5,
    "within_1_percent": [True] * 4 + [False] * 3,
    "bounded": [True] * 6 + [False],
}


def test_quality_is_the_mean_of_its_three_parts():
    scores = path_scores(
        jumps=np.array([4, 4, 4, 4]),
        illegal=np.array([0, 0, 1, 4]),
        ends=np.array([True, False, True, False]),
        length=np.array([20.0, np.inf, np.inf, np.inf]),
        optimum=np.full(4, 10.0),
        bound=2.0,
    )
    assert scores["quality"].tolist() == pytest.approx([2.5 / 3, 1 / 3, 1.75 / 3, 0])
    assert scores["length_ratio"].tolist() == [2.0, np.inf, np.inf, np.inf]
    assert scores["bounded"].tolist() == [True, False, False, False]
    assert not scores["within_1_percent"].any()


def scores_of_lengths(length, optimum):
    """Of paths that arrive."""
    paths = len(length)
    ends = np.ones(paths, dtype=bool)
    return path_scores(2, np.zeros(paths, dtype=int), ends, length, optimum, bound=1.5)


def test_ends_of_ranges_belong_to_them():
    scores = scores_of_lengths(RATIOS, np.ones(7))
    assert {name: scores[name].tolist() for name in WITHIN} == WITHIN


def test_the_parts_have_the_same_ranges_and_depth_where_they_count():
    hops = np.arange(7)[None]
    parts = path_parts(RATIOS[None], hops, hops > 2, bound=1.5)
    assert {name: holds[0].tolist() for name, holds in parts.holds.items()} == WITHIN
    assert parts.depth.tolist() == [[-1, -1, -1, 3, 4, 5, 6]]
    assert parts.depth.dtype == np.int32


def test_a_way_round_is_no_shortest_path_from_a_place_to_itself():
    scores = scores_of_lengths(np.array([0, 0.5, 0.5]), np.array([0, 0, 0.25]))
    assert scores["length_ratio"].tolist() == [1, np.inf, 2]
    assert scores["solved"].tolist() == [True, False, False]


def test_a_bound_is_a_number_of_at_least_1():
    assert isinstance(check_bound(1), float)
    for bad in (True, "2", 0.999, np.nan):
        with pytest.raises(ValueError, match="bound must be a number of at least 1, got"):
            check_bound(bad)


@pytest.mark.parametrize("outside", [3, -2])
def test_what_is_no_choice_is_read_as_undecided(outside):
    spec = TaskSpec("toy", (), {}, num_nodes=4, num_choices=3, choices="class", num_edits=12)
    answer = readable(np.array([[-1, 0, 2, outside]]), spec, 1)
    assert answer.tolist() == [[-1, 0, 2, -1]]
    assert answer.dtype == np.int8
