"""Options that commands share: modules to import, tasks, and the instances that are measured."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro import conf

from ttc_agents.cli.output import say

if TYPE_CHECKING:
    from ttc_agents.models import RefinementModel
    from ttc_envs import Instances, Task

CHECKPOINT_ARG = conf.arg(
    metavar="CHECKPOINT", help="A shipped name (sudoku-cpu), a directory or hf://owner/name."
)
DEFAULT_COUNT = 1000
DEFAULT_STEPS = "1,2,4,8,16,32,64,128,256"


@dataclass(frozen=True, kw_only=True)
class Imports:
    """What all commands take that load what users bring.

    Args:
        imports: Modules or files to import first, such as that of your own task or model. A
            checkpoint that names one is not enough.
    """

    imports: Annotated[
        conf.UseAppendAction[tuple[str, ...]], conf.arg(name="import", metavar="MODULE")
    ] = ()

    def import_modules(self) -> None:
        """Import what was asked for.

        Raises:
            ValueError: There is no such module.
        """
        from ttc_agents.names import load_module

        for name in self.imports:
            load_module(f"--import {name}", name)


@dataclass(frozen=True, kw_only=True)
class Families(Imports):
    """The tasks and instances that a command measures.

    Args:
        task: Arguments of the task, as NAME=VALUE; given several times, each is a task of its own:
            --task size=16 --task size=256.
        puzzles: Files of instances, a family each; for Sudoku csv, text, grids, JSON, XML or npy,
            plain, gzip'd or in a zip file.
        level: Draw instances of these levels instead.
        count: How many to draw (1000 if not given), or to take of each file (all if not given).
        split: The split that instances are drawn from, where the task has splits.
        skip_bad_rows: Report bad rows of a file on stderr and leave them out.
        several_solutions: Accept puzzles with several solutions; any that obeys the rules counts.
        seed: Of what is drawn: instances, random first states, random answers.
    """

    task: conf.UseAppendAction[tuple[tuple[str, ...], ...]] = ()
    puzzles: conf.UseAppendAction[tuple[tuple[Path, ...], ...]] = ()
    level: tuple[str, ...] = ()
    count: int | None = None
    split: Literal["train", "validation", "test"] = "test"
    skip_bad_rows: conf.FlagCreatePairsOff[bool] = False
    several_solutions: conf.FlagCreatePairsOff[bool] = False
    seed: int = 0

    def tasks_and_families(
        self, make: Callable[[dict[str, Any]], Task]
    ) -> list[tuple[Task, dict[str, Instances]]]:
        """Every task with its families, all read before anything is run.

        Args:
            make: Makes the task with these arguments.

        Raises:
            ValueError: Two families have one name, or an option is wrong.
        """
        pairs = []
        for words in self.task or ((),):
            task = make(task_options(words))
            families = self._families(task)
            if len(self.task) > 1:
                families = named_after(words, families)
            pairs.append((task, families))
        names = [name for _, families in pairs for name in families]
        if len(set(names)) < len(names):
            raise ValueError(f"families need names of their own, got {', '.join(names)}")
        return pairs

    def _families(self, task: Task) -> dict[str, Instances]:
        from ttc_agents.evaluation.families import default_level, draw, families_of_files

        files = [path for group in self.puzzles for path in group]
        if files and self.level:
            raise ValueError("--puzzles and --level exclude each other")
        if self.count is not None and self.count < 1:
            raise ValueError(f"--count must be at least 1, got {self.count}")
        if files:
            return families_of_files(
                task, files, self.count, self.skip_bad_rows, warn, self.several_solutions
            )
        levels = self.level or (default_level(task),)
        count = self.count or DEFAULT_COUNT
        return {level: draw(task, level, count, self.seed) for level in levels}

    def settings(self, task: Task) -> dict[str, Any]:
        """The split and the task arguments, for the settings of the document."""
        return {
            "split": self.split if task.splits else None,
            "task": [" ".join(words) for words in self.task],
        }


def warn(line: str) -> None:
    """Report on stderr what is worth a line and is no error."""
    say(line, file=sys.stderr)


def named_after(words: Sequence[str], families: dict[str, Instances]) -> dict[str, Instances]:
    """The families of one of several tasks, called by its arguments."""
    name = " ".join(words)
    several = len(families) > 1
    return {f"{name} {family}" if several else name: own for family, own in families.items()}


def descended(model: RefinementModel, descent: str | None) -> RefinementModel:
    """The model of a command, with the way down its energy that --descent names.

    Raises:
        ValueError: There is no such way down, or the model has no energy.
    """
    from ttc_agents.inference.descent import DESCENTS, Descent
    from ttc_agents.models.base import check_name

    if descent is None:
        return model
    check_name(descent, DESCENTS, "--descent")
    if not model.has_energy:
        raise ValueError(f"--descent is for a model with an energy, got a {type(model).__name__}")
    return Descent(model, DESCENTS[descent])


def task_options(words: Sequence[str]) -> dict[str, Any]:
    """The arguments `size=8 view=adjacent` as a dict; numbers where they read so.

    Raises:
        ValueError: A word has no `=`.
    """
    from ttc_agents.training.recipe import read_value

    options: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            raise ValueError(f"expected NAME=VALUE, got {word!r}")
        options[name] = read_value(value)
    return options


def parse_steps(text: str) -> tuple[int, ...]:
    """The steps of `1,16,64`.

    Raises:
        ValueError: It is not a list of positive integers.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() and int(word) > 0 for word in words):
        raise ValueError(f"steps must be positive integers separated by commas, got {text!r}")
    return tuple(sorted({int(word) for word in words}))
