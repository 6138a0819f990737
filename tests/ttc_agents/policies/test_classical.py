"""Classical methods behind `predict`."""

import gymnasium as gym
import numpy as np
import pytest

from ttc_agents.evaluation.rollout import rollout
from ttc_agents.inference.refine import acted, classical_methods, refine
from ttc_agents.policies import MethodPolicy
from ttc_envs import RefinementVectorEnv, SortingTask

METHODS = ("random", "improve", "solve")


@pytest.fixture(scope="module")
def puzzles(task):
    return task.sample(np.arange(8, dtype=np.uint64), "minimal")


def seen(task, puzzles, answer=None):
    return {**puzzles.fields, "answer": task.initial_answer(puzzles) if answer is None else answer}


def counting(monkeypatch, task, name):
    """The batch sizes with which a method of the task is called from here on."""
    calls, method = [], getattr(type(task), name)

    def counted(self, instances, *rest):
        calls.append(len(instances))
        return method(self, instances, *rest)

    monkeypatch.setattr(type(task), name, counted)
    return calls


def test_improve_takes_one_classical_step_at_a_time(task, puzzles, monkeypatch):
    policy = MethodPolicy(task, "improve")
    answer, state = task.initial_answer(puzzles), None
    observation, answers = seen(task, puzzles), []
    for _ in range(8):
        answer = task.improve(puzzles, answer)
        answers.append(answer)
    assert (answers[0] < 0).any()
    assert np.array_equal(answers[-1], answers[-2])
    calls = counting(monkeypatch, task, "improve")
    for answer in answers:
        action, state = policy.predict(observation, state)
        np.testing.assert_array_equal(state.answer, answer)
        np.testing.assert_array_equal(action, np.maximum(answer, 0))
        # What choice 0 stands in for is not mistaken for an answer later on.
        observation = seen(task, puzzles, action)
    # Once an answer has come to rest, nothing is computed any more.
    assert len(calls) < len(answers)


def test_improve_begins_anew_where_an_episode_does(task, puzzles):
    policy = MethodPolicy(task, "improve")
    state = None
    for _ in range(8):
        _, state = policy.predict(seen(task, puzzles), state)
    other = task.sample(np.arange(100, 108, dtype=np.uint64), "minimal")
    starts = np.arange(8) % 2 == 0
    mixed = {"givens": np.where(starts[:, None], other.fields["givens"], puzzles.fields["givens"])}
    answer = np.where(starts[:, None], mixed["givens"], state.answer)
    _, after = policy.predict({**mixed, "answer": answer}, state, starts)
    expected = task.improve(other, task.initial_answer(other))
    np.testing.assert_array_equal(after.answer[starts], expected[starts])
    np.testing.assert_array_equal(after.answer[~starts], state.answer[~starts])
    # The next step goes on from where each row is.
    _, last = policy.predict({**mixed, "answer": after.answer}, after, np.zeros(8, dtype=bool))
    expected = task.improve(other, expected)
    np.testing.assert_array_equal(last.answer[starts], expected[starts])
    np.testing.assert_array_equal(last.answer[~starts], state.answer[~starts])


def test_solve_searches_once_per_episode(task, puzzles, monkeypatch):
    calls = counting(monkeypatch, task, "solve")
    policy = MethodPolicy(task, "solve")
    action, state = policy.predict(seen(task, puzzles))
    np.testing.assert_array_equal(action, puzzles.labels["answer"])
    again, state = policy.predict(seen(task, puzzles), state, np.zeros(8, dtype=bool))
    np.testing.assert_array_equal(again, action)
    policy.predict(seen(task, puzzles), state, np.arange(8) == 5)
    assert calls == [8, 1]


def test_random_answers_come_from_the_seed_and_change(task, puzzles):
    def drawn(seed):
        policy, state, actions = MethodPolicy(task, "random", seed), None, []
        for _ in range(2):
            action, state = policy.predict(seen(task, puzzles), state)
            actions.append(action.tolist())
        return actions

    assert drawn(1) == drawn(1) != drawn(2)
    first, second = drawn(1)
    assert first != second
    assert np.unique(first).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("method", METHODS)
