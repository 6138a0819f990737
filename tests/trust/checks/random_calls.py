"""Random calls, wrong ones among them, on every id: single environments against the vector one.

A state machine of hypothesis holds a vector environment and single ones with the same seeds, which
agree step by step whatever was called, refused, copied or scribbled on in between.
"""

import contextlib
import copy
import pickle

import gymnasium as gym
import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from ttc_envs import make_task, registered

PROMISE = "No order of calls breaks an environment, and the vector one agrees with single ones."
TRIES, SHORT = 60, 1
ENVS, STEPS = 2, 5
QUICK = ("ttc/SudokuEdit4-v0", "ttc/Sorting-v0", "ttc/ShortestPath-v0")
MODES = ("full", "edit", "logits")
WRONG_OPTIONS = [
    {"level": "no such level"},
    {"level": 7},
    {"instance_id": -1},
    {"instance_id": "x"},
    {"instance": {"nothing": 1}},
    {"instance_id": 1, "instance": {}},
    {"unknown": 1},
    {"reset_mask": np.zeros(ENVS, bool)},
]
WRONG_ACTIONS = [None, "x", [], -1, 10**9, np.nan, np.zeros((3, 3, 3)), np.full(2, np.inf), {}]


class Calls(RuleBasedStateMachine):
    """Set `env_id` in a subclass."""

    env_id = ""

    @initialize(mode=st.sampled_from(MODES), ends=st.booleans(), seed=st.integers(0, 2**32 - 9))
    def make(self, mode, ends, seed):
        options = {"action_mode": mode, "terminate_on_solved": ends}
        self.vector = gym.make_vec(
            self.env_id, num_envs=ENVS, max_episode_steps=STEPS, render_mode="ansi", **options
        )
        self.single = [
            gym.make(self.env_id, max_episode_steps=STEPS, **options) for _ in range(ENVS)
        ]
        self.levels = make_task(self.env_id).spec.levels
        self.seen, self.infos, self.over = None, None, np.zeros(ENVS, bool)
        self.reset(seed, None, None)

    @rule(
        seed=st.none() | st.integers(0, 2**32 - 9),
        level=st.none() | st.integers(0, 99),
        key=st.none() | st.integers(0, 2**64 - 1),
    )
    def reset(self, seed, level, key):
        options = {}
        if level is not None:
            options["level"] = self.levels[level % len(self.levels)]
        if key is not None:
            options["instance_id"] = key
        self.seen, self.infos = self.vector.reset(seed=seed, options=options)
        for row, env in enumerate(self.single):
            own = None if seed is None else seed + row
            self.compare(row, *env.reset(seed=own, options=options))

    @rule(seed=st.integers(0, 2**32 - 1), solve=st.booleans())
    def step(self, seed, solve):
        self.vector.action_space.seed(seed)
        actions = self.vector.action_space.sample()
        if solve and self.vector.unwrapped.episodes.edits is False:
            actions = np.array(self.vector.unwrapped.solution())
        self.seen, rewards, terminated, truncated, self.infos = self.vector.step(actions)
        for row, env in enumerate(self.single):
            observation, reward, ended, cut, info = env.step(actions[row])
            assert np.isclose(reward, rewards[row]), (reward, rewards)
            assert (ended, cut) == (terminated[row], truncated[row])
            if ended or cut:
                final = self.infos["final_obs"][row]
                assert all(np.array_equal(final[name], observation[name]) for name in final)
                assert info["instance_id"] == self.infos["final_info"]["instance_id"][row]
                observation, info = env.reset()
            self.compare(row, observation, info)

    @rule(option=st.sampled_from(WRONG_OPTIONS), key=st.integers(0, 3))
    def reset_wrongly(self, option, key):
        self.refused(lambda: self.vector.reset(options=dict(option)))
        self.refused(lambda: self.single[0].reset(options=dict(option)))

    @rule(action=st.sampled_from(WRONG_ACTIONS))
    def step_wrongly(self, action):
        self.refused(lambda: self.vector.step(action))
        self.refused(lambda: self.single[0].unwrapped.step(action))

    def refused(self, call):
        """The call raises what a caller can catch, and nothing changes."""
        before = pickle.dumps(self.vector.unwrapped.episodes.observe())
        try:
            call()
        except (ValueError, TypeError, KeyError):
            assert pickle.dumps(self.vector.unwrapped.episodes.observe()) == before
            return
        raise AssertionError("a wrong call was taken")

    @rule(deep=st.booleans())
    def duplicate(self, deep):
        copied = copy.deepcopy if deep else lambda env: pickle.loads(pickle.dumps(env))
        self.vector = copied(self.vector)
        self.single = [copied(env) for env in self.single]

    @rule()
    def scribble(self):
        """What a caller writes into what it was given changes nothing."""
        for values in (*self.seen.values(), *self.infos.values()):
            if isinstance(values, np.ndarray) and values.flags.writeable and values.dtype != object:
                values[...] = 1
        self.seen = self.vector.unwrapped.episodes.observe()

    @rule()
    def look(self):
        frames = self.vector.render()
        assert len(frames) == ENVS
        assert all(frames)
        self.vector.unwrapped.solution()
        with contextlib.suppress(ValueError):
            masks = self.vector.unwrapped.action_masks()
            assert np.array_equal(masks[0], self.single[0].unwrapped.action_masks())

    @invariant()
    def observations_are_in_their_space(self):
        if getattr(self, "seen", None) is not None:
            assert self.vector.observation_space.contains(self.seen)

    def compare(self, row, observation, info):
        for name, values in observation.items():
            assert np.array_equal(values, self.seen[name][row]), name
        for name, value in info.items():
            if name != "episode":
                assert np.array_equal(value, self.infos[name][row]), name


def check(tries, place):
    faults, ids = [], sorted(name for name in registered() if name.startswith("ttc/"))
    # The short form takes the quickest one of each task.
    for env_id in ids if tries > SHORT else QUICK:
        machine = type("Machine", (Calls,), {"env_id": env_id})
        chosen = settings(
            max_examples=tries,
            stateful_step_count=30,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink] if tries > SHORT else [Phase.generate],
        )
        try:
            run_machine(machine, settings=chosen)
        except Exception as error:
            faults.append(f"{env_id}: {type(error).__name__}: {str(error)[:300]}")
    return {"faults": faults, "calls": tries * 30}
