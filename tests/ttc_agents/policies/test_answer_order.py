"""Policies and sweeps where what is shown depends on the current answer."""

import numpy as np
import pytest
import torch

from ttc_agents.evaluation.rollout import play, rollout
from ttc_agents.evaluation.sweep import refine
from ttc_agents.models.base import RefinementModel
from ttc_agents.policies import RefinementPolicy
from ttc_agents.policies.classical import ImprovePolicy, SolvePolicy
from ttc_envs import RefinementVectorEnv, SortingTask, SudokuTask

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


class Reader(RefinementModel):
    """Answers by what it was shown, givens or not, and keeps what that was."""

    reads_answer = True

    def __init__(self, spec):
        super().__init__(spec)
        self.seen = []

    @classmethod
    def supports(cls, spec):
        return None

    def encode(self, batch, graph=None):
        self.seen.append({name: values.clone() for name, values in batch.items()})
        return batch

    def initial_state(self, context, generator=None):
        return torch.zeros(len(context["answer"]), 1)

    def step(self, context, z, t):
        return z + 1

    def readout(self, context, z):
        choice = (3 * context["answer"] + torch.arange(self.spec.num_nodes) + z.long()) + 3
        return torch.nn.functional.one_hot(choice % self.spec.num_choices).float()


@pytest.mark.parametrize(
    ("task", "level"),
    [(SudokuTask(4), "minimal"), (SortingTask(size=6, min_size=6, view="adjacent"), "reversed")],
)
def test_a_model_that_reads_the_answer_sees_the_same_in_sweeps_and_environments(task, level):
    instances = task.sample(np.arange(3, dtype=np.uint64), level)
    swept, played = Reader(task.spec), Reader(task.spec)
    list(refine(swept, task, instances, STEPS))
    envs = RefinementVectorEnv(task, 3, terminate_on_solved=False, max_episode_steps=STEPS)
    rollout(RefinementPolicy(played), envs, STEPS, options={"instance": instances})
    # The sweep encodes once more, for the first state.
    assert len(swept.seen) - 1 == len(played.seen) == STEPS
    for ours, theirs in zip(swept.seen[1:], played.seen, strict=True):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
