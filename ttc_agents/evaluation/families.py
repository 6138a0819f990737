"""Families: the sets of instances that are measured, drawn by level or read from files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ttc_envs import Instances, Loaded, Task

USUAL_LEVEL = "minimal"
REJECTED_SHOWN = 10


def default_level(task: Task) -> str:
    """What is drawn if nothing is said: `minimal` where there is such a level, else the first."""
    levels = task.spec.levels
    return USUAL_LEVEL if USUAL_LEVEL in levels else levels[0]


def draw(task: Task, level: str, count: int, seed: int) -> Instances:
    """A family of drawn instances; with the same seed, all levels have the same keys.

    Raises:
        ValueError: `count` is below 1, or there is no such level.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    keys = np.random.default_rng(seed).integers(2**64, size=count, dtype=np.uint64)
    return task.sample(keys, level)


def families_of_files(
    task: Task,
    files: Sequence[Path],
    count: int | None,
    skip_bad_rows: bool,
    say: Callable[[str], None],
    several_solutions: bool = False,
) -> dict[str, Instances]:
    """One family per file, called by the file's name.

    Args:
        task: A task that reads files.
        files: What its `load` reads.
        count: The most instances to take of each, its first ones; None takes all.
        skip_bad_rows: Report bad rows and go on, instead of an error.
        say: Told of what was left out.
        several_solutions: Whether instances may have several; they are scored by the rules.
    """
    families: dict[str, Instances] = {}
    for path in files:
        name = path.name.split(".")[0]
        if name in families:
            raise ValueError(f"two files would both be the family {name!r}: rename one")
        families[name] = read_file(task, path, skip_bad_rows, say, several_solutions)[:count]
    return families


def read_file(
    task: Task,
    path: Path,
    skip_bad_rows: bool,
    say: Callable[[str], None],
    several_solutions: bool = False,
) -> Instances:
    """The instances of a file; what is left out is said.

    Args:
        task: A task that reads files.
        path: What its `load` reads.
        skip_bad_rows: Report bad rows and go on, instead of an error.
        say: Told of what was left out.
        several_solutions: Whether instances may have several; they are scored by the rules.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The task reads no files, or a row is bad (with `skip_bad_rows`: all).
    """
    # A task of another package may know no such option.
    options = {"several_solutions": True} if several_solutions else {}
    loaded = task.load(path, on_error="skip" if skip_bad_rows else "raise", **options)
    return _reported(loaded, str(path), say)


def read_text(task: Task, text: str, skip_bad_rows: bool, say: Callable[[str], None]) -> Instances:
    """The instances of a text, as `read_file` reads them from a file that holds it.

    They may have several solutions.

    Raises:
        ValueError: It holds no instance, or a row is bad (with `skip_bad_rows`: all).
    """
    on_error = "skip" if skip_bad_rows else "raise"
    return _reported(task.load_text(text, on_error, several_solutions=True), "the text", say)


def _reported(loaded: Loaded, name: str, say: Callable[[str], None]) -> Instances:
    """What was loaded; what was left out is said."""
    for line, reason in loaded.rejected[:REJECTED_SHOWN]:
        say(f"{name}, line {line}, skipped: {reason}")
    if len(loaded.rejected) > REJECTED_SHOWN:
        say(f"{name}: {len(loaded.rejected)} rows skipped in all")
    if loaded.duplicates:
        say(f"{name}: {loaded.duplicates} rows repeat earlier ones")
    return loaded.instances
