"""Gymnasium tasks in which one refinement step is one environment step.

Importing the package registers its ids; `gymnasium.make("ttc_envs:ttc/Sudoku-v0")` does both.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ttc_envs.contracts import AnswerState, Baseline, EditState, Loaded, Parts, Wording
from ttc_envs.registration import env_options, make_task, register, registered
from ttc_envs.spec import UNDECIDED, Field, Group, Instances, TaskSpec
from ttc_envs.task import Task

if TYPE_CHECKING:
    from ttc_envs.env import RefinementEnv
    from ttc_envs.files import clear_leftovers, is_leftover, locked, write_atomically
    from ttc_envs.tasks.maps.cities import load_cities
    from ttc_envs.tasks.maps.graph import city_graph
    from ttc_envs.tasks.maps.paths import write_paths
    from ttc_envs.tasks.next_hop.task import NextHopTask
    from ttc_envs.tasks.path_sequence.task import SequenceTask
    from ttc_envs.tasks.sorting.networks import bitonic_network, odd_even_network, rounds_needed
    from ttc_envs.tasks.sorting.task import SortingTask
    from ttc_envs.tasks.sudoku.files import load_puzzles, parse_puzzle, spell_puzzle
    from ttc_envs.tasks.sudoku.puzzle_sets import write_puzzles
    from ttc_envs.tasks.sudoku.task import SudokuTask
    from ttc_envs.vector import RefinementVectorEnv

__all__ = [
    "UNDECIDED",
    "AnswerState",
    "Baseline",
    "EditState",
    "Field",
    "Group",
    "Instances",
    "Loaded",
    "NextHopTask",
    "Parts",
    "RefinementEnv",
    "RefinementVectorEnv",
    "SequenceTask",
    "SortingTask",
    "SudokuTask",
    "Task",
    "TaskSpec",
    "Wording",
    "bitonic_network",
    "city_graph",
    "clear_leftovers",
    "env_options",
    "is_leftover",
    "load_cities",
    "load_puzzles",
    "locked",
    "make_task",
    "odd_even_network",
    "parse_puzzle",
    "register",
    "registered",
    "rounds_needed",
    "spell_puzzle",
    "write_atomically",
    "write_paths",
    "write_puzzles",
]

register("ttc/Sudoku-v0", "ttc_envs.tasks.sudoku.task:SudokuTask", size=9, action_mode="full")
register(
    "ttc/SudokuEdit-v0",
    "ttc_envs.tasks.sudoku.task:SudokuTask",
    max_episode_steps=324,
    size=9,
    action_mode="edit",
)
register("ttc/Sudoku4-v0", "ttc_envs.tasks.sudoku.task:SudokuTask", size=4, action_mode="full")
register(
    "ttc/SudokuEdit4-v0",
    "ttc_envs.tasks.sudoku.task:SudokuTask",
    max_episode_steps=64,
    size=4,
    action_mode="edit",
)
register("ttc/Sorting-v0", "ttc_envs.tasks.sorting.task:SortingTask", size=16, action_mode="full")
register(
    "ttc/ShortestPath-v0",
    "ttc_envs.tasks.next_hop.task:NextHopTask",
    action_mode="full",
)
register(
    "ttc/ShortestPathUSA-v0",
    "ttc_envs.tasks.path_sequence.task:SequenceTask",
    action_mode="full",
)

_AT_FIRST_USE = {
    "RefinementEnv": "ttc_envs.env",
    "RefinementVectorEnv": "ttc_envs.vector",
    "NextHopTask": "ttc_envs.tasks.next_hop.task",
    "SequenceTask": "ttc_envs.tasks.path_sequence.task",
    "SortingTask": "ttc_envs.tasks.sorting.task",
    "SudokuTask": "ttc_envs.tasks.sudoku.task",
    "bitonic_network": "ttc_envs.tasks.sorting.networks",
    "city_graph": "ttc_envs.tasks.maps.graph",
    "clear_leftovers": "ttc_envs.files",
    "is_leftover": "ttc_envs.files",
    "load_cities": "ttc_envs.tasks.maps.cities",
    "load_puzzles": "ttc_envs.tasks.sudoku.files",
    "locked": "ttc_envs.files",
    "odd_even_network": "ttc_envs.tasks.sorting.networks",
    "parse_puzzle": "ttc_envs.tasks.sudoku.files",
    "rounds_needed": "ttc_envs.tasks.sorting.networks",
    "spell_puzzle": "ttc_envs.tasks.sudoku.files",
    "write_atomically": "ttc_envs.files",
    "write_paths": "ttc_envs.tasks.maps.paths",
    "write_puzzles": "ttc_envs.tasks.sudoku.puzzle_sets",
}
"""Names that are imported when they are asked for, so that importing the package takes no time."""


def __getattr__(name: str) -> Any:
    """The names that are imported at first use."""
    if name not in _AT_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_AT_FIRST_USE[name]), name)
