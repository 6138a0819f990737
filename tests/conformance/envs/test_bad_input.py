"""Bad input gives a clear error and leaves the environment usable."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ClosedEnvironmentError, Error, ResetNeeded
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import ttc_envs

IDS = sorted(ttc_envs.registered())
MODES = ["full", "edit", "logits"]
EXAMPLES = settings(max_examples=40)

SHAPES = st.sampled_from([(), (1,), (2,), (16,), (64,), (2, 16), (2, 64), (16, 4), (0,)])
DTYPES = st.sampled_from(
    ["int8", "uint8", "int64", "uint64", "float32", "float64", "bool", "complex64", "U1", "O"]
)
ARRAYS = st.builds(
    lambda shape, dtype, value: np.full(shape, value).astype(dtype),
    SHAPES,
    DTYPES,
    st.sampled_from([0, 1, 3, 5, 70, 100, -1 + 2**7]),
)
NUMBERS = st.one_of(
    st.integers(), st.floats(), st.none(), st.text(), st.booleans(), st.lists(st.floats())
)
LOGITS = hnp.arrays("float64", SHAPES, elements=st.floats(-1e9, 1e9) | st.just(np.nan))
ANYTHING = st.one_of(ARRAYS, NUMBERS, LOGITS)


def env_of(mode):
    env = gym.make("ttc/Sudoku4-v0", action_mode=mode).unwrapped
    env.reset(seed=0)
    return env


def snapshot(env):
    observation = env.episodes.observe()
    return {name: values.copy() for name, values in observation.items()}


def assert_usable(env, before):
    """The failed call left no trace, and a good one works."""
    assert all(np.array_equal(before[name], v) for name, v in snapshot(env).items())
    observation = env.step(env.action_space.sample())[0]
    assert (observation["step"] == before["step"].reshape(-1) + 1).all()


def refusal(call, *args):
    """The message of the ValueError that a call raises, None where it goes through."""
    try:
        call(*args)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize("mode", MODES)
@given(action=ANYTHING)
@EXAMPLES
def test_an_action_outside_the_space_is_an_error(mode, action):
    env = env_of(mode)
    before = snapshot(env)
    message = refusal(env.step, action)
    if message is None:
        # Accepted: it means what the space says, whatever its dtype.
        array = np.asarray(action)
        assert array.shape == env.action_space.shape
        assert np.isfinite(array.astype(float)).all()
        if mode != "logits":
            assert array.astype(np.int64) in env.action_space
    else:
        assert "actions must" in message or "must be finite" in message
        assert_usable(env, before)


@pytest.mark.parametrize("mode", MODES)
@given(actions=ANYTHING)
@EXAMPLES
def test_vector_actions_outside_the_space_are_an_error(mode, actions):
    envs = gym.make_vec("ttc/Sudoku4-v0", num_envs=2, action_mode=mode)
    envs.reset(seed=0)
    before = snapshot(envs)
    message = refusal(envs.step, actions)
    if message is None:
        assert np.shape(actions) == envs.action_space.shape
    else:
        assert "actions must" in message or "must be finite" in message
        assert_usable(envs, before)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_an_error(bad):
    env = env_of("logits")
    before = snapshot(env)
    logits = np.zeros(64, dtype=np.float32)
    logits[17] = bad
    with pytest.raises(ValueError, match="finite"):
        env.step(logits)
    assert_usable(env, before)


def test_logits_beyond_the_box_are_accepted():
    env = env_of("logits")
    answer = env.solution() * 1e30
    assert env.step(answer.astype(np.float64))[4]["solved"]


@pytest.mark.parametrize("env_id", IDS)
def test_a_step_before_reset_is_an_error(env_id):
    env, envs = gym.make(env_id), gym.make_vec(env_id, num_envs=2)
    for each in (env, env.unwrapped, envs):
        with pytest.raises(ResetNeeded, match="reset"):
            each.step(each.action_space.sample())
    for call in (env.unwrapped.solution, envs.solution):
        with pytest.raises(ResetNeeded, match="reset"):
            call()
    with pytest.raises(ResetNeeded, match="reset"):
        envs.reset(options={"reset_mask": np.array([True, False])})
    for each in (env, envs):
        each.reset(seed=0)
        each.step(each.action_space.sample())


@pytest.mark.parametrize("env_id", IDS)
def test_a_step_after_close_is_an_error(env_id):
    for each in (gym.make(env_id), gym.make_vec(env_id, num_envs=2)):
        each.reset(seed=0)
        each.close()
        each.close()
        with pytest.raises(ClosedEnvironmentError):
            each.step(each.action_space.sample())
        with pytest.raises(ClosedEnvironmentError):
            each.reset(seed=0)


def test_a_step_after_the_end_is_an_error():
    env = env_of("full")
    assert env.step(env.solution())[2]
    with pytest.raises(ResetNeeded, match="over"):
        env.step(env.action_space.sample())
    env.reset()
    assert env.step(env.solution())[2]


def test_a_step_with_a_finished_row_is_an_error_without_autoreset():
    envs = gym.make_vec("ttc/Sudoku4-v0", num_envs=3, autoreset_mode=AutoresetMode.DISABLED)
    envs.reset(seed=0)
    actions = envs.solution()
    actions[[0, 2]] = 0
    envs.step(actions)
    with pytest.raises(ResetNeeded, match=r"1 episodes are over \(\[1\]\)"):
        envs.step(actions)
    envs.reset(options={"reset_mask": np.array([False, True, False])})
    assert envs.step(actions)[0]["step"].tolist() == [[2], [1], [2]]


OPTIONS = [
    ({"levle": "easy"}, "unknown reset options"),
    ({"level": "impossible"}, "impossible"),
    ({"level": 3}, "level must be a string"),
    ({"level": "givens=200"}, "givens"),
    ({"level": "file:/nowhere.csv"}, "nowhere"),
    ({"instance_id": -1}, "negative"),
    ({"instance_id": 0.5}, "integer"),
    ({"instance_id": 2**64}, "2\\*\\*64"),
    ({"instance_id": [1, 2, 3, 4]}, "integer"),
    ({"instance_id": "7"}, "integer"),
    ({"instance": {}}, "fields"),
    ({"instance": 3}, "dict of fields"),
    ({"instance": {"givens": np.zeros(16)}}, "givens must"),
    ({"instance": {"givens": np.full(15, -1)}}, "givens must"),
    ({"instance": {"givens": np.full(16, 4)}}, "lie in -1..3"),
    ({"instance": {"givens": np.zeros(16, int)}}, "no solution"),
    ({"instance": {"givens": np.full(16, -1)}, "level": "easy"}, "excludes"),
]


@pytest.mark.parametrize(("options", "message"), OPTIONS)
def test_a_bad_reset_option_is_an_error(options, message):
    env = env_of("full")
    envs = gym.make_vec("ttc/Sudoku4-v0", num_envs=2)
    envs.reset(seed=0)
    for each in (env, envs):
        before = snapshot(each)
        with pytest.raises((ValueError, OSError), match=None if each is envs else message):
            each.reset(options=options)
        assert_usable(each, before)


MASKS = [
    np.array([True]),
    np.array([0, 1]),
    np.array([False, False]),
    "all",
    [[True, False]],
]


@pytest.mark.parametrize("mask", MASKS, ids=str)
def test_a_bad_reset_mask_is_an_error(mask):
    envs = gym.make_vec("ttc/Sudoku4-v0", num_envs=2)
    envs.reset(seed=0)
    before = snapshot(envs)
    with pytest.raises(ValueError, match="reset_mask must"):
        envs.reset(options={"reset_mask": mask})
    assert_usable(envs, before)
    with pytest.raises(ValueError, match="unknown reset options"):
        env_of("full").reset(options={"reset_mask": np.array([True])})


@given(seed=st.integers(min_value=-(2**70), max_value=2**130))
@EXAMPLES
def test_seeds_are_taken_or_refused(seed):
    for env in (env_of("full"), gym.make_vec("ttc/Sudoku4-v0", num_envs=2)):
        if seed < 0:
            with pytest.raises(Error, match="greater or equal to zero"):
                env.reset(seed=seed)
            env.reset()
        else:
            first, again = env.reset(seed=seed)[0], env.reset(seed=seed)[0]
            assert np.array_equal(first["givens"], again["givens"])


@pytest.mark.parametrize("seed", ["7", 1.5, [1, 2, 3], [1], [1, -1]])
def test_malformed_seeds_are_refused(seed):
    envs = gym.make_vec("ttc/Sudoku4-v0", num_envs=2)
    _, infos = envs.reset(seed=3)
    with pytest.raises((ValueError, TypeError, Error)):
        envs.reset(seed=seed)
    following = gym.make_vec("ttc/Sudoku4-v0", num_envs=2)
    following.reset(seed=3)
    # The refused seeds changed no generator.
    expected = following.reset()[1]["instance_id"]
    assert np.array_equal(envs.reset()[1]["instance_id"], expected)
    assert not np.array_equal(expected, infos["instance_id"])


ARGUMENTS = [
    ({"action_mode": "edits"}, ValueError, "action_mode must be one of"),
    ({"reward": "dense"}, ValueError, "reward must be one of"),
    ({"observation": "image"}, ValueError, "observation must be"),
    ({"level": "impossible"}, ValueError, "impossible"),
    ({"size": 5}, ValueError, "size must be one of"),
    ({"size": "9"}, ValueError, "size must be one of"),
    ({"split": "dev"}, ValueError, "split must be one of"),
    ({"strict": True, "action_mode": "full"}, ValueError, "strict=True applies to"),
    ({"strict": 1}, ValueError, "strict must be"),
    ({"terminate_on_solved": "no"}, ValueError, "terminate_on_solved must be"),
    ({"lvel": "easy"}, TypeError, "lvel"),
    ({"task": "chess"}, ValueError, "task must be 'module:Class'"),
    ({"task": "no_such:Task"}, ValueError, "no_such"),
    ({"task": "math:pi"}, ValueError, "a Task class or a Task"),
    ({"task": "math:tau_"}, ValueError, "tau_"),
    ({"task": 3}, ValueError, "a Task class or a Task, got 3"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), ARGUMENTS)
def test_a_bad_argument_is_an_error(arguments, error, message):
    with pytest.raises(error, match=message):
        gym.make("ttc/SudokuEdit-v0", **arguments)
    with pytest.raises(error, match=message):
        gym.make_vec("ttc/SudokuEdit-v0", num_envs=2, **arguments)


VECTOR_ARGUMENTS = [
    ({"num_envs": 0}, "num_envs must be"),
    ({"num_envs": 2.0}, "num_envs must be"),
    ({"max_episode_steps": 0}, "max_episode_steps must be"),
    ({"max_episode_steps": 1.5}, "max_episode_steps must be"),
    ({"autoreset_mode": "sometimes"}, "sometimes"),
    ({"render_mode": "hologram"}, "render_mode must be"),
]


@pytest.mark.parametrize(("arguments", "message"), VECTOR_ARGUMENTS)
def test_a_bad_vector_argument_is_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        ttc_envs.RefinementVectorEnv(ttc_envs.SudokuTask, **arguments)


@pytest.mark.parametrize("mode", MODES)
def test_what_the_caller_changes_afterwards_changes_nothing(mode):
    pair = [gym.make_vec("ttc/Sudoku4-v0", num_envs=3, action_mode=mode) for _ in range(2)]
    givens = np.full((3, 16), -1)
    rng = np.random.default_rng(0)
    for envs in pair:
        observations, infos = envs.reset(seed=2, options={"instance": {"givens": givens}})
        if envs is pair[1]:
            vandalise(observations, infos)
    for _ in range(20):
        actions = [actions_like(envs, seed=int(rng.integers(100))) for envs in pair[:1]] * 2
        results = []
        for envs, action in zip(pair, actions, strict=True):
            given_action = action.copy()
            *result, infos = envs.step(given_action)
            results.append([{k: v.copy() for k, v in result[0].items()}, result[1].copy()])
            if envs is pair[1]:
                vandalise(result[0], infos, given_action)
        for name, values in results[0][0].items():
            assert np.array_equal(values, results[1][0][name])
        assert np.array_equal(results[0][1], results[1][1])


def actions_like(envs, seed):
    envs.action_space.seed(seed)
    return envs.action_space.sample()


def vandalise(*things):
    for thing in things:
        if isinstance(thing, dict):
            vandalise(*thing.values())
        elif thing.dtype == object:
            vandalise(*(item for item in thing if item is not None))
        else:
            thing[...] = 1
