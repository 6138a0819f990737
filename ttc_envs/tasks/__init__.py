"""The tasks: one folder each, none importing another."""

from __future__ import annotations

from importlib import import_module
from typing import Any, cast

from ttc_envs.spec import Task

TASKS = {
    "shortest_path": ("ttc_envs.tasks.shortest_path.next_hop", "NextHopTask"),
    "shortest_path_sequence": ("ttc_envs.tasks.shortest_path.sequence", "SequenceTask"),
    "sorting": ("ttc_envs.tasks.sorting.task", "SortingTask"),
    "sudoku": ("ttc_envs.tasks.sudoku.task", "SudokuTask"),
}
"""Module and class of each task, imported at first use."""


def build(task: str | Task, options: dict[str, Any]) -> Task:
    """The task of that name with options for its constructor; a task itself is passed through.

    Raises:
        ValueError: There is no such task.
        TypeError: The task has no such option, or a ready task came with options.
    """
    if not isinstance(task, str):
        if options:
            raise TypeError(f"unexpected arguments {sorted(options)} beside a task object")
        return task
    if task not in TASKS:
        raise ValueError(f"task must be one of {sorted(TASKS)}, got {task!r}")
    module, name = TASKS[task]
    return cast(Task, getattr(import_module(module), name)(**options))
