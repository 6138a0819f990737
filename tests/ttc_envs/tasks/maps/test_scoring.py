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
