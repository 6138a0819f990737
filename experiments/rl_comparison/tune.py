"""Hyperparameters of the agents, by random search on validation instances.

    python experiments/rl_comparison/tune.py sorting8 "PPO, MLP" --trials 6 --seconds 20

Trial 0 is what stands in `rl_hyperparameters.yml`; the others replace some of its entries by what
SPACES offers. Every trial is added to results/tuning.json: what was replaced, and the share of 200
validation instances that are solved by the arena's last step, with the likeliest and with drawn
actions. Budgets are process CPU seconds; each trial has a seed of its own.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ttc_agents.cli.presets import PRESETS
from ttc_agents.evaluation.contestants import prepare_sb3
from ttc_agents.evaluation.policies import play_out, split_task
from ttc_agents.training.budget import Budget
from ttc_agents.training.presets import Arena, Row

RESULTS = Path(__file__).parent / "results" / "tuning.json"
TRIAL_SEED, INSTANCES_SEED = 30_000, 40_000
ON_POLICY = {
    "gamma": (0.5, 0.9, 0.99),
    "ent_coef": (0.0, 0.003, 0.01, 0.03),
    "gae_lambda": (0.8, 0.95),
}
PPO = ON_POLICY | {
    "learning_rate": (0.0003, 0.001, 0.003),
    "n_epochs": (2, 4, 8),
    "n_steps": (8, 32),
    "batch_size": (512, 2048),
}
NETS = {"policy_kwargs": ({"net_arch": [256]}, {"net_arch": [512]}, {"net_arch": [256, 256]})}
SPACES: dict[str, dict[str, tuple[Any, ...]]] = {
    "ppo": PPO | NETS,
    "ppo_mask": PPO | NETS,
    "ppo_lstm": PPO,
    "a2c": ON_POLICY
    | NETS
    | {"learning_rate": (0.0007, 0.002, 0.005), "n_steps": (4, 16), "n_envs": (64, 256)},
    "dqn": NETS
    | {
        "gamma": (0.5, 0.9),
        "learning_rate": (0.0003, 0.001, 0.003),
        "gradient_steps": (1, 4),
        "target_update_interval": (2000, 20000),
        "exploration_fraction": (0.2, 0.5),
        "n_envs": (16, 64),
    },
}


def drawn(algorithm: str, trial: int) -> dict[str, Any]:
    """What a trial replaces: an entry each of the algorithm's space."""
    rng = np.random.default_rng([TRIAL_SEED, trial])
    space = SPACES[algorithm]
    return {name: values[rng.integers(len(values))] for name, values in space.items()}


def measure(arena: Arena, row: Row, budget: Budget, trial: int) -> dict[str, Any]:
    """Train one trial and play the validation instances."""
    torch.manual_seed(trial)
    replaced = drawn(row.options["algorithm"], trial) if trial else {}
    train, validation = (
        split_task(arena.env_id, arena.task, split) for split in ("train", "validation")
    )
    # Agents write into what they are given.
    options = {**row.options, "hyperparameters": copy.deepcopy(replaced)}
    ready = prepare_sb3(
        train,
        arena.env_id,
        arena.level,
        budget,
        trial,
        lambda player, spent: None,
        **options,
    )
    keys = np.random.default_rng(INSTANCES_SEED).integers(2**64, size=200, dtype=np.uint64)
    instances = validation.sample(keys, arena.level)
    solved = {}
    for name, likeliest in (("likeliest", True), ("drawn", False)):
        played = play_out(
            ready.player, validation, instances, arena.steps[-1:], deterministic=likeliest
        )
        solved[name] = float(played.reached.mean())
    return {"trial": trial, "replaced": replaced, "env_steps": ready.spent.env_steps, **solved}


def main() -> None:
    """Search for one row of one arena."""
    parser = argparse.ArgumentParser(description=__doc__)
    arenas = PRESETS["rl-cpu"].arenas
    parser.add_argument("arena", choices=sorted(arenas))
    parser.add_argument("row", help="as it is called in the preset, such as 'PPO, MLP'")
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=20.0, help="CPU seconds of a trial")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    arena = arenas[arguments.arena]
    rows = {row.name: row for row in arena.rows if row.kind == "sb3"}
    if arguments.row not in rows:
        parser.error(f"{arguments.arena} has the rows {', '.join(rows)}, not {arguments.row!r}")
    torch.set_num_threads(1)
    for trial in range(arguments.trials):
        result = measure(arena, rows[arguments.row], Budget(seconds=arguments.seconds), trial)
        result = {
            "arena": arguments.arena,
            "row": arguments.row,
            "seconds": arguments.seconds,
            **result,
        }
        done = json.loads(arguments.out.read_text()) if arguments.out.exists() else []
        arguments.out.write_text(json.dumps([*done, result], indent=1) + "\n")
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
