"""Rewards: what one refinement step gained, and 1 for the first time that the rules hold.

`verifier` pays the difference of quality, which needs no label; `oracle` the difference of
accuracy; `sparse` neither. The undiscounted return of the first two is what the episode gained,
plus 1 if it ever solved the instance.
"""

from __future__ import annotations

import numpy as np

from ttc_envs.spec import Array

REWARDS: dict[str, str | None] = {"verifier": "quality", "oracle": "accuracy", "sparse": None}
"""The score whose gain is paid, by name of the reward."""


def check_reward(reward: str) -> str:
    """The name itself.

    Raises:
        ValueError: There is no such reward.
    """
    if reward not in REWARDS:
        raise ValueError(f"reward must be one of {sorted(REWARDS)}, got {reward!r}")
    return reward


def step_rewards(
    reward: str, before: dict[str, Array], after: dict[str, Array], first_solve: Array
) -> Array:
    """Rewards (B,) float64 of one step.

    Args:
        reward: A name in `REWARDS`.
        before: Scores (B,) of the answers before the step.
        after: Scores (B,) of the answers after it.
        first_solve: (B,) bool, the episodes that this step solved for the first time.
    """
    paid = REWARDS[reward]
    if paid is None:
        return first_solve.astype(np.float64)
    gain: Array = (after[paid] - before[paid]).astype(np.float64)
    if np.count_nonzero(first_solve):
        gain += first_solve
    return gain
