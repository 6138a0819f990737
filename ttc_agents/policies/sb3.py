"""Stable-Baselines3: the vector environments as it wants them, its agents as our policies.

SB3's own `DummyVecEnv` steps B Python environments one after the other; this adapter hands it the
one numpy call that `gymnasium.make_vec` gives, in SB3's conventions:

    envs = SB3VecEnv(gym.make_vec("ttc_envs:ttc/...-v0", num_envs=64))
    PPO("MultiInputPolicy", envs).learn(100_000)

`SB3Agent` puts an agent of SB3 or sb3-contrib, trained here or elsewhere, behind the `predict` that
the harness calls.

Shapes: B environments, E edits.
"""

from __future__ import annotations

import inspect
import json
import zipfile
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import Wrapper, spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env.base_vec_env import VecEnv

from ttc_agents.inference.checkpoint import first_line
from ttc_envs import RefinementVectorEnv, Task

Indices = int | Iterable[int] | None


class SB3VecEnv(VecEnv):
    """A Gymnasium vector env behind SB3's `VecEnv`.

    The infos of a step are empty but for episodes that ended in it: those hold the last info of the
    episode, `terminal_observation`, `TimeLimit.truncated`, and what SB3's `Monitor` would add,
    `episode` with return `r` and length `l`. To build B dicts at every step would take longer than
    the step.

    Args:
        envs: A vector env that resets in the same step, with `Dict` observations.
        entries: The entries of the observation to show; None shows all. (`FilterObservation` does
            this for single environments.)

    Raises:
        ValueError: The env resets otherwise, or an entry does not exist.
    """

    def __init__(self, envs: VectorEnv, entries: Sequence[str] | None = None) -> None:
        mode = envs.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.SAME_STEP:
            raise ValueError(f"expected a vector env that resets in the same step, got {mode}")
        self.envs = envs
        shown = envs.single_observation_space
        if not isinstance(shown, spaces.Dict):
            raise ValueError(f"expected Dict observations, got {type(shown).__name__}")
        missing = sorted(set(entries or ()) - set(shown))
        if missing:
            raise ValueError(f"the observation lacks {missing}, it has {sorted(shown)}")
        self._entries = list(shown) if entries is None else list(entries)
        space = spaces.Dict({name: shown[name] for name in self._entries})
        super().__init__(envs.num_envs, space, envs.single_action_space)
        self._actions = np.empty(0)
        self._returns = np.zeros(self.num_envs)
        self._lengths = np.zeros(self.num_envs, dtype=np.int64)

    # SB3's interface

    def reset(self) -> dict[str, np.ndarray]:
        """Begin new episodes, with the seeds and options that `seed` and `set_options` left."""
        seeds: Any = None if all(seed is None for seed in self._seeds) else list(self._seeds)
        observation, infos = self.envs.reset(seed=seeds, options=self._merged_options())
        self.reset_infos = [_row(infos, row) for row in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        self._returns[:] = 0.0
        self._lengths[:] = 0
        return self._shown(observation)

    def step_async(self, actions: np.ndarray) -> None:
        """Take the actions."""
        self._actions = actions

    def step_wait(self) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, list[dict]]:
        """One step of all environments."""
        observation, rewards, terminated, truncated, infos = self.envs.step(self._actions)
        dones = terminated | truncated
        self._returns += rewards
        self._lengths += 1
        told: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for row in dones.nonzero()[0].tolist():
            told[row] = self._ending(infos, row, bool(truncated[row] and not terminated[row]))
        self._returns[dones] = 0.0
        self._lengths[dones] = 0
        return self._shown(observation), rewards.astype(np.float32), dones, told

    def close(self) -> None:
        """Close the vector env."""
        self.envs.close()

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """The attribute of the vector env, once per environment."""
        return [getattr(self.envs, attr_name)] * len(self._rows(indices))

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Refused: the environments are one object.

        Raises:
            AttributeError: Always.
        """
        raise AttributeError(f"{attr_name} cannot be set: the environments share one object")

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> Any:
        """A method of the vector env that gives one result per environment, as `action_masks`."""
        results = getattr(self.envs, method_name)(*method_args, **method_kwargs)
        if indices is None:
            return results
        return [results[row] for row in self._rows(indices)]

    def env_is_wrapped(self, wrapper_class: type[Wrapper], indices: Indices = None) -> list[bool]:
        """Whether the infos say what that wrapper would: `Monitor`'s do."""
        return [issubclass(wrapper_class, Monitor)] * len(self._rows(indices))

    def get_images(self) -> Sequence[np.ndarray | None]:
        """One picture per environment."""
        images: Any = self.envs.render()
        return images or [None] * self.num_envs

    # Inside

    def _shown(self, observation: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: observation[name] for name in self._entries}

    def _ending(self, infos: dict[str, Any], row: int, cut: bool) -> dict[str, Any]:
        """The info of an episode that ended."""
        return {
            **_row(infos["final_info"], row),
            "terminal_observation": self._shown(infos["final_obs"][row]),
            "TimeLimit.truncated": cut,
            "episode": {"r": float(self._returns[row]), "l": int(self._lengths[row]), "t": 0.0},
        }

    def _rows(self, indices: Indices) -> list[int]:
        if indices is None:
            return list(range(self.num_envs))
        return [indices] if isinstance(indices, int) else list(indices)

    def _merged_options(self) -> dict[str, Any] | None:
        """The options of all environments as those of the vector env."""
        first, *others = self._options
        if any(set(options) != set(first) for options in others):
            raise ValueError("reset options must have the same names in every environment")
        merged = dict(first)
        if "instance_id" in merged:
            keys = [options.pop("instance_id") for options in map(dict, self._options)]
            merged["instance_id"] = np.array(keys, dtype=np.uint64)
        for name in set(merged) - {"instance_id"}:
            if any(options[name] != first[name] for options in others):
                raise ValueError(f"reset option {name!r} must be the same in every environment")
        return merged or None


