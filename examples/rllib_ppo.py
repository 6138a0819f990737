"""PPO of Ray RLlib on any id, on one machine or on a Ray cluster.

RLlib pins its own version of Gymnasium (2.60 wants 1.2.2), below our bound, so it gets an
environment of its own. Single environments, which RLlib uses, are right with that version:

    python3 -m venv .venv-rllib
    .venv-rllib/bin/python -m pip install -r examples/rllib_requirements.txt
    .venv-rllib/bin/python -m pip install --no-deps -e .
    .venv-rllib/bin/python examples/rllib_ppo.py --env ttc/SudokuEdit4-v0 --iterations 5

On a cluster, start `ray start --head` on one machine, `ray start --address=HEAD:6379` on the
others, and run the script with `--address auto --env-runners 16`; the package has to be installed
on every machine.

Observations are flat dictionaries of boxes; RLlib's connector flattens them for its MLP. The last
line on stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import time

import gymnasium as gym
import ray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.connectors.env_to_module import FlattenObservations
from ray.tune.registry import register_env


def make_env(config: dict) -> gym.Env:
    """One environment, made in the process that steps it."""
    return gym.make(f"ttc_envs:{config['env_id']}", **config["options"])


def settings(options: argparse.Namespace) -> PPOConfig:
    """The algorithm's configuration."""
    env_config = {
        "env_id": options.env,
        "options": {"observation": "one_hot", **json.loads(options.env_options)},
    }
    return (
        PPOConfig()
        .environment("ttc", env_config=env_config)
        .env_runners(
            num_env_runners=options.env_runners,
            num_envs_per_env_runner=options.envs_per_runner,
            env_to_module_connector=lambda *args, **kwargs: FlattenObservations(),
        )
        .learners(num_learners=options.learners)
        .training(lr=1e-3, gamma=0.9, train_batch_size_per_learner=options.batch_size, num_epochs=4)
    )


def main() -> None:
    """Train and print what came of each iteration."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", default="ttc/SudokuEdit4-v0")
    parser.add_argument("--env-options", default="{}", help="arguments of the env as JSON")
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--env-runners", type=int, default=0, help="processes; 0: in this one")
    parser.add_argument("--envs-per-runner", type=int, default=16)
    parser.add_argument("--learners", type=int, default=0)
    parser.add_argument("--batch-size", type=int, default=4096)
    parser.add_argument("--address", default=None, help="of a Ray cluster, such as auto")
    options = parser.parse_args()
    ray.init(address=options.address, include_dashboard=False, log_to_driver=False)
    register_env("ttc", make_env)
    algorithm = settings(options).build_algo()
    start, start_cpu, results = time.perf_counter(), time.process_time(), []
    for iteration in range(options.iterations):
        runners = algorithm.train()["env_runners"]
        results.append(
            {
                "iteration": iteration,
                "env_steps": int(runners["num_env_steps_sampled_lifetime"]),
                "return": float(runners.get("episode_return_mean", float("nan"))),
                "length": float(runners.get("episode_len_mean", float("nan"))),
                "seconds": round(time.perf_counter() - start, 1),
                # Of this process alone: with --env-runners 0 it does all the work.
                "cpu_seconds": round(time.process_time() - start_cpu, 1),
            }
        )
        print(results[-1], flush=True)
    algorithm.stop()
    ray.shutdown()
    print(json.dumps({"env": options.env, "env_runners": options.env_runners, "results": results}))


if __name__ == "__main__":
    main()
