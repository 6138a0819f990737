"""Training agents of Stable-Baselines3 and sb3-contrib on the fast vector environments.

Hyperparameters come from a YAML file in rl-zoo3's layout (`rl_hyperparameters.yml`), the length is
a `Length`, so that agents of all kinds can be given the same.

    training FLOPs = (environment steps + 3 x trained samples) x f

f being the floating-point operations of the policy's forward pass for one observation (matrix
products, two per multiply-add); a backward pass costs twice as many.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.utils import LinearSchedule

from ttc_agents.policies.sb3 import SB3VecEnv, algorithm_class
from ttc_agents.training.flops import counted
from ttc_agents.training.loop import Hook, call
from ttc_agents.training.schedule import Length, Meter, Spent
from ttc_envs import RefinementVectorEnv, Task

AT_THE_TOP = ("ppo", "ppo_mask")
"""Algorithms whose entries are those at the top of the file."""
DEFAULT = "default"
FILTER = "gymnasium.wrappers.FilterObservation"
NO_LIMIT = 2**62


@cache
def _file(path: Path | None) -> dict[str, Any]:
    import yaml

    source = path or resources.files("ttc_agents.policies").joinpath("rl_hyperparameters.yml")
    return yaml.safe_load(source.read_text(encoding="utf-8"))


def read_hyperparameters(algorithm: str, env_id: str, path: Path | None = None) -> dict[str, Any]:
    """The hyperparameters of an algorithm on an id.

    Args:
        algorithm: Key of `ttc_agents.policies.sb3.ALGORITHMS`.
        env_id: A registered id; without an entry the algorithm's `default` holds.
        path: Another file.

    Raises:
        ValueError: The file has neither the id nor a default for this algorithm.
    """
    document = _file(path)
    section = document if algorithm in AT_THE_TOP else document.get(algorithm, {})
    for name in (env_id, DEFAULT):
        if name in section:
            # Agents write into what they are given.
            return copy.deepcopy(section[name])
    raise ValueError(f"no hyperparameters of {algorithm} for {env_id}, and no default")


def make_agent(
    algorithm: str,
    task: Task,
    hyperparameters: dict[str, Any],
    env_options: dict[str, Any],
    seed: int,
) -> BaseAlgorithm:
    """An untrained agent and its environments.

    Args:
        algorithm: Key of `ttc_agents.policies.sb3.ALGORITHMS`.
        task: The task.
        hyperparameters: An entry of the file; `n_timesteps` is not used.
        env_options: Arguments of the vector env (`action_mode`, `observation`, `level`, ...).
        seed: Of weights, actions and instances.

    Raises:
        ValueError: An entry asks for a wrapper that the vector env does not stand in for.
    """
    options = {k: v for k, v in hyperparameters.items() if k != "n_timesteps"}
    envs = RefinementVectorEnv(task, options.pop("n_envs", 1), **env_options)
    vec_env = SB3VecEnv(envs, _shown_entries(options.pop("env_wrapper", None)))
    policy: Any = options.pop("policy")
    if "." in policy:
        module, _, name = policy.rpartition(".")
        policy = getattr(import_module(module), name)
    if isinstance(options.get("train_freq"), list):
        options["train_freq"] = tuple(options["train_freq"])
    rate = options.get("learning_rate")
    if isinstance(rate, str):
        options["learning_rate"] = LinearSchedule(float(rate.removeprefix("lin_")), 0.0, 1.0)
    return algorithm_class(algorithm)(policy, vec_env, seed=seed, device="cpu", **options)


def _shown_entries(wrapper: Any) -> list[str] | None:
    """The entries that a `FilterObservation` among the wrappers shows, None for all."""
    if wrapper is None:
        return None
    if not isinstance(wrapper, dict) or set(wrapper) != {FILTER}:
        raise ValueError(f"env_wrapper can be {FILTER} with filter_keys, got {wrapper!r}")
    return list(wrapper[FILTER]["filter_keys"])


def train_agent(
    agent: BaseAlgorithm,
    length: Length,
    hooks: Sequence[Hook] = (),
) -> Spent:
    """Train until the length is used up.

    SB3 has a loop of its own; this is what `loop.run` does, called back at every step of the
    environments.

    Args:
        agent: Of `make_agent`.
        length: How long: CPU seconds, or floating-point operations.
        hooks: What happens on the way; there are no metrics.
    """
    callback = _Callback(length, hooks, Meter(clock=time.process_time), forward_flops(agent))
    # Schedules follow the length, since nobody knows how many steps it will buy.
    agent._update_current_progress_remaining = callback.tell  # type: ignore[method-assign]
    try:
        agent.learn(NO_LIMIT, callback=callback, log_interval=NO_LIMIT)
    finally:
        del agent._update_current_progress_remaining
    return callback.spent


class _Callback(BaseCallback):
    """Ends a training when its length is used up."""

    def __init__(self, length: Length, hooks: Sequence[Hook], meter: Meter, flops: float) -> None:
        super().__init__()
        self._length, self._hooks, self._meter, self._flops = length, hooks, meter, flops
        self._done = 0.0

    def _on_step(self) -> bool:
        self._done = self._length.share(self.spent)
        call(self._hooks, self, {}, self._done, self._meter)
        return self._done < 1

    def tell(self, num_timesteps: int, total_timesteps: int) -> None:
        """Tell the agent which share of the training is to come."""
        self.model._current_progress_remaining = 1.0 - self._done

    @property
    def spent(self) -> Spent:
        """What the training has cost so far."""
        agent: Any = self.model
        if isinstance(agent, OffPolicyAlgorithm):
            # A target network looks at each sample, too.
            passes = 4 * agent._n_updates * agent.batch_size
        else:
            # SB3 counts an epoch of PPO as an update; each looks at the whole buffer.
            passes = 3 * agent._n_updates * agent.n_steps * agent.n_envs
        flops = (self.num_timesteps + passes) * self._flops
        own = Spent(updates=agent._n_updates, env_steps=self.num_timesteps)
        return replace(self._meter.measured(own), flops=flops)


def forward_flops(agent: BaseAlgorithm) -> float:
    """Floating-point operations of the policy's forward pass, per observation.

    The environments are reset for it: some networks work the less, the more is given.
    """
    assert agent.env is not None
    observation: Any = agent.env.reset()
    count = agent.env.num_envs
    policy: Any = agent.policy

    def forward() -> Any:
        if hasattr(policy, "lstm_actor"):
            # Its forward wants states; this leaves out the critic.
            return agent.predict(observation, episode_start=np.ones(count, dtype=bool))
        return policy(policy.obs_to_tensor(observation)[0])

    with torch.no_grad():
        return counted(forward)[1] / count
