"""The study's question as comparisons: at one budget, do more steps catch up with more layers?

    ttc compare experiments/recurrence/preset.py:study_sorting_cpu

`study_paths_cpu`, `study_maps_cpu`, `study_sorting_cpu` and `study_sudoku_cpu` have feed-forward
transformers, small (and so trained for longer) and larger, transformers that repeat some layers,
and a network that is told of the graph or, of paths, a language model. `study_options_cpu` changes
one thing at a time: a memory with product keys, halting, feedback. `study_paths_gpu` and
`study_sorting_gpu` have the study's own size.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ttc_agents.comparison.plan import Comparison, Row, Table
from ttc_agents.training.schedule import Length

SMALL = {"width": 64, "heads": 4, "layers": 2}
LARGER = {"width": 96, "heads": 4, "layers": 4}
ONCE: dict[str, Any] = {"segment_steps": 1, "restart": 1.0}
"""Of feed-forward trainings: one step from the first state, then another instance."""
ADAMW: dict[str, Any] = {"optimizer": "adamw"}
LONG, LARGE = "feed-forward, trained longer", "feed-forward, larger"
TOP, UNIVERSAL = "top layer repeated", "universal transformer"
HALTING, FEEDBACK = "universal, halting", "universal, feedback"
LSTM, RELATIONAL = "LSTM language model", "relational network"
WITH_MEMORY = "feed-forward, memory"
SLOTS = {"keys": 128, "heads": 1, "top": 4}
"""Of a memory that has ten times as many numbers as the model without."""
PAIRS = tuple((recurrent, other) for recurrent in (TOP, UNIVERSAL) for other in (LONG, LARGE))


def transformer(name: str, recipe: str, last: int | None = None, **changes: Any) -> Row:
    """A transformer by a recipe with other numbers."""
    return Row(name, "refinement", {"recipe": recipe, "changes": changes}, last=last)


def plain(name: str, recipe: str, options: dict[str, Any], **changes: Any) -> Row:
    """A feed-forward one, with options of the model and changes of its recipe."""
    options = {**options, "share": "none"}
    return transformer(name, recipe, last=1, model_options=options, **ONCE, **changes)


def repeated(name: str, recipe: str, share: str, **options: Any) -> Row:
    """A recurrent one, with options of the model."""
    return transformer(name, recipe, model_options={**SMALL, "share": share, **options})


def transformers(recipe: str, by_adamw: tuple[str, ...]) -> tuple[Row, ...]:
    """Two feed-forward and two recurrent ones.

    Args:
        recipe: Name of the recipe, which trains by Muon.
        by_adamw: The feed-forward rows that AdamW trains instead: what did better on validation
            instances.
    """
    optimizer = {name: ADAMW for name in by_adamw}
    return (
        plain(LONG, recipe, SMALL, **optimizer.get(LONG, {})),
        plain(LARGE, recipe, LARGER, **optimizer.get(LARGE, {})),
        repeated(TOP, recipe, "top"),
        repeated(UNIVERSAL, recipe, "all"),
    )


FIXED_MAP = Table(
    env_id="ttc/ShortestPathUSA-v0",
    task={"cities": "spread=64", "slots": 24},
    level="any",
    steps=(1, 2, 4, 8, 16, 32),
    count=500,
    curve_count=50,
    rows=(
        *transformers("paths-transformer", by_adamw=(LONG, LARGE)),
        transformer(
            LSTM,
            "city-lstm-cpu-20min",
            model_options={"width": 128, "embedding": 64},
            batch_size=32,
            weight_decay=0.0,
        ),
    ),
    pairs=(*PAIRS, (LSTM, LONG), (LSTM, LARGE)),
)
NEW_MAPS = Table(
    env_id="ttc/ShortestPath-v0",
    task={"places": 32},
    level="spread32",
    steps=(1, 2, 4, 8, 16, 32),
    count=500,
    curve_count=50,
    rows=(
        *transformers("maps-transformer", by_adamw=(LONG, LARGE)),
        Row(
            RELATIONAL,
            "refinement",
            {"recipe": "shortest-path-cpu-20min", "changes": {"level": "spread32"}},
        ),
    ),
    pairs=(*PAIRS, (RELATIONAL, LONG), (RELATIONAL, LARGE)),
)
LISTS = Table(
    env_id="ttc/Sorting-v0",
    task={"size": 12},
    level="uniform",
    steps=(1, 2, 4, 8, 16, 32, 64, 128),
    count=500,
    curve_count=20,
    rows=(
        *transformers("sorting-transformer", by_adamw=(LARGE,)),
        Row(
            RELATIONAL,
            "refinement",
            {"recipe": "sorting-cpu-3min", "changes": {"level": "uniform"}},
            last=1,
        ),
    ),
    pairs=(*PAIRS, (RELATIONAL, LONG), (RELATIONAL, LARGE)),
)
"""The longest sweep is three times n log n steps."""
SUDOKU = Table(
    env_id="ttc/Sudoku-v0",
    level="minimal",
    steps=(1, 2, 4, 8, 16, 32, 64, 128),
    count=1000,
    curve_count=50,
    rows=(
        transformer(UNIVERSAL, "sudoku9-transformer-cpu-60min"),
        plain(
            LARGE,
            "sudoku9-transformer-cpu-60min",
            {**LARGER, "layers": 8, "positions": "grid"},
            batch_size=8,
            matrix_learning_rate=0.01,
        ),
    ),
    pairs=((UNIVERSAL, LARGE),),
)
"""Told of no constraints: only of rows, columns and digits, as embeddings."""
MEMORY = replace(
    FIXED_MAP,
    rows=(
        plain(LONG, "paths-transformer", SMALL, **ADAMW),
        plain(WITH_MEMORY, "paths-transformer", {**SMALL, "memory": SLOTS}, **ADAMW),
    ),
    pairs=((WITH_MEMORY, LONG),),
)
OPTIONS = replace(
    NEW_MAPS,
    rows=(
        repeated(UNIVERSAL, "maps-transformer", "all"),
        repeated(HALTING, "maps-transformer", "all", halting=0.01),
        repeated(FEEDBACK, "maps-transformer", "all", feedback=True),
    ),
    pairs=((HALTING, UNIVERSAL), (FEEDBACK, UNIVERSAL)),
)


def on_gpu(row: Row) -> Row:
    """A transformer in the study's size (8 and 16 million numbers), on a GPU where there is one."""
    changes = row.options["changes"]
    options = {**changes["model_options"], "width": 560, "heads": 5}
    changes = {**changes, "batch_size": 64, "learning_rate": 5e-4, "model_options": options}
    return replace(row, options={**row.options, "changes": changes, "device": "auto"})


