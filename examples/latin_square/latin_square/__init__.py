"""Latin squares: a task, a model and a recipe that ttc-gym knows nothing of.

ttc train latin_square:RECIPE --out runs/latin
ttc evaluate runs/latin --import latin_square
"""

import ttc_envs
from latin_square.model import LatinNet
from latin_square.task import LatinSquare
from ttc_agents import Recipe

ttc_envs.register("example/Latin-v0", "latin_square:LatinSquare")

RECIPE = Recipe(
    name="latin",
    description="Message passing on 5x5 Latin squares, in seconds",
    env_id="latin_square:example/Latin-v0",
    model="latin_square:LatinNet",
    level="easy,hard",
    seconds=20,
    precision="float32",
    compile="off",
)

SEARCHED = RECIPE.replaced(
    name="latin-searched",
    description="The same without labels: taught by what its own searches find",
    target="search",
    level="trivial,easy,hard",
    seconds=60,
)

__all__ = ["RECIPE", "SEARCHED", "LatinNet", "LatinSquare"]
