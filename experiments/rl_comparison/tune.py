"""Hyperparameters of the agents, by random search on validation instances.

    python experiments/rl_comparison/tune.py sorting8 "PPO, MLP" --trials 6 --seconds 20

Trial 0 is what stands in `rl_hyperparameters.yml`; the others replace some of its entries by what
SPACES offers. Every trial is added to results/tuning.json: what was replaced, and the share of 200
validation instances that are solved by the table's last step, with the likeliest and with drawn
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
from preset import rl_cpu

from ttc_agents.comparison.kinds import Job, prepare_sb3
from ttc_agents.comparison.plan import Row, Table
from ttc_agents.evaluation.rollout import play
from ttc_agents.inference.checkpoint import split_task
from ttc_agents.training.schedule import Length

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


def measure(table: Table, row: Row, length: Length, trial: int) -> dict[str, Any]:
    """Train one trial and play the validation instances."""
    torch.manual_seed(trial)
    replaced = drawn(row.options["algorithm"], trial) if trial else {}
    train, validation = (
        split_task(table.env_id, table.task, split) for split in ("train", "validation")
    )
    job = Job(train, table.env_id, table.level, length, trial, lambda agent, spent: None)
    # Agents write into what they are given.
    trained = prepare_sb3(job, **row.options, hyperparameters=copy.deepcopy(replaced))
    keys = np.random.default_rng(INSTANCES_SEED).integers(2**64, size=200, dtype=np.uint64)
    instances = validation.sample(keys, table.level)
    solved = {}
    for name, likeliest in (("likeliest", True), ("drawn", False)):
        played = play(
            trained.agent, validation, instances, table.steps[-1:], deterministic=likeliest
        )
        solved[name] = float(played.reached.mean())
    return {"trial": trial, "replaced": replaced, "env_steps": trained.spent.env_steps, **solved}


def main() -> None:
    """Search for one row of one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    tables = rl_cpu.tables
    parser.add_argument("table", choices=sorted(tables))
    parser.add_argument("row", help="as it is called in preset.py, such as 'PPO, MLP'")
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=20.0, help="CPU seconds of a trial")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    table = tables[arguments.table]
    rows = {row.name: row for row in table.rows if row.kind == "sb3"}
    if arguments.row not in rows:
        parser.error(f"{arguments.table} has the rows {', '.join(rows)}, not {arguments.row!r}")
    torch.set_num_threads(1)
    what = {"table": arguments.table, "row": arguments.row, "seconds": arguments.seconds}
    for trial in range(arguments.trials):
        length = Length(seconds=arguments.seconds)
        result = {**what, **measure(table, rows[arguments.row], length, trial)}
        done = json.loads(arguments.out.read_text()) if arguments.out.exists() else []
        arguments.out.write_text(json.dumps([*done, result], indent=1) + "\n")
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
