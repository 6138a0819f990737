"""`ttc train`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro import conf

from ttc_agents.cli.options import Imports
from ttc_agents.cli.output import INTERRUPTED, complain, say
from ttc_agents.training.recipe import Recipe
from ttc_agents.training.recipes import RECIPES

if TYPE_CHECKING:
    from ttc_agents.training.train import TrainResult

OWN_PUZZLES = "own"
"""The level of what `--puzzles` names."""


def _recipe_help() -> str:
    width = max(len(name) for name in RECIPES)
    lines = [f"{r.name:<{width}}  {r.description}" for r in RECIPES.values()]
    return "\n".join(["A TOML file, module:NAME, or one of these:", *lines])


def _say_recipes() -> None:
    """A line per recipe, and what to do with one."""
    say(_recipe_help())
    say("\nFor instance: ttc train sudoku9-cpu-2min --out runs/mine")


def trained_text(result: TrainResult) -> str:
    """What a training has cost in all, and how much of it was done before."""
    whole = f"{result.updates} updates, {result.instances} instances in {result.seconds:.0f} s"
    before = result.updates_before
    if not before:
        return whole
    if before == result.updates:
        return f"nothing was left to do: {whole} (--seconds or --updates makes it longer)"
    return f"{whole}, {before} of the updates before it was resumed"


@dataclass(frozen=True, kw_only=True)
class Train(Imports):
    """Train a recipe, or a model on an environment, into a directory.

    Ctrl-C or SIGTERM saves a checkpoint after the current update, and --resume goes on from it.
    Example: ttc train sudoku9-cpu-2min --out runs/mine

    Args:
        env: The environment to learn, module:id for one of another package; needs --model.
        model: The model to train, by name or as module:Class of your own; needs --env.
        out: Directory of the checkpoint.
        equilibrium: Train the model as its equilibrium, on the point where its steps end. Its own
            options are then model_options.inner.options.
        changes: Fields of the recipe, such as batch_size=32 or model_options.width=64.
        level: Level of the training instances, several with commas between them.
        puzzles: Train on the puzzles of this file, checked, and divided into training, validation
            and test by symmetry class.
        seconds: Train so many seconds instead of the recipe's length.
        updates: Train so many updates instead of the recipe's length.
        seed: Random seed instead of the recipe's.
        resume: Go on from the checkpoint in --out.
        overwrite: Replace the checkpoint in --out.
        device: auto (CUDA where there is one), cpu, cuda, cuda:1, ...
        json: Measure the checkpoint on test instances in the end, draw the graph of a model that
            learns one, and print one JSON document as the last line.
        print_recipe: Print the recipe as TOML and do nothing.
    """

    recipe: Annotated[
        str | None, conf.Positional, conf.arg(metavar="RECIPE", help=_recipe_help())
    ] = None
    env: str | None = None
    model: str | None = None
    out: Path | None = None
    equilibrium: conf.FlagCreatePairsOff[bool] = False
    changes: Annotated[
        conf.UseAppendAction[tuple[tuple[str, ...], ...]],
        conf.arg(name="set", metavar="FIELD=VALUE"),
    ] = ()
    level: str | None = None
    puzzles: Path | None = None
    seconds: float | None = None
    updates: int | None = None
    seed: int | None = None
    resume: conf.FlagCreatePairsOff[bool] = False
    overwrite: conf.FlagCreatePairsOff[bool] = False
    device: str = "auto"
    json: conf.FlagCreatePairsOff[bool] = False
    print_recipe: Annotated[conf.FlagCreatePairsOff[bool], conf.arg(name="print")] = False

    def run(self) -> int:
        """Train, and say where the checkpoint is and which command measures it."""
        from ttc_agents.evaluation.outcome import GraphWatch, outcome
        from ttc_agents.figures.graphs import draw_graph
        from ttc_agents.training.distributed import speaks
        from ttc_agents.training.train import train

        recipe = self._adjusted(self._recipe())
        if self.print_recipe:
            print(recipe.to_toml(), end="")
            return 0
        if self.out is None:
            raise ValueError("--out is missing: the directory of the checkpoint")
        watch = GraphWatch()
        result = train(
            recipe,
            self.out,
            resume=self.resume,
            overwrite=self.overwrite,
            device=self.device,
            hooks=[watch],
        )
        if not speaks():
            return 0
        if not result.finished:
            return complain(f"interrupted: {self.out} is saved, --resume goes on", INTERRUPTED)
        say(f"{result.checkpoint}: {trained_text(result)}")
        imports = "".join(f" --import {module}" for module in recipe.modules())
        say(f"next: ttc evaluate {result.checkpoint}{imports}")
        if watch.scores:
            draw_graph(result.checkpoint, watch.frames)
        if self.json:
            print(json.dumps(outcome(result)))
        return 0

    def _recipe(self) -> Recipe:
        """The recipe that is named, or the defaults of a model on an environment."""
        from ttc_agents.training.recipes import as_equilibrium

        recipe = self._named()
        return as_equilibrium(recipe) if self.equilibrium else recipe

    def _named(self) -> Recipe:
        """The same before `--equilibrium`."""
        from ttc_agents.training.recipes import default_recipe, find_recipe

        if self.recipe is not None:
            if self.env or self.model:
                raise ValueError("give either a RECIPE, or --env and --model")
            return find_recipe(self.recipe)
        if self.env is None and self.model is None:
            _say_recipes()
            raise ValueError("which RECIPE? The list is above; or give --env and --model")
        if self.env is None or self.model is None:
            raise ValueError("--env and --model belong together")
        return default_recipe(self.env, self.model)

    def _adjusted(self, recipe: Recipe) -> Recipe:
        """The recipe with --set first, and the options that have a name of their own after it."""
        recipe = recipe.changed([change for group in self.changes for change in group])
        if self.seconds is not None and self.updates is not None:
            raise ValueError("--seconds and --updates exclude each other")
        if self.puzzles is not None:
            task = {**recipe.task, "puzzles": str(self.puzzles.resolve())}
            recipe = recipe.replaced(task=task, level=self.level or OWN_PUZZLES)
        given = {name: getattr(self, name) for name in ("level", "seconds", "updates", "seed")}
        return recipe.replaced(**{k: v for k, v in given.items() if v is not None})
