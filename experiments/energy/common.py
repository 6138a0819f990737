"""What scripts of this folder share: arguments, instances, trainings, shares and documents."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ttc_agents.evaluation.intervals import share
from ttc_agents.inference.refine import refine
from ttc_agents.models import RefinementModel
from ttc_agents.training.loop import run
from ttc_agents.training.recipe import Recipe
from ttc_agents.training.schedule import Length
from ttc_agents.training.update import Training
from ttc_envs import Instances, Task

RESULTS = Path(__file__).parent / "results"
Options = argparse.Namespace


def arguments(description: str | None, name: str, count: int) -> argparse.ArgumentParser:
    """The arguments of every script: how many instances of which level, and where to write."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--level", default="minimal")
    parser.add_argument("--count", type=int, default=count, help="instances")
    parser.add_argument("--out", type=Path, default=RESULTS / f"{name}.json")
    return parser


def of_checkpoints(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The same for scripts that measure checkpoints, one of each random seed."""
    parser.add_argument("checkpoints", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--puzzles", type=Path, help="a file of puzzles in place of a level")
    parser.add_argument("--first", type=int, default=0, help="key of the first instance")
    return parser


def of_trainings(parser: argparse.ArgumentParser, seconds: float) -> argparse.ArgumentParser:
    """The same for scripts that train."""
    parser.add_argument("--seconds", type=float, default=seconds, help="of CPU, for each network")
    parser.add_argument("--seeds", type=int, default=3)
    return parser


def instances_of(task: Task, options: Options, count: int) -> Instances:
    """So many instances, by the arguments."""
    keys = np.arange(options.first, options.first + count, dtype=np.uint64)
    return task.sample(keys, f"file:{options.puzzles}" if options.puzzles else options.level)


def trained(recipe: Recipe, task: Task, seconds: float) -> RefinementModel:
    """The averaged weights after so many CPU seconds."""
    training = Training(recipe, task, say=lambda line: None)
    run(training, Length(seconds=seconds), clock=time.process_time)
    return training.averaged_model()


def solved(
    model: RefinementModel, task: Task, instances: Instances, steps: Sequence[int]
) -> dict[str, Any]:
    """Solved shares by steps (P1)."""
    rows = {}
    for count, step in enumerate(refine(model, task, instances, steps[-1]), start=1):
        if count in steps:
            right = task.score(instances, step.answer)["solved"].astype(bool) & step.finite
            rows[str(count)] = share(int(right.sum()), len(right))
    return rows


def write(options: Options, **found: Any) -> None:
    """Write the document with the settings, and print it as one line."""
    where = ("out", "checkpoints")
    settings = {name: str(value) for name, value in vars(options).items() if name not in where}
    document = {"settings": settings, **found}
    options.out.write_text(json.dumps(document) + "\n")
    print(json.dumps(document))


def measure_all(options: Options, measured: Callable[[Path, Options], dict[str, Any]]) -> None:
    """Measure every checkpoint, and write `runs` {name of the checkpoint: what was found}."""
    write(options, runs={path.name: measured(path, options) for path in options.checkpoints})
