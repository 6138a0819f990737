import numpy as np
import pytest

from ttc_envs.rewards import REWARDS, check_reward, step_rewards

BEFORE = {
    "quality": np.array([0.0, 0.5, 0.25], dtype=np.float32),
    "accuracy": np.array([0.5, 0.5, 1.0], dtype=np.float32),
}
AFTER = {
    "quality": np.array([1.0, 0.25, 0.25], dtype=np.float32),
    "accuracy": np.array([1.0, 0.25, 0.5], dtype=np.float32),
}


@pytest.mark.parametrize(
    ("reward", "gains"),
    [
        ("verifier", [1.0, -0.25, 0.0]),
        ("oracle", [0.5, -0.25, -0.5]),
        ("sparse", [0.0, 0.0, 0.0]),
    ],
)
@pytest.mark.parametrize("first", [[True, False, False], [False, False, False]])
def test_rewards_are_gains_and_one_for_the_first_solve(reward, gains, first):
    rewards = step_rewards(reward, BEFORE, AFTER, np.array(first))
    assert rewards.dtype == np.float64
    assert rewards.tolist() == [gain + solve for gain, solve in zip(gains, first, strict=True)]


def test_unknown_rewards_are_refused():
    assert all(check_reward(name) == name for name in REWARDS)
    with pytest.raises(ValueError, match="got 'dense'"):
        check_reward("dense")
