import gymnasium as gym
import numpy as np
import pytest

from ttc_agents.policies import ImprovePolicy, RandomPolicy, SolvePolicy


@pytest.fixture(scope="module")
def puzzles(task):
    return task.sample(np.arange(8, dtype=np.uint64), "minimal")


def seen(task, puzzles, answer=None):
    return {**puzzles.fields, "answer": task.initial_answer(puzzles) if answer is None else answer}


def test_improve_takes_one_classical_step_at_a_time(task, puzzles):
    policy = ImprovePolicy(task)
    answer, state = task.initial_answer(puzzles), None
    observation = seen(task, puzzles)
    for _ in range(8):
        action, state = policy.predict(observation, state)
        answer = task.improve(puzzles, answer)
        np.testing.assert_array_equal(state[0], answer)
        np.testing.assert_array_equal(action, np.maximum(answer, 0))
        # What choice 0 stands in for is not mistaken for an answer later on.
        observation = seen(task, puzzles, action)
    assert state[1]


def test_improve_begins_anew_where_an_episode_does(task, puzzles):
    policy = ImprovePolicy(task)
    state = None
    for _ in range(8):
        _, state = policy.predict(seen(task, puzzles), state)
    other = task.sample(np.arange(100, 108, dtype=np.uint64), "minimal")
    starts = np.arange(8) % 2 == 0
    mixed = {"givens": np.where(starts[:, None], other.fields["givens"], puzzles.fields["givens"])}
    observation = {**mixed, "answer": np.where(starts[:, None], mixed["givens"], state[0])}
    _, after = policy.predict(observation, state, starts)
    expected = task.improve(other, task.initial_answer(other))
    np.testing.assert_array_equal(after[0][starts], expected[starts])
    np.testing.assert_array_equal(after[0][~starts], state[0][~starts])
    assert not after[1]


def test_solve_searches_once_per_episode(task, puzzles, monkeypatch):
    calls = []
    solve = type(task).solve
    monkeypatch.setattr(type(task), "solve", lambda self, p: calls.append(len(p)) or solve(self, p))
    policy = SolvePolicy(task)
    action, state = policy.predict(seen(task, puzzles))
    np.testing.assert_array_equal(action, puzzles.labels["answer"])
    policy.predict(seen(task, puzzles), state, np.zeros(8, dtype=bool))
    policy.predict(seen(task, puzzles), state, np.arange(8) == 5)
    assert calls == [8, 1]


def test_random_answers_come_from_the_seed_and_change(task, puzzles):
    def drawn(seed):
        policy = RandomPolicy(task, seed)
        return [policy.predict(seen(task, puzzles))[0].tolist() for _ in range(2)]

    assert drawn(1) == drawn(1) != drawn(2)
    first, second = drawn(1)
    assert first != second
    assert np.unique(first).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("make", [ImprovePolicy, SolvePolicy, RandomPolicy])
def test_a_single_env_gets_a_single_action(task, make):
    env = gym.make("ttc_envs:ttc/Sudoku4-v0")
    observation, _ = env.reset(seed=0)
    action, state = make(task).predict(observation)
    assert env.action_space.contains(action)
    assert make(task).predict(observation, state)[0].shape == action.shape
