import numpy as np

from ttc_envs.tasks.maps import scene


def test_hops_are_followed_to_the_target_a_dead_end_or_once_round():
    onward = np.array([1, 2, 0, -1, 3])
    assert scene.follow(onward, 0, 2) == [0, 1, 2]
    assert scene.follow(onward, 0, 4) == [0, 1, 2, 0]
    assert scene.follow(onward, 4, 0) == [4, 3]
