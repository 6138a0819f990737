"""Environment steps per second: `SB3VecEnv` over the vector env against SB3's `DummyVecEnv`.

The same id, the same actions (drawn beforehand; edits among those that the mask allows while one
plays from seed 0), episodes that end and begin; both report what `Monitor` reports. Process CPU
time with one thread; pairs are run in turns and the median of their ratios counts.

`action_modes` has the rates of a whole training of PPO: SB3 makes one distribution for each of the
81 entries of a MultiDiscrete, and a single one for a Box of logits.

    python benchmarks/sb3_adapter.py
    python benchmarks/sb3_adapter.py --repeats 9 --num-envs 256

The last line on stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import gymnasium as gym
import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

from ttc_agents.policies.sb3 import SB3VecEnv

IDS = (
    "ttc/Sudoku-v0",
    "ttc/Sudoku4-v0",
    "ttc/Sorting-v0",
    "ttc/SudokuEdit-v0",
    "ttc/SudokuEdit4-v0",
)
STEPS = 64


def actions_for(env_id: str, num_envs: int) -> list[np.ndarray]:
    """Actions (B, ...) for each step."""
    envs = gym.make_vec(f"ttc_envs:{env_id}", num_envs=num_envs)
    envs.action_space.seed(0)
    rng = np.random.default_rng(0)
    _, infos = envs.reset(seed=0)
    drawn = []
    for _ in range(STEPS):
        action = envs.action_space.sample()
        if "action_mask" in infos:
            mask = infos["action_mask"]
            action = (rng.random(mask.shape) * mask).argmax(axis=1)
        drawn.append(action)
        infos = envs.step(action)[-1]
    return drawn


def rate(env: Any, actions: list[np.ndarray], rounds: int) -> float:
    """Environment steps per CPU second, after a reset that does not count."""
    env.seed(0)
    env.reset()
    start = time.process_time()
    for _ in range(rounds):
        for action in actions:
            env.step(action)
    return rounds * len(actions) * env.num_envs / (time.process_time() - start)


def compare(env_id: str, num_envs: int, repeats: int) -> dict[str, float]:
    """Both rates, and the median of the ratios of `repeats` pairs."""
    actions = actions_for(env_id, num_envs)
    ours = SB3VecEnv(gym.make_vec(env_id, num_envs=num_envs))
    theirs = make_vec_env(env_id, num_envs)
    rate(ours, actions, 1)
    rate(theirs, actions[:8], 1)
    pairs = [(rate(ours, actions, 8), rate(theirs, actions, 1)) for _ in range(repeats)]
    ratios = [own / other for own, other in pairs]
    return {
        "steps_per_s": round(statistics.median(own for own, _ in pairs)),
        "dummy_vec_env": round(statistics.median(other for _, other in pairs)),
        "ratio": round(statistics.median(ratios), 1),
        "least_ratio": round(min(ratios), 1),
    }


def training_rate(mode: str) -> float:
    """Environment steps per CPU second of PPO with an MLP on 9x9, network and updates included."""
    envs = gym.make_vec(IDS[0], num_envs=16, action_mode=mode, observation="one_hot")
    agent = PPO("MultiInputPolicy", SB3VecEnv(envs), n_steps=32, batch_size=128, seed=0)
    agent.learn(512)
    start = time.process_time()
    agent.learn(1024, reset_num_timesteps=False)
    return 1024 / (time.process_time() - start)


def action_modes(repeats: int) -> dict[str, float]:
    """The rates of whole answers and of logits, and the median of their ratios."""
    pairs = [(training_rate("logits"), training_rate("full")) for _ in range(repeats)]
    return {
        "logits": round(statistics.median(own for own, _ in pairs)),
        "full": round(statistics.median(other for _, other in pairs)),
        "ratio": round(statistics.median(own / other for own, other in pairs), 2),
    }


def main() -> None:
    """Measure all ids and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="default 5")
    parser.add_argument("--num-envs", type=int, default=64, help="default 64")
    options = parser.parse_args()
    results: dict[str, Any] = {"num_envs": options.num_envs}
    for env_id in IDS:
        results[env_id] = compare(env_id, options.num_envs, options.repeats)
        print(env_id, results[env_id], flush=True)
    results["action_modes"] = action_modes(options.repeats)
    print("action_modes", results["action_modes"], flush=True)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
