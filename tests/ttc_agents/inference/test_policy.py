import gymnasium as gym
import numpy as np
import pytest
import torch

from ttc_agents.inference import RefinementPolicy


@pytest.fixture(scope="module")
def puzzles(task):
    return task.sample(np.arange(6, dtype=np.uint64), "givens=6")


def seen(task, puzzles):
    return {**puzzles.fields, "answer": task.initial_answer(puzzles)}


def test_a_single_env_gets_a_single_action(scripted):
    env = gym.make("ttc_envs:ttc/Sudoku4-v0", terminate_on_solved=False)
    policy = RefinementPolicy(scripted())
    observation, info = env.reset(seed=0)
    state, start = None, np.array([True])
    while not info["solved"]:
        action, state = policy.predict(observation, state, start)
        assert env.action_space.contains(action)
        observation, _, _, truncated, info = env.step(action)
        start = np.array([False])
        assert not truncated
    assert int(state.z[0]) == info["first_solved_step"]


def test_the_state_begins_anew_by_row(task, scripted, puzzles):
    policy = RefinementPolicy(scripted())
    observation = seen(task, puzzles)
    _, state = policy.predict(observation)
    _, state = policy.predict(observation, state, np.zeros(6, dtype=bool))
    starts = np.array([True, False, False, True, False, False])
    _, state = policy.predict(observation, state, starts)
    assert state.z[:, 0].tolist() == [1, 3, 3, 1, 3, 3]
    _, state = policy.predict(observation, state)
    assert state.z[:, 0].tolist() == [2, 4, 4, 2, 4, 4]


def test_rows_that_are_not_finite_say_nothing_until_they_begin_anew(task, scripted, puzzles):
    lost = puzzles.fields["givens"][:, 0] < 0
    assert 0 < lost.sum() < 6
    policy = RefinementPolicy(scripted(broken=2))
    observation = seen(task, puzzles)
    _, state = policy.predict(observation)
    assert state.finite.all()
    action, state = policy.predict(observation, state)
    np.testing.assert_array_equal(state.finite, ~lost)
    assert (action[lost] == 0).all()
    assert (state.confidence[lost] == 0).all()
    _, state = policy.predict(observation, state, np.ones(6, dtype=bool))
    assert state.finite.all()


def test_the_confidence_is_the_probability_of_the_choice(task, scripted, puzzles):
    _, state = RefinementPolicy(scripted()).predict(seen(task, puzzles))
    sure, doubtful = (np.exp(h) / (np.exp(h) + 3) for h in (4.0, 0.2))
    assert state.confidence.shape == (6, 16)
    right = (puzzles.fields["givens"] < 0).cumsum(axis=1) <= 1
    np.testing.assert_allclose(state.confidence, np.where(right, sure, doubtful), rtol=1e-5)


def test_random_first_states_come_from_the_seed(task, scripted, puzzles):
    def drawn(seed):
        policy = RefinementPolicy(scripted(), seed=seed)
        _, state = policy.predict(seen(task, puzzles), deterministic=False)
        return state.z[:, 0].tolist()

    assert drawn(1) == drawn(1) != drawn(2)
    assert len(set(drawn(1))) > 1


def test_no_gradient_is_kept(task, scripted, puzzles):
    _, state = RefinementPolicy(scripted()).predict(seen(task, puzzles))
    assert not state.z.requires_grad
    assert torch.is_tensor(state.z)


def test_models_that_read_the_answer_get_it(task, scripted, puzzles):
    model = scripted()
    encode, batches = model.encode, []
    model.reads_answer = True
    model.encode = lambda batch: batches.append(batch) or encode(batch)
    RefinementPolicy(model).predict(seen(task, puzzles))
    np.testing.assert_array_equal(batches[0]["answer"].numpy(), task.initial_answer(puzzles))


def test_other_observations_are_errors(task, scripted, puzzles):
    policy = RefinementPolicy(scripted())
    with pytest.raises(ValueError, match=r"lacks \['givens'\]"):
        policy.predict({"answer": task.initial_answer(puzzles)})
    env = gym.make_vec("ttc_envs:ttc/Sudoku4-v0", num_envs=2, observation="one_hot")
    observation, _ = env.reset(seed=0)
    with pytest.raises(ValueError, match="observation='default'"):
        policy.predict(observation)
    _, state = policy.predict(seen(task, puzzles))
    with pytest.raises(ValueError, match=r"episode_start must have shape \(6,\)"):
        policy.predict(seen(task, puzzles), state, np.ones(5))