def test_a_single_env_gets_a_single_action(task, method):
    env = gym.make("ttc_envs:ttc/Sudoku4-v0")
    observation, _ = env.reset(seed=0)
    policy = MethodPolicy(task, method)
    action, state = policy.predict(observation)
    assert env.action_space.contains(action)
    assert policy.predict(observation, state)[0].shape == action.shape


@pytest.mark.parametrize("method", METHODS)
def test_an_environment_and_the_refinement_loop_agree(task, puzzles, method):
    envs = RefinementVectorEnv(task, 8, terminate_on_solved=False, max_episode_steps=13)
    played = rollout(MethodPolicy(task, method, 4), envs, 12, options={"instance": puzzles})
    # An action has to say something of undecided nodes, too.
    steps = list(refine(acted(classical_methods(task, 4)[method], task), task, puzzles, 12))
    solved = [task.score(puzzles, step.answer)["solved"] for step in steps]
    np.testing.assert_array_equal(played, solved)
    np.testing.assert_array_equal(envs.episodes.state.answer, steps[-1].answer)
    assert played[-1].any() == (method != "random")


@pytest.mark.parametrize("method", ["improve", "solve", "bitonic"])
def test_they_read_the_instance_behind_the_observation(method):
    task = SortingTask(size=8, min_size=5)
    instances = task.sample(np.arange(4, dtype=np.uint64), "reversed")
    envs = RefinementVectorEnv(task, 4, terminate_on_solved=False, max_episode_steps=10)
    played = rollout(MethodPolicy(task, method), envs, 10, options={"instance": instances})
    steps = refine(classical_methods(task)[method], task, instances, 10)
    solved = [task.score(instances, step.answer)["solved"] for step in steps]
    np.testing.assert_array_equal(played, solved)
    assert played[-1].all()


@pytest.mark.parametrize("method", ["improve", "solve"])
def test_exchanges_of_neighbours_take_a_round_per_key(method):
    """Where what is shown depends on the current answer."""
    task = SortingTask(size=8, min_size=5, view="adjacent")
    instances = task.sample(np.arange(4, dtype=np.uint64), "reversed")
    envs = RefinementVectorEnv(task, 4, terminate_on_solved=False, max_episode_steps=10)
    solved = rollout(MethodPolicy(task, method), envs, 10, options={"instance": instances})
    assert solved[-1].all()
    rounds = solved.argmax(axis=0) + 1
    lengths = instances.fields["mask"].sum(axis=1)
    assert ((rounds == lengths) | (rounds == lengths - 1)).all()


def test_rows_that_begin_at_different_times_go_their_own_ways(task):
    """Episodes end where they are solved, and the next ones begin at once."""
    envs = RefinementVectorEnv(task, 6, level="medium", max_episode_steps=7)
    policy, improve = MethodPolicy(task, "improve"), classical_methods(task)["improve"]
    observation, _ = envs.reset(seed=3)
    state, starts, own = None, np.ones(6, dtype=bool), [None] * 6
    begun = set()
    for count in range(30):
        for row in np.flatnonzero(starts):
            begun.add((count, int(row)))
            fields = {"givens": observation["givens"][row : row + 1]}
            own[row] = refine(improve, task, task.from_fields(fields), 7)
        action, state = policy.predict(observation, state, starts)
        for row in range(6):
            expected = next(own[row]).answer[0]
            np.testing.assert_array_equal(state.answer[row], expected)
            np.testing.assert_array_equal(action[row], np.maximum(expected, 0))
        observation, _, terminated, truncated, _ = envs.step(action)
        starts = terminated | truncated
    times = [count for count, _ in begun]
    assert 0 < min(times.count(time) for time in set(times)) < 6
    # Methods whose rows have all begun anew are let go.
    assert set(state.running) == set(state.group.tolist())


def test_an_unknown_method_is_refused(task):
    with pytest.raises(ValueError, match="has the methods random, improve, solve, got 'guess'"):
        MethodPolicy(task, "guess")
