"""RL agents, refinement agents and classical references on four tables: data alone.

    ttc compare experiments/rl_comparison/preset.py:rl_cpu

A model joins with one line: a `Row` of kind `refinement` with a recipe, or of kind `policy` with a
checkpoint.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ttc_agents.comparison.plan import Comparison, Row, Table
from ttc_agents.training.schedule import Length

REFERENCES = (
    Row("random answers", "policy", {"policy": "random"}, trained=False),
    Row("classical steps", "policy", {"policy": "classical"}, trained=False),
    Row("exact solver", "policy", {"policy": "solve"}, trained=False),
)
RANDOM_EDITS = Row(
    "random edits", "policy", {"policy": "random", "action_mode": "edit"}, trained=False
)

NETWORKS = "ttc_agents.policies.sb3_network"
SMALL = {"width": 16, "message_width": 16, "hidden_width": 32}


def with_memory(**env_options: Any) -> Row:
    """An LSTM that writes whole answers."""
    options = {"algorithm": "ppo_lstm", "env_options": env_options}
    return Row("RecurrentPPO, LSTM", "sb3", options)


def agents(edits_as: str, **env_options: Any) -> tuple[Row, ...]:
    """Plain MLPs: whole answers by PPO and A2C, edits by MaskablePPO and DQN.

    Args:
        edits_as: The id under which hyperparameters for edits stand.
        env_options: Arguments of the training environments, such as an easier `level`.
    """
    whole = {"env_options": env_options}
    edits = {"env_options": env_options, "action_mode": "edit", "tuned_as": edits_as}
    return (
        Row("PPO, MLP", "sb3", {"algorithm": "ppo", **whole}),
        Row("A2C, MLP", "sb3", {"algorithm": "a2c", **whole}),
        Row("MaskablePPO, MLP", "sb3", {"algorithm": "ppo_mask", **edits}),
        Row("DQN, MLP", "sb3", {"algorithm": "dqn", **edits}),
    )


def network_agents(
    env_id: str, recipe: str, model: str, steps: int, **model_options: Any
) -> tuple[Row, ...]:
    """PPO and MaskablePPO with a refinement model as their network.

    From nothing, and after half of the budget on labels, by a recipe.
    """
    inside = {"env_id": env_id, "model": model, "model_options": model_options, "steps": steps}
    shared = {
        "n_envs": 64,
        "n_steps": 32,
        "batch_size": 512,
        "learning_rate": 0.003,
        "policy_kwargs": inside,
    }
    whole = {
        "algorithm": "ppo",
        "observation": "default",
        "hyperparameters": {**shared, "policy": f"{NETWORKS}.RefinementNetwork"},
    }
    edits = {
        "algorithm": "ppo_mask",
        "action_mode": "edit",
        "observation": "default",
        "hyperparameters": {**shared, "policy": f"{NETWORKS}.MaskableRefinementNetwork"},
    }
    return tuple(
        Row(f"{name}, refinement network{after}", "sb3", {**options, **first})
        for after, first in (("", {}), (" after labels", {"recipe": recipe}))
        for name, options in (("PPO", whole), ("MaskablePPO", edits))
    )


def refinement(recipe: str, model: str, **verifier_options: Any) -> tuple[Row, ...]:
    """A refinement model: with labels, with the rules alone, and one after the other."""
    rules = {"recipe": recipe, "verifier_options": verifier_options}
    return (
        Row(f"{model}, labels", "refinement", {"recipe": recipe}),
        Row(f"{model}, verifier", "refinement", {**rules, "verifier": 1.0}),
        Row(f"{model}, labels then verifier", "refinement", {**rules, "verifier": 0.5}),
    )


SEARCHED = "factor-graph network, its own searches"
SEARCHED_4 = Row(
    SEARCHED,
    "expert",
    {"recipe": "sudoku4-demo", "levels": "givens=12,givens=10,givens=8,givens=6,minimal"},
)
SUDOKU_4 = Table(
    env_id="ttc/Sudoku4-v0",
    level="minimal",
    steps=(1, 4, 8, 16, 32, 64),
    rows=(
        *agents("ttc/SudokuEdit4-v0", level="givens=4..14"),
        with_memory(level="givens=4..14"),
        *network_agents("ttc/Sudoku4-v0", "sudoku4-demo", "factor_graph_network", 4, **SMALL),
        *refinement("sudoku4-demo", "factor-graph network", learning_rate=0.003),
        SEARCHED_4,
        RANDOM_EDITS,
        *REFERENCES,
    ),
)
EDITS_4 = replace(
    SUDOKU_4, rows=tuple(row for row in SUDOKU_4.rows if row.name.startswith("MaskablePPO"))
)
SUDOKU_9 = Table(
    env_id="ttc/Sudoku-v0",
    level="minimal",
    steps=(1, 4, 16, 32, 64),
    count=500,
    curve_count=50,
    rows=(
        Row("PPO, MLP", "sb3", {"algorithm": "ppo", "env_options": {"level": "easy"}}),
        *refinement("sudoku9-cpu-2min", "factor-graph network", learning_rate=0.0003),
        Row(SEARCHED, "expert", {"recipe": "sudoku9-expert-cpu-10min"}),
        *REFERENCES,
    ),
)
SORTING = Table(
    env_id="ttc/Sorting-v0",
    task={"size": 8, "view": "adjacent"},
    level="uniform",
    steps=(1, 4, 8, 16, 32),
    rows=(
        *agents("ttc/Sorting-v0"),
        with_memory(),
        Row("relational network, labels", "refinement", {"recipe": "sorting-adjacent-cpu-2min"}),
        RANDOM_EDITS,
        *REFERENCES,
    ),
)
PATHS = Table(
    env_id="ttc/ShortestPath-v0",
    task={"places": 16},
    level="spread16",
    steps=(1, 4, 8, 16, 32, 64),
    rows=(
        *agents("ttc/ShortestPath-v0"),
        Row(
            "relational network, labels",
            "refinement",
            {"recipe": "shortest-path-cpu-20min", "changes": {"level": "spread16"}},
        ),
        RANDOM_EDITS,
        *REFERENCES,
    ),
)

rl_cpu = Comparison(
    name="rl-cpu",
    description="RL agents and refinement agents on three tasks, 40 CPU seconds each",
    tables={
        "sudoku4": SUDOKU_4,
        "sorting8": SORTING,
        "paths16": PATHS,
        "sudoku9": SUDOKU_9,
    },
    length=Length(seconds=40),
)
rl_edits4_10min = Comparison(
    name="rl-edits4-10min",
    description="MaskablePPO on 4x4 Sudoku, ten CPU minutes",
    tables={"edits4": EDITS_4},
    length=Length(seconds=600),
    seeds=3,
)
