"""`ttc train`."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro import conf

from ttc_agents.training.recipes import RECIPES, Recipe


def _recipe_help() -> str:
    width = max(len(name) for name in RECIPES)
    return "\n".join(f"{r.name:<{width}}  {r.description}" for r in RECIPES.values())


@dataclass(frozen=True)
class Train:
    """Train a recipe into a directory.

    Ctrl-C or SIGTERM saves a checkpoint after the current update, and --resume goes on from it.
    Example: ttc train sudoku9-cpu-2min --out runs/mine

    Args:
        out: Directory of the checkpoint.
        resume: Go on from the checkpoint in --out.
        overwrite: Replace the checkpoint in --out.
        seconds: Train so many seconds instead of the recipe's length.
        seed: Random seed instead of the recipe's.
        json: Measure the checkpoint on test instances in the end, draw the graph of a model that
            learns one, and print one JSON document as the last line.
        device: auto (CUDA where there is one), cpu, cuda, cuda:1, ...
    """

    recipe: Annotated[str, conf.Positional, conf.arg(metavar="RECIPE", help=_recipe_help())]
    out: Path
    resume: conf.FlagCreatePairsOff[bool] = False
    overwrite: conf.FlagCreatePairsOff[bool] = False
    seconds: float | None = None
    seed: int | None = None
    device: str = "auto"
    json: conf.FlagCreatePairsOff[bool] = False

    def run(self) -> int:
        """Train."""
        from ttc_agents.cli import INTERRUPTED, complain
        from ttc_agents.evaluation.graphs import GraphWatch
        from ttc_agents.evaluation.outcome import outcome
        from ttc_agents.training.trainer import train

        recipe = adjusted(find_recipe(self.recipe), self.seconds, self.seed)
        watch = GraphWatch()
        result = train(
            recipe,
            self.out,
            resume=self.resume,
            overwrite=self.overwrite,
            device=self.device,
            watch=watch,
        )
        if not result.finished:
            return complain(f"interrupted: {self.out} is saved, --resume goes on", INTERRUPTED)
        print(
            f"{result.checkpoint}: {result.updates} updates, {result.instances} puzzles "
            f"in {result.seconds:.0f} s"
        )
        print(f"next: ttc evaluate {result.checkpoint}")
        if self.json:
            print(json.dumps(outcome(result, recipe, watch)))
        return 0


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        ValueError: There is none.
    """
    if name not in RECIPES:
        raise ValueError(f"no recipe {name!r}, expected one of {', '.join(RECIPES)}")
    return RECIPES[name]


def adjusted(recipe: Recipe, seconds: float | None, seed: int | None) -> Recipe:
    """A recipe of another length or seed."""
    if seconds is not None:
        recipe = dataclasses.replace(recipe, seconds=seconds, updates=None)
    return recipe if seed is None else dataclasses.replace(recipe, seed=seed)
