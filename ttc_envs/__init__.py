"""Gymnasium tasks in which one refinement step is one environment step.

Importing the package registers its ids; `gymnasium.make("ttc_envs:ttc/Sudoku-v0")` does both.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import gymnasium as gym

from ttc_envs.spec import (
    UNDECIDED,
    AnswerState,
    EditState,
    Field,
    Group,
    Instances,
    Task,
    TaskSpec,
)
from ttc_envs.tasks import build

if TYPE_CHECKING:
    from ttc_envs.env import RefinementEnv
    from ttc_envs.tasks.shortest_path.cities import load_cities
    from ttc_envs.tasks.shortest_path.graph import city_graph
    from ttc_envs.tasks.shortest_path.next_hop import NextHopTask
    from ttc_envs.tasks.shortest_path.paths import write_paths
    from ttc_envs.tasks.shortest_path.sequence import SequenceTask
    from ttc_envs.tasks.sorting.networks import bitonic_network, odd_even_network, rounds_needed
    from ttc_envs.tasks.sorting.task import SortingTask
    from ttc_envs.tasks.sudoku.files import load_puzzles, parse_puzzle, spell_puzzle
    from ttc_envs.tasks.sudoku.task import SudokuTask
    from ttc_envs.vector import RefinementVectorEnv

__all__ = [
    "ENVIRONMENTS",
    "UNDECIDED",
    "AnswerState",
    "EditState",
    "Field",
    "Group",
    "Instances",
    "NextHopTask",
    "RefinementEnv",
    "RefinementVectorEnv",
    "SequenceTask",
    "SortingTask",
    "SudokuTask",
    "Task",
    "TaskSpec",
    "bitonic_network",
    "city_graph",
    "load_cities",
    "load_puzzles",
    "make_task",
    "odd_even_network",
    "parse_puzzle",
    "rounds_needed",
    "spell_puzzle",
    "write_paths",
]

ENVIRONMENTS: dict[str, tuple[int, dict[str, Any]]] = {
    "ttc/Sudoku-v0": (32, {"task": "sudoku", "size": 9, "action_mode": "full"}),
    "ttc/SudokuEdit-v0": (324, {"task": "sudoku", "size": 9, "action_mode": "edit"}),
    "ttc/Sudoku4-v0": (32, {"task": "sudoku", "size": 4, "action_mode": "full"}),
    "ttc/SudokuEdit4-v0": (64, {"task": "sudoku", "size": 4, "action_mode": "edit"}),
    "ttc/Sorting-v0": (32, {"task": "sorting", "size": 16, "action_mode": "full"}),
    "ttc/ShortestPath-v0": (32, {"task": "shortest_path", "action_mode": "full"}),
    "ttc/ShortestPathUSA-v0": (32, {"task": "shortest_path_sequence", "action_mode": "full"}),
}
"""Steps per episode and arguments of each id."""

for _id, (_steps, _kwargs) in ENVIRONMENTS.items():
    gym.register(
        _id,
        entry_point="ttc_envs.env:RefinementEnv",
        vector_entry_point="ttc_envs.vector:RefinementVectorEnv",
        max_episode_steps=_steps,
        kwargs=_kwargs,
    )


def make_task(env_id: str, **options: Any) -> Task:
    """The task of a registered id, without an environment around it.

    Args:
        env_id: One of `ENVIRONMENTS`; a prefix `ttc_envs:` is fine.
        options: Arguments of the task (`size=`, `split=`) that replace the id's own.

    Raises:
        ValueError: There is no such id.
        TypeError: The task has no such argument.
    """
    name = env_id.rpartition(":")[2]
    if name not in ENVIRONMENTS:
        raise ValueError(f"env_id must be one of {sorted(ENVIRONMENTS)}, got {env_id!r}")
    known = {k: v for k, v in ENVIRONMENTS[name][1].items() if k not in ("task", "action_mode")}
    return build(ENVIRONMENTS[name][1]["task"], {**known, **options})


_AT_FIRST_USE = {
    "RefinementEnv": "ttc_envs.env",
    "RefinementVectorEnv": "ttc_envs.vector",
    "NextHopTask": "ttc_envs.tasks.shortest_path.next_hop",
    "SequenceTask": "ttc_envs.tasks.shortest_path.sequence",
    "SortingTask": "ttc_envs.tasks.sorting.task",
    "SudokuTask": "ttc_envs.tasks.sudoku.task",
    "bitonic_network": "ttc_envs.tasks.sorting.networks",
    "city_graph": "ttc_envs.tasks.shortest_path.graph",
    "load_cities": "ttc_envs.tasks.shortest_path.cities",
    "load_puzzles": "ttc_envs.tasks.sudoku.files",
    "odd_even_network": "ttc_envs.tasks.sorting.networks",
    "parse_puzzle": "ttc_envs.tasks.sudoku.files",
    "rounds_needed": "ttc_envs.tasks.sorting.networks",
    "spell_puzzle": "ttc_envs.tasks.sudoku.files",
    "write_paths": "ttc_envs.tasks.shortest_path.paths",
}
"""Names that are imported when they are asked for, so that importing the package takes no time."""


def __getattr__(name: str) -> Any:
    """The names that are imported at first use."""
    if name not in _AT_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_AT_FIRST_USE[name]), name)
