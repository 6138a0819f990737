"""Families: the sets of instances that are measured, drawn by level or read from files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ttc_envs import Instances, Task

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
) -> dict[str, Instances]:
    """One family per file, called by the file's name.

    Args:
        task: A task that reads files.
        files: What its `load` reads.
        count: The most instances to take of each, its first ones; None takes all.
        skip_bad_rows: Report bad rows and go on, instead of an error.
        say: Told of what was left out.
    """
    families: dict[str, Instances] = {}
    for path in files:
        name = path.name.split(".")[0]
        if name in families:
            raise ValueError(f"two files would both be the family {name!r}: rename one")
        families[name] = read_file(task, path, skip_bad_rows, say)[:count]
    return families


def read_file(task: Task, path: Path, skip_bad_rows: bool, say: Callable[[str], None]) -> Instances:
    """The instances of a file; what is left out is said.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The task reads no files, or a row is bad (with `skip_bad_rows`: all).
    """
    loaded = task.load(path, on_error="skip" if skip_bad_rows else "raise")
    for line, reason in loaded.rejected[:REJECTED_SHOWN]:
        say(f"{path}, line {line}, skipped: {reason}")
    if len(loaded.rejected) > REJECTED_SHOWN:
        say(f"{path}: {len(loaded.rejected)} rows skipped in all")
    if loaded.duplicates:
        say(f"{path}: {loaded.duplicates} rows repeat earlier ones")
    return loaded.instances
