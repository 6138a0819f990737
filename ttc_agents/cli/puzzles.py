"""Where the puzzles of a command come from: files, levels, or digits on the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ttc_agents.evaluation.policies import has_splits
from ttc_envs import (
    ENVIRONMENTS,
    Instances,
    SudokuTask,
    Task,
    load_puzzles,
    make_task,
    parse_puzzle,
)

REJECTED_SHOWN = 10
DEFAULT_LEVEL = "minimal"


def checkpoint_task(name: str, split: str, words: Sequence[str] = ()) -> Task:
    """The task that a checkpoint was trained on, drawing from another split.

    A task without splits draws whatever its keys say.

    Args:
        name: A shipped name or a directory.
        split: What to draw from.
        words: Arguments of the task that replace those of the training, as `size=64`.

    Raises:
        ValueError: The task has no such arguments.
    """
    from ttc_agents.training.checkpoint import load_config

    config = load_config(name)
    return _task_of_split(config["env_id"], {**config["task"], **task_options(words)}, split)


def task_of_env(env: str, words: Sequence[str], split: str) -> Task:
    """The task of an id with arguments `size=64`, drawing from the split where it has splits."""
    return _task_of_split(env, task_options(words), split)


def _task_of_split(env: str, options: dict[str, Any], split: str) -> Task:
    """The task of an id, drawing from the split where it has splits."""
    try:
        task = make_task(env, **options)
    except TypeError as error:
        raise ValueError(f"{env} with {options}: {error}") from error
    return make_task(env, **{**options, "split": split}) if has_splits(task) else task


def policy_task(policy: str, env: str | None, task: Sequence[str], split: str) -> Task:
    """The task that a policy plays: that of --env, or the own one of a checkpoint.

    Raises:
        ValueError: There is no such id, an argument is malformed, or --env is missing.
    """
    if env is None:
        if ":" in policy or policy in ("random", "classical", "solve"):
            raise ValueError(f"--policy {policy} needs --env, such as --env ttc/Sudoku-v0")
        return checkpoint_task(policy, split, task)
    return task_of_env(env, task, split)


def task_options(words: Sequence[str]) -> dict[str, Any]:
    """The arguments `size=8 view=adjacent` as a dict; numbers where they read so.

    Raises:
        ValueError: A word has no `=`.
    """
    options: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            raise ValueError(f"expected NAME=VALUE, got {word!r}")
        try:
            options[name] = json.loads(value)
        except json.JSONDecodeError:
            options[name] = value
    return options


def default_mode(env: str | None) -> str:
    """The action mode that an id is registered with; `full` without one."""
    return "full" if env is None else ENVIRONMENTS[env.rpartition(":")[2]][1]["action_mode"]


def default_level(task: Task) -> str:
    """What is drawn if nothing is said: minimal puzzles, or the first level of the task."""
    return DEFAULT_LEVEL if DEFAULT_LEVEL in task.spec.levels else task.spec.levels[0]


def sudoku_task(name: str) -> SudokuTask:
    """The Sudoku that a checkpoint was trained on.

    Raises:
        ValueError: It was trained on another task.
    """
    task = checkpoint_task(name, "test")
    if not isinstance(task, SudokuTask):
        raise ValueError(f"expected a checkpoint trained on Sudoku, {name} knows {task.spec.name}")
    return task


def families_of_files(
    task: Task, files: Sequence[Path], count: int | None, skip_bad_rows: bool
) -> dict[str, Instances]:
    """One family per file, called by the file's name.

    Args:
        task: The task.
        files: In any layout that `ttc_envs.load_puzzles` reads.
        count: The most puzzles to take of each, its first ones; None takes all.
        skip_bad_rows: Report bad rows on stderr and go on, instead of an error.
    """
    families: dict[str, Instances] = {}
    for path in files:
        name = path.name.split(".")[0]
        if name in families:
            raise ValueError(f"two files would both be the family {name!r}: rename one")
        families[name] = puzzles_of_file(task, path, skip_bad_rows)[:count]
    return families


def puzzles_of_file(task: Task, path: Path, skip_bad_rows: bool) -> Instances:
    """The puzzles of a file, with their solutions.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The puzzles are of another size, or a row is bad (with `skip_bad_rows`: all).
    """
    loaded = load_puzzles(path, on_error="skip" if skip_bad_rows else "raise")
    if not len(loaded):
        line, reason = loaded.rejected[0]
        raise ValueError(f"{path}: no row is a puzzle with one solution; line {line}: {reason}")
    for line, reason in loaded.rejected[:REJECTED_SHOWN]:
        print(f"{path}, line {line}, skipped: {reason}", file=sys.stderr)
    if len(loaded.rejected) > REJECTED_SHOWN:
        print(f"{path}: {len(loaded.rejected)} rows skipped in all", file=sys.stderr)
    if loaded.duplicates:
        print(f"{path}: {loaded.duplicates} rows repeat earlier ones", file=sys.stderr)
    if loaded.puzzles.shape[1:] != (task.spec.num_nodes,):
        raise ValueError(
            f"{path}: expected puzzles of {task.spec.num_nodes} cells, "
            f"got {len(loaded)} of {loaded.puzzles.shape[1]}"
        )
    keys = np.arange(len(loaded.puzzles), dtype=np.uint64)
    return Instances(keys, {"givens": loaded.puzzles}, {"answer": loaded.solutions})


def families_of_levels(
    task: Task, levels: Sequence[str], count: int, seed: int
) -> dict[str, Instances]:
    """One family of drawn puzzles per level."""
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    keys = np.random.default_rng(seed).integers(2**64, size=count, dtype=np.uint64)
    return {level: task.sample(keys, level) for level in levels}


def puzzle_of_digits(task: SudokuTask, text: str) -> Instances:
    """The puzzle that a word of digits spells, row by row; 0 or . is blank.

    Raises:
        ValueError: Wrong length, a letter, a clash, or no solution.
    """
    givens = parse_puzzle(text)
    if givens.shape != (task.spec.num_nodes,):
        raise ValueError(f"expected {task.spec.num_nodes} cells, got {len(givens)}")
    fields = {"givens": givens[None]}
    if not task.count_solutions(Instances(np.zeros(1, dtype=np.uint64), fields, {}))[0]:
        raise ValueError("the puzzle has no solution")
    return task.from_fields(fields)
