"""Classical policies where observations show fields in the order of the current answer."""

import numpy as np
import pytest

from ttc_agents.evaluation.rollout import play, rollout
from ttc_agents.policies.classical import ImprovePolicy, SolvePolicy
from ttc_envs import RefinementVectorEnv, SortingTask

STEPS = 10


@pytest.mark.parametrize("policy_of", [ImprovePolicy, SolvePolicy])
def test_they_read_the_instance_behind_the_observation(policy_of):
    task = SortingTask(size=8, min_size=5, view="adjacent")
    instances = task.sample(np.arange(4, dtype=np.uint64), "reversed")
    lengths = instances.fields["mask"].sum(axis=1)
    records = play(policy_of(task), task, instances, range(1, STEPS + 1))
    # Exchanges of neighbours take as many rounds as a reversed list has keys, or one less.
    assert ((records.first_solved == lengths) | (records.first_solved == lengths - 1)).all()
    envs = RefinementVectorEnv(task, 4, terminate_on_solved=False, max_episode_steps=STEPS)
    solved = rollout(policy_of(task), envs, STEPS, options={"instance": instances})
    assert np.array_equal(solved.T, records.solved)