def _row(infos: dict[str, Any], row: int) -> dict[str, Any]:
    """The info of one environment, without Gymnasium's masks."""
    return {
        name: values[row]
        for name, values in infos.items()
        if not name.startswith("_") and name not in ("final_info", "final_obs")
    }


ALGORITHMS = {
    "ppo": "stable_baselines3",
    "a2c": "stable_baselines3",
    "dqn": "stable_baselines3",
    "ppo_mask": "sb3_contrib",
    "ppo_lstm": "sb3_contrib",
}
"""The package of each algorithm, by the name that rl_zoo3 has for it."""
CLASSES = {"ppo_mask": "MaskablePPO", "ppo_lstm": "RecurrentPPO"}
"""Names of classes that are not the name of the algorithm in capitals."""


def algorithm_class(name: str) -> type[BaseAlgorithm]:
    """The class of an algorithm.

    Raises:
        ValueError: There is no such algorithm.
    """
    if name not in ALGORITHMS:
        raise ValueError(f"no algorithm {name!r}, expected one of {', '.join(ALGORITHMS)}")
    return getattr(import_module(ALGORITHMS[name]), CLASSES.get(name, name.upper()))


class SB3Agent:
    """A trained agent as a policy of the harness: it sees its own entries, and masks if it can.

    Args:
        agent: Any SB3 algorithm.
    """

    def __init__(self, agent: BaseAlgorithm) -> None:
        self.agent = agent
        space = agent.observation_space
        self._entries = list(space) if isinstance(space, spaces.Dict) else None
        self.reads_masks = "action_masks" in inspect.signature(agent.predict).parameters

    def predict(
        self,
        observation: dict[str, np.ndarray],
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
        action_masks: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Any]:
        """Actions and the next state."""
        seen: Any = observation
        if self._entries is not None:
            seen = {name: observation[name] for name in self._entries}
        masks = {"action_masks": action_masks} if self.reads_masks else {}
        return self.agent.predict(seen, state, episode_start, deterministic, **masks)


def load_sb3(algorithm: str, path: Path, trust: bool) -> BaseAlgorithm:
    """An agent out of a zip that `agent.save` wrote.

    Args:
        algorithm: Key of `ALGORITHMS`.
        path: The zip.
        trust: Whether pickles in it may be loaded.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not to be trusted, or is no agent.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no agent at {path}")
    kind = algorithm_class(algorithm)
    if not trust:
        raise ValueError(
            f"{path} holds pickles, which may run any code when they are loaded: "
            "pass --trust if you know who made it"
        )
    try:
        agent = kind.load(path, device="cpu")
        with zipfile.ZipFile(path) as archive:
            saved = set(json.loads(archive.read("data")))
    except Exception as error:  # What pickles of another class raise can be anything.
        raise ValueError(f"{path}: not an agent of {algorithm} ({first_line(error)})") from error
    likelier = [name for name in ALGORITHMS if _is_rather(algorithm_class(name), agent, saved)]
    if likelier:
        raise ValueError(f"{path}: not an agent of {algorithm}, but rather of {likelier[-1]}")
    return agent


def _is_rather(other: type[BaseAlgorithm], agent: BaseAlgorithm, saved: set[str]) -> bool:
    """Whether an agent that could be loaded is one of another algorithm.

    A zip does not say of which it is. Its policy does, or the arguments that only one of two
    algorithms has.

    Args:
        other: The other algorithm.
        agent: What was loaded; it has what its class sets and what the zip holds.
        saved: Names of what the zip holds.
    """
    kind = type(agent)
    mine, theirs = (_policy_class(k) for k in (kind, other))
    if mine is not theirs:
        return isinstance(agent.policy, theirs) and not issubclass(mine, theirs)
    own, foreign = (set(inspect.signature(k.__init__).parameters) for k in (kind, other))
    return bool((foreign - own) & saved or ((own - foreign) & vars(agent).keys()) - saved)


def _policy_class(kind: type[BaseAlgorithm]) -> type:
    """What all policies of an algorithm derive from."""
    return next(iter(kind.policy_aliases.values()))


def modes_of(agent: BaseAlgorithm, task: Task) -> tuple[str, str]:
    """The action mode and the observation mode of an agent's spaces.

    Raises:
        ValueError: No modes of the task have these spaces.
    """
    shown = agent.observation_space
    for mode in ("edit", "full", "logits"):
        for observation in ("default", "one_hot"):
            env = RefinementVectorEnv(task, 1, action_mode=mode, observation=observation)
            here: Any = env.single_observation_space
            fits = isinstance(shown, spaces.Dict) and all(
                name in here.spaces and here[name] == box for name, box in shown.items()
            )
            if fits and env.single_action_space == agent.action_space:
                return mode, observation
    raise ValueError(
        f"the agent was not made for {task.spec.name} of this size: "
        f"it acts in {agent.action_space} and sees {shown}"
    )
