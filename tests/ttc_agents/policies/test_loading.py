"""Names of policies, and what each plays."""

import shutil

import gymnasium as gym
import numpy as np
import pytest

from ttc_agents.evaluation.rollout import play, rollout
from ttc_agents.inference.checkpoint import save_model
from ttc_agents.inference.refine import acted, classical_methods, refine
from ttc_agents.models import RecurrentPath
from ttc_agents.policies import MethodPolicy
from ttc_agents.policies.loading import load_agent
from ttc_envs import RefinementVectorEnv, SortingTask, make_task

TASK = make_task("ttc/Sudoku4-v0")


def instances(count=40, level="minimal"):
    return TASK.sample(np.arange(count, dtype=np.uint64), level)


def zeros(observation, state=None, episode_start=None, deterministic=True):
    """A policy that is a function: every cell takes choice 0."""
    return np.zeros_like(observation["answer"], dtype=np.int64), state


class Zeros:
    """The same as an object."""

    predict = staticmethod(zeros)


ZEROS = Zeros()


def played(name, steps=(1, 8, 32), **options):
    return play(load_agent(name, TASK, **options), TASK, instances(), steps)


def test_the_exact_solver_solves_and_holds():
    result = played("solve")
    assert result.holds.all()
    assert result.reached.all()


def test_classical_steps_need_several():
    result = played("classical")
    assert result.holds[:, 0].mean() < 0.2
    assert result.holds[:, 2].mean() > 0.9


def test_random_edits_are_allowed_ones_and_lose_what_they_reach():
    agent = load_agent("random", TASK, action_mode="edit", seed=1)
    easy = TASK.sample(np.arange(60, dtype=np.uint64), "givens=14")
    result = play(agent, TASK, easy, (1, 16))
    assert result.reached[:, 1].mean() > result.holds[:, 1].mean()
    assert not (result.holds[:, 1] & ~result.reached[:, 1]).any()
    masks = np.eye(4, dtype=bool)
    assert agent.policy.predict({}, action_masks=masks)[0].tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="need action_masks"):
        agent.policy.predict({})


@pytest.mark.parametrize("name", ["zeros", "ZEROS"])
def test_functions_and_objects_are_imported(name, monkeypatch, tmp_path):
    shutil.copy(__file__, tmp_path / "own_policies.py")
    monkeypatch.syspath_prepend(tmp_path)
    assert not played(f"own_policies:{name}").reached.any()


def test_a_checkpoint_is_a_policy():
    task = make_task("ttc/Sudoku-v0", split="test")
    agent = load_agent("sudoku-cpu", task)
    easy = task.sample(np.arange(20, dtype=np.uint64), "easy")
    assert play(agent, task, easy, (16,)).holds.mean() > 0.9


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("no_such_module:x", {}, "there is no module 'no_such_module'"),
        ("math:nothing", {}, "math has no 'nothing'"),
        ("math:pi", {}, "neither an object with predict nor a function"),
        ("random", {"action_mode": "logits"}, "got 'logits'"),
        ("solve", {"action_mode": "edit"}, "has action mode 'full', got 'edit'"),
        ("solve", {"observation": "one_hot"}, "has observation 'default', got 'one_hot'"),
    ],
)
def test_names_that_mean_nothing_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        load_agent(name, TASK, **options)


def test_a_model_of_another_task_is_refused():
    with pytest.raises(ValueError, match="is a model of sudoku, the task is sorting"):
        load_agent("sudoku-cpu", make_task("ttc/Sorting-v0"))


def test_a_language_model_plays_with_a_beam(tmp_path):
    task = make_task("ttc/ShortestPathUSA-v0", cities="spread=12", slots=8)
    options = {"width": 8, "embedding": 4}
    model = RecurrentPath(task.spec, **options)
    config = {"model": "recurrent_path", "model_options": options, "env_id": "", "task": {}}
    save_model(tmp_path, model.state_dict(), task.spec, config)
    agent = load_agent(f"beam:3:{tmp_path}", task)
    assert agent.policy.beam == 3
    shown = task.sample(np.arange(5, dtype=np.uint64), "any")
    assert play(agent, task, shown, (1, 2)).holds.shape == (5, 2)
    with pytest.raises(ValueError, match="expected beam:K:CHECKPOINT"):
        load_agent(f"beam:wide:{tmp_path}", task)
    with pytest.raises(
        ValueError, match="a FactorGraphNetwork does not write answers slot by slot"
    ):
        load_agent("beam:3:sudoku-cpu", make_task("ttc/Sudoku-v0"))


# Classical methods


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
