"""The numbers of a sweep come out through the Gymnasium environment, too."""

import gymnasium as gym
import numpy as np
import pytest
import torch

from ttc_agents.evaluation import play, rollout, sweep
from ttc_agents.models import FactorGraphNetwork
from ttc_agents.policies import ImprovePolicy, RandomPolicy, RefinementPolicy, SolvePolicy
from ttc_envs import Instances

STEPS = tuple(range(1, 15))


@pytest.fixture(scope="module")
def puzzles(task):
    return task.sample(np.arange(24, dtype=np.uint64), "givens=4..9")


def made(count, **options):
    options = {"terminate_on_solved": False, "max_episode_steps": STEPS[-1], **options}
    return gym.make_vec("ttc_envs:ttc/Sudoku4-v0", num_envs=count, **options)


def through_env(policy, puzzles, **options):
    env = made(len(puzzles), **options)
    solved = rollout(policy, env, STEPS[-1], options={"instance": puzzles})
    env.close()
    return solved.T


@pytest.mark.parametrize("options", [{}, {"collapse": 9}, {"broken": 6}])
def test_a_sweep_and_a_policy_in_the_env_agree(task, scripted, puzzles, options):
    model = scripted(**options)
    result = sweep(model, task, {"all": puzzles}, STEPS)
    solved = through_env(RefinementPolicy(model), puzzles)
    assert 0 < solved.mean() < 1
    np.testing.assert_array_equal(solved, result.solved["p1"]["all"])


def test_they_agree_for_a_network(task, puzzles):
    torch.manual_seed(1)
    model = FactorGraphNetwork(task.spec).eval()
    torch.nn.init.normal_(model.to_logit)
    result = sweep(model, task, {"all": puzzles}, STEPS, batch_size=len(puzzles))
    env = made(len(puzzles), max_episode_steps=STEPS[-1] + 1)
    solved = rollout(RefinementPolicy(model), env, STEPS[-1], options={"instance": puzzles})
    np.testing.assert_array_equal(solved.T, result.solved["p1"]["all"])
    (records,) = result.records["p1"]["all"]
    np.testing.assert_array_equal(env.unwrapped.episodes.state.answer, records.answer)
    assert (records.settled > 0).all()


@pytest.mark.parametrize("policy", [ImprovePolicy, SolvePolicy, RandomPolicy])
def test_classical_rows_and_their_policies_in_the_env_agree(task, scripted, puzzles, policy):
    name = policy.__name__.removesuffix("Policy").lower()
    result = sweep(scripted(), task, {"all": puzzles}, STEPS, protocols=(), classical=(name,))
    solved = through_env(policy(task), puzzles)
    np.testing.assert_array_equal(solved, result.classical[name]["all"].solved)
    assert solved.any() == (name != "random")


def test_random_first_states_through_the_env(task, scripted, puzzles):
    env = made(len(puzzles))
    policy = RefinementPolicy(scripted(), seed=3)
    options = {"instance": puzzles}
    drawn = rollout(policy, env, STEPS[-1], options=options, deterministic=False)
    assert drawn.sum() > rollout(policy, env, STEPS[-1], options=options).sum()


def test_the_last_step_may_end_the_episode_or_not(scripted, puzzles):
    policy = RefinementPolicy(scripted())
    longer = through_env(policy, puzzles, max_episode_steps=STEPS[-1] + 5)
    np.testing.assert_array_equal(through_env(policy, puzzles), longer)


@pytest.mark.parametrize("options", [{"terminate_on_solved": True}, {"max_episode_steps": 5}])
def test_episodes_that_end_too_soon_are_an_error(scripted, puzzles, options):
    with pytest.raises(ValueError, match=r"ended at step \d+ of 14"):
        through_env(RefinementPolicy(scripted()), puzzles, **options)


def test_play_records_what_a_policy_does(task, scripted, puzzles):
    records = play(RefinementPolicy(scripted(broken=3)), task, puzzles, (2, 14))
    blanks = (puzzles.fields["givens"] < 0).sum(axis=1)
    lost = puzzles.fields["givens"][:, 0] < 0
    expected = np.where(lost & (blanks >= 3), -1, blanks)
    np.testing.assert_array_equal(records.first_solved, expected)
    np.testing.assert_array_equal(records.nonfinite, np.where(lost, 3, -1))


def test_episodes_that_restart_by_themselves_begin_anew(task, scripted):
    # Of two environments one has 4 blank cells, one 8: the first solves and restarts meanwhile.
    keys = np.arange(2, dtype=np.uint64)
    easy, hard = task.sample(keys[:1], "givens=12"), task.sample(keys[1:], "givens=8")
    puzzles = Instances(
        keys,
        {"givens": np.concatenate([easy.fields["givens"], hard.fields["givens"]])},
        {"answer": np.concatenate([easy.labels["answer"], hard.labels["answer"]])},
    )
    env = made(2, terminate_on_solved=True, max_episode_steps=64, level="givens=12")
    policy = RefinementPolicy(scripted())
    observation, _ = env.reset(seed=0, options={"instance": puzzles})
    state, starts, ends = None, np.ones(2, dtype=bool), []
    for _ in range(12):
        action, state = policy.predict(observation, state, starts)
        observation, _, terminated, truncated, _ = env.step(action)
        starts = terminated | truncated
        ends.append(starts.tolist())
    # Four steps each in the first environment, in the second four more at first.
    done = np.array(ends)
    assert np.flatnonzero(done[:, 0]).tolist() == [3, 7, 11]
    assert np.flatnonzero(done[:, 1]).tolist() == [7, 11]