MANY_SLOTS = {"keys": 256, "heads": 1, "top": 4}
STUDY_MAP = replace(
    FIXED_MAP,
    task={"cities": "largest=4134", "radius_km": 70.0, "slots": 122},
    steps=(1, 2, 4, 8, 16, 32, 64, 121),
    rows=(
        *map(on_gpu, transformers("paths-transformer", by_adamw=(LONG, LARGE))),
        on_gpu(plain(WITH_MEMORY, "paths-transformer", {**SMALL, "memory": MANY_SLOTS}, **ADAMW)),
        Row(LSTM, "refinement", {"recipe": "city-lstm-gpu", "device": "auto"}),
    ),
    pairs=(*FIXED_MAP.pairs, (WITH_MEMORY, LONG)),
)
LONG_LISTS = replace(
    LISTS,
    task={"size": 64},
    steps=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
    rows=(
        *map(on_gpu, transformers("sorting-transformer", by_adamw=(LARGE,))),
        replace(LISTS.rows[-1], options={**LISTS.rows[-1].options, "device": "auto"}),
    ),
)
"""64 log 64 is 384 steps."""

study_paths_cpu = Comparison(
    name="study-paths-cpu",
    description="More steps against more layers on paths over one map, 20 minutes on a core",
    tables={"fixed-map": FIXED_MAP},
    length=Length(flops=1.2e12),
    seeds=3,
)
study_maps_cpu = Comparison(
    name="study-maps-cpu",
    description="The same on next hops, a new map in every instance, 15 minutes on a core",
    tables={"new-maps": NEW_MAPS},
    length=Length(flops=4e11),
    seeds=3,
)
study_sorting_cpu = Comparison(
    name="study-sorting-cpu",
    description="More steps against more layers on lists of 12 keys, 35 minutes on a core",
    tables={"lists": LISTS},
    length=Length(flops=6e11),
    seeds=3,
)
study_sudoku_cpu = Comparison(
    name="study-sudoku-cpu",
    description="More steps against more layers on minimal 9x9 puzzles, 45 minutes on a core",
    tables={"sudoku9": SUDOKU},
    length=Length(flops=1.4e13),
    seeds=3,
)
study_options_cpu = Comparison(
    name="study-options-cpu",
    description="A memory on paths, halting and feedback on new maps, 13 minutes on a core",
    tables={"memory": MEMORY, "options": OPTIONS},
    length=Length(seconds=40),
    seeds=3,
)
study_paths_gpu = Comparison(
    name="study-paths-gpu",
    description="Paths in the study's size, and a memory, for a GPU",
    tables={"study-map": STUDY_MAP},
    length=Length(flops=5e15),
    seeds=1,
)
study_sorting_gpu = Comparison(
    name="study-sorting-gpu",
    description="Lists of 64 keys in the study's size, for a GPU",
    tables={"long-lists": LONG_LISTS},
    length=Length(flops=5e15),
    seeds=1,
)
