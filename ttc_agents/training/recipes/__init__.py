"""Named trainings, by task or model; `ttc train --help` lists them in this order."""

from __future__ import annotations

from ttc_agents.training.recipes.equilibrium import EQUILIBRIA
from ttc_agents.training.recipes.graphs import GRAPHS
from ttc_agents.training.recipes.paths import PATHS
from ttc_agents.training.recipes.recipe import Recipe
from ttc_agents.training.recipes.sorting import SORTING
from ttc_agents.training.recipes.sudoku import SUDOKU
from ttc_agents.training.recipes.transformers import TRANSFORMERS

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (*SUDOKU, *PATHS, *SORTING, *TRANSFORMERS, *GRAPHS, *EQUILIBRIA)
}

__all__ = ["RECIPES", "Recipe"]
