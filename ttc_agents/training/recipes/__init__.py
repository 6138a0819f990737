"""Named trainings, by task or model; `ttc train --help` lists them in this order."""

from __future__ import annotations

from pathlib import Path

from ttc_agents.names import find
from ttc_agents.training.recipe import Recipe, read_recipe
from ttc_agents.training.recipes.paths import PATHS, SORTING, TRANSFORMERS
from ttc_agents.training.recipes.sudoku import EQUILIBRIA, GRAPHS, SUDOKU

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (*SUDOKU, *PATHS, *SORTING, *TRANSFORMERS, *GRAPHS, *EQUILIBRIA)
}


def find_recipe(recipe: Recipe | str) -> Recipe:
    """The recipe of that name: one of `RECIPES`, `module:NAME`, or the path of a TOML file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: There is no such recipe.
    """
    if isinstance(recipe, str):
        if recipe.endswith(".toml"):
            return read_recipe(Path(recipe))
        recipe = find("recipe", recipe, RECIPES)
    if not isinstance(recipe, Recipe):
        raise ValueError(f"expected a Recipe, got {recipe!r}")
    return recipe


def default_recipe(env_id: str, model: str) -> Recipe:
    """A recipe for a model on a task, two minutes at all of the task's levels.

    Args:
        env_id: The id, `module:id` for one of another package.
        model: Key of `MODELS`, or `module:Class`. What suits it stands in its
            `training_defaults`.
    """
    from ttc_agents.models import find_model
    from ttc_envs import make_task

    own = find_model(model).training_defaults
    recipe = {
        "name": model.rpartition(":")[2],
        "description": f"{model} on {env_id}",
        "env_id": env_id,
        "model": model,
        "level": ",".join(make_task(env_id).spec.levels),
        "compile": "off",
        **({} if "updates" in own else {"seconds": 120.0}),
        **own,
    }
    return Recipe.from_json(recipe)


__all__ = ["RECIPES", "Recipe", "default_recipe", "find_recipe"]
