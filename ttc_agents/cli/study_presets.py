"""The study's question as presets: at one training budget, do more steps catch up with more layers?

Each arena has feed-forward transformers, small (and so trained for longer) and larger, transformers
that repeat some layers, and a network that is told of the graph.
"""

from __future__ import annotations

from typing import Any

from ttc_agents.training.budget import Budget
from ttc_agents.training.presets import Arena, Preset, Row

SMALL = {"width": 64, "heads": 4, "layers": 2}
LARGER = {"width": 96, "heads": 4, "layers": 4}
ONCE: dict[str, Any] = {"batch_size": 16, "segment_steps": 1, "restart": 1.0}
FOUR_STEPS: dict[str, Any] = {"batch_size": 16, "segment_steps": 4, "restart": 0.25}
"""Small batches, or a larger model would not see a thousand updates."""
LONG, LARGE = "feed-forward, trained longer", "feed-forward, larger"
TOP, UNIVERSAL = "top layer repeated", "universal transformer"
PAIRS = tuple((recurrent, other) for recurrent in (TOP, UNIVERSAL) for other in (LONG, LARGE))


def transformer(name: str, recipe: str, last: int | None = None, **changes: Any) -> Row:
    """A transformer by a recipe with other numbers."""
    return Row(name, "refinement", {"recipe": recipe, "changes": changes}, last=last)


def transformers(recipe: str) -> tuple[Row, ...]:
    """Two feed-forward and two recurrent ones."""

    def plain(name: str, sizes: dict[str, int]) -> Row:
        options = {**sizes, "share": "none"}
        return transformer(name, recipe, last=1, model_options=options, **ONCE)

    def repeated(name: str, share: str) -> Row:
        return transformer(name, recipe, model_options={**SMALL, "share": share}, **FOUR_STEPS)

    return (
        plain(LONG, SMALL),
        plain(LARGE, LARGER),
        repeated(TOP, "top"),
        repeated(UNIVERSAL, "all"),
    )


FIXED_MAP = Arena(
    env_id="ttc/ShortestPathUSA-v0",
    task={"cities": "spread=64", "slots": 24},
    level="any",
    steps=(1, 2, 4, 8, 16, 32),
    curve_count=50,
    rows=(
        *transformers("paths-transformer"),
        transformer(
            "LSTM language model",
            "city-lstm-cpu-20min",
            model_options={"width": 128, "embedding": 64},
            batch_size=32,
        ),
    ),
    pairs=PAIRS,
)
NEW_MAPS = Arena(
    env_id="ttc/ShortestPath-v0",
    task={"places": 16},
    level="spread16",
    steps=(1, 2, 4, 8, 16, 32),
    curve_count=50,
    rows=(
        *transformers("maps-transformer"),
        Row(
            "relational network",
            "refinement",
            {"recipe": "shortest-path-cpu-20min", "recipe_level": "spread16"},
        ),
    ),
    pairs=(*PAIRS, ("relational network", LARGE)),
)
LISTS = Arena(
    env_id="ttc/Sorting-v0",
    task={"size": 16},
    level="uniform",
    steps=(1, 2, 4, 8, 16, 32, 64, 128),
    curve_count=50,
    rows=(
        *transformers("sorting-transformer"),
        Row(
            "relational network",
            "refinement",
            {"recipe": "sorting-cpu-3min", "recipe_level": "uniform"},
            last=1,
        ),
    ),
    pairs=(*PAIRS, ("relational network", LARGE)),
)
"""The longest sweep is twice n log n steps."""

STUDY_PRESETS = (
    Preset(
        name="study-paths-cpu",
        description="More steps against more layers on paths over one map, an hour on a core",
        arenas={"fixed-map": FIXED_MAP},
        budget=Budget(flops=1.5e12),
        seeds=3,
    ),
    Preset(
        name="study-maps-cpu",
        description="The same on next hops, a new map in every instance, an hour on a core",
        arenas={"new-maps": NEW_MAPS},
        budget=Budget(flops=1.2e12),
        seeds=3,
    ),
    Preset(
        name="study-sorting-cpu",
        description="More steps against more layers on lists of 16 keys, an hour on a core",
        arenas={"lists": LISTS},
        budget=Budget(flops=1.2e12),
        seeds=3,
    ),
)
