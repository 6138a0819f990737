"""The numbers of a sweep come out through the Gymnasium environment, too."""

from importlib import import_module

import gymnasium as gym
import numpy as np
import pytest
import torch

from ttc_agents.evaluation import joined, sweep
from ttc_agents.evaluation.rollout import play, rollout, sweep_agent
from ttc_agents.inference import RefinementPolicy
from ttc_agents.models import FactorGraphNetwork
from ttc_agents.policies import Agent, MethodPolicy, load_agent
from ttc_envs import Instances, make_task

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


@pytest.mark.parametrize("name", ["improve", "solve", "random"])
def test_classical_rows_and_their_policies_in_the_env_agree(task, scripted, puzzles, name):
    result = sweep(scripted(), task, {"all": puzzles}, STEPS, protocols=(), classical=(name,))
    solved = through_env(MethodPolicy(task, name), puzzles)
    np.testing.assert_array_equal(solved, result.solved[name]["all"])
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


def test_play_says_what_holds_and_what_was_reached(task, scripted, puzzles):
    agent = Agent(RefinementPolicy(scripted(collapse=10, broken=9)))
    seen = []
    found = play(agent, task, puzzles, (6, 9, 14), report=seen.append)
    blanks = (puzzles.fields["givens"] < 0).sum(axis=1)
    lost = puzzles.fields["givens"][:, 0] < 0
    # The first step after which the rules hold; at step 11 all is lost.
    first = np.where((lost & (blanks >= 9)) | (blanks > 10), 99, blanks)
    for column, step in enumerate((6, 9, 14)):
        np.testing.assert_array_equal(found.reached[:, column], first <= step)
        holds = (first <= step) & (step <= 10) & ~(lost & (step >= 9))
        np.testing.assert_array_equal(found.holds[:, column], holds)
    assert (found.reached != found.holds).any(axis=0).tolist() == [False, True, True]
    np.testing.assert_array_equal(found.finite, ~lost)
    assert seen == [1.0]


def test_instances_are_played_in_batches(task, scripted, puzzles, monkeypatch):
    agent = Agent(RefinementPolicy(scripted()))
    whole, seen = play(agent, task, puzzles, (6, 14)), []
    monkeypatch.setattr(import_module("ttc_agents.evaluation.rollout"), "BATCH_SIZE", 10)
    parts = play(agent, task, puzzles, (6, 14), report=seen.append)
    np.testing.assert_array_equal(parts.holds, whole.holds)
    np.testing.assert_array_equal(parts.reached, whole.reached)
    np.testing.assert_array_equal(parts.finite, whole.finite)
    assert seen == pytest.approx([10 / 24, 20 / 24, 1.0])


def test_a_sweep_of_an_agent_is_that_of_its_model(task, scripted, puzzles):
    model = scripted(collapse=7)
    families, seen = {"some": puzzles[:9], "others": puzzles[9:]}, []
    agent = Agent(RefinementPolicy(model))
    result = sweep_agent(
        "mine", agent, task, families, (2, 6, 14), report=lambda *told: seen.append(told)
    )
    expected = sweep(model, task, families, (2, 6, 14), classical=())
    assert result.steps == (2, 6, 14)
    assert list(result.solved) == ["mine"]
    assert result.to_json()["rows"] == {"mine": expected.to_json()["rows"]["p1"]}
    assert seen == [("some", 1.0), ("others", 1.0)]
    settings = {"action_mode": "full", "deterministic": True}
    assert result.to_json()["settings"] == {"mine": settings}
    assert (result.to_json()["scores"], result.to_json(True)["records"]) == ({}, {})


def test_a_sweep_of_an_agent_says_what_was_not_finite(task, scripted, puzzles):
    agent = Agent(RefinementPolicy(scripted(broken=9)))
    families = {"some": puzzles[:9], "others": puzzles[9:]}
    lost = puzzles.fields["givens"][:, 0] < 0
    document = sweep_agent("mine", agent, task, families, (6, 14)).to_json()
    assert document["nonfinite"] == {"mine": {"some": lost[:9].sum(), "others": lost[9:].sum()}}
    whole = sweep_agent("whole", Agent(RefinementPolicy(scripted())), task, families, (6, 14))
    assert joined([sweep_agent("mine", agent, task, families, (6, 14)), whole]).to_json()[
        "nonfinite"
    ] == {**document["nonfinite"], "whole": {"some": 0, "others": 0}}


def test_a_sweep_of_an_agent_may_draw(task, scripted, puzzles):
    """Random first states are ahead of the model's own."""

    def solved(deterministic):
        agent = Agent(RefinementPolicy(scripted(), seed=3))
        found = sweep_agent("row", agent, task, {"all": puzzles}, (6,), deterministic=deterministic)
        assert found.settings["row"]["deterministic"] is deterministic
        return found.solved["row"]["all"].sum()

    assert solved(False) > solved(True)


def test_a_sweep_of_an_agent_counts_edits_from_the_first_solve():
    task = make_task("ttc/Sudoku4-v0")
    easy = task.sample(np.arange(60, dtype=np.uint64), "givens=14")
    # Agents draw as they go, so each sweep takes a new one.
    found = sweep_agent("random", edits(task), task, {"easy": easy}, (4, 16))
    reached = play(edits(task), task, easy, (4, 16))
    np.testing.assert_array_equal(found.solved["random"]["easy"], reached.reached)
    assert (reached.reached != reached.holds).any()
    document = found.to_json()
    shares = document["rows"]["random"]["easy"]
    assert shares["16"]["solved"] > shares["4"]["solved"]
    assert document["settings"]["random"]["action_mode"] == "edit"


def edits(task):
    """Plays random edits."""
    return load_agent("random", task, action_mode="edit", seed=1)


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
