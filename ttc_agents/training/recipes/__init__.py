"""Named trainings, by task or model; `ttc train --help` lists them in this order."""

from __future__ import annotations

from pathlib import Path

from ttc_agents.names import find
from ttc_agents.training.recipe import Recipe, read_recipe
from ttc_agents.training.recipes.paths import PATHS, SORTING, TRANSFORMERS
from ttc_agents.training.recipes.sudoku import ENERGIES, EQUILIBRIA, GRAPHS, SUDOKU

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (*SUDOKU, *PATHS, *SORTING, *TRANSFORMERS, *GRAPHS, *EQUILIBRIA, *ENERGIES)
}

MEASURED = {
    "sudoku9-cpu-2min": 12.5,
    "sudoku9-cpu-30min": 12.5,
    "shortest-path-cpu-20min": 6.5,
    "sorting-cpu-3min": 49.9,
    "sorting-adjacent-cpu-2min": 13.4,
    "learned-graph-9x9": 4.1,
    "sudoku9-deq-cpu-5min": 6.1,
    "sudoku9-deq-cpu-30min": 7.1,
}
"""Updates per second of the trainings whose figures are published, on two cores."""


def measured(recipe: Recipe) -> float | None:
    """Updates per second of a recipe where its figures were measured; None: unknown, or changed."""
    own = RECIPES.get(recipe.name)
    if own is None or set(recipe.differences(own.to_json())) - {"seed"}:
        return None
    return MEASURED.get(recipe.name)


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


def as_equilibrium(recipe: Recipe) -> Recipe:
    """The recipe with its model trained as its equilibrium, by settings that hold.

    The model is wrapped by `Equilibrium` with the options of its `training_defaults`. States are
    carried at least as long as these say, since an update alone does not reach a fixed point. Task,
    level, length, batch, optimizer and rates stay.

    Raises:
        ValueError: The recipe trains the model by something else than the logits of its steps, or
            the class of the model has no equilibrium. What depends on its options is found out when
            it is made.
    """
    from ttc_agents.models import find_model

    wrapper = find_model("equilibrium")
    reasons = {
        "forcing=True": recipe.forcing,
        f"target={recipe.target!r}": recipe.target == "improve",
        f"objective={recipe.objective!r}": recipe.objective != "cross_entropy",
        f"first={recipe.first!r}": recipe.first is not None,
        f"frozen={recipe.frozen!r}": bool(recipe.frozen),
    }
    reason = next((f"a recipe with {name}" for name, holds in reasons.items() if holds), None)
    cannot = wrapper.cannot_wrap(find_model(recipe.model))  # type: ignore[attr-defined]
    if cannot is not None:
        reason = f"{recipe.model}: {cannot}"
    if reason is not None:
        raise ValueError(f"no equilibrium of {reason}")
    defaults = wrapper.training_defaults
    inner = {"model": recipe.model, "options": recipe.model_options}
    return recipe.replaced(
        name=f"{recipe.name}-equilibrium",
        description=f"{recipe.description}, as an equilibrium",
        model="equilibrium",
        model_options={**defaults["model_options"], "inner": inner},
        restart=min(recipe.restart, defaults["restart"]),
        compile="off",
    )


__all__ = [
    "RECIPES",
    "Recipe",
    "as_equilibrium",
    "default_recipe",
    "find_recipe",
    "measured",
]
