import numpy as np
import pytest

from ttc_envs.tasks.maps.scoring import path_scores


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


def test_ends_of_ranges_belong_to_them():
    scores = path_scores(
        jumps=np.full(4, 2),
        illegal=np.zeros(4, dtype=int),
        ends=np.ones(4, dtype=bool),
        length=np.array([100.0, 101.0, 102.0, 150.0]),
        optimum=np.full(4, 100.0),
        bound=1.5,
    )
    assert scores["within_1_percent"].tolist() == [True, True, False, False]
    assert scores["bounded"].all()
    assert scores["optimal"].tolist() == [True, False, False, False]
