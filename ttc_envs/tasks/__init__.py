"""The tasks: one folder each, none importing another."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ttc_envs.task import Task


def build(task: str | type[Task] | Task, options: dict[str, Any]) -> Task:
    """A task, with options for its constructor.

    Args:
        task: `module:Class`, which is imported, a class, or a task, which is passed through.
        options: Arguments of the class.

    Raises:
        ValueError: `task` is none of these, or cannot be imported.
        TypeError: The task has no such option, or a ready task came with options.
    """
    made = _imported(task) if isinstance(task, str) else task
    if isinstance(made, type) and issubclass(made, Task):
        return made(**options)
    if not isinstance(made, Task):
        raise ValueError(f"task must be 'module:Class', a Task class or a Task, got {task!r}")
    if options:
        raise TypeError(f"unexpected arguments {sorted(options)} beside a task object")
    return made


def _imported(path: str) -> Any:
    """What `module:NAME` names."""
    module, _, name = path.partition(":")
    if not module or not name:
        raise ValueError(f"task must be 'module:Class', a Task class or a Task, got {path!r}")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"task must be 'module:Class', got {path!r}: {error}") from error
