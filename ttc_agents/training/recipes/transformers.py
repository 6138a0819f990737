"""Transformers, which are told of no graph."""

from __future__ import annotations

from ttc_agents.training.recipe import Recipe

PATHS_TRANSFORMER = Recipe(
    name="paths-transformer",
    description="Universal transformer that writes whole paths over 64 places at each step",
    env_id="ttc/ShortestPathUSA-v0",
    model="transformer",
    level="any",
    task={"cities": "spread=64", "slots": 24},
    model_options={"width": 64, "heads": 4, "layers": 2},
    seconds=1200,
    segment_steps=4,
    restart=1.0,
    learning_rate=2e-3,
    optimizer="muon",
    matrix_learning_rate=0.01,
    precision="float32",
    compile="off",
)

TRANSFORMERS: tuple[Recipe, ...] = (
    PATHS_TRANSFORMER,
    PATHS_TRANSFORMER.replaced(
        name="maps-transformer",
        description="Universal transformer on a new map of 16 places in every instance",
        env_id="ttc/ShortestPath-v0",
        level="spread16",
        task={"places": 16},
        segment_steps=2,
        restart=0.125,
    ),
    PATHS_TRANSFORMER.replaced(
        name="sorting-transformer",
        description="Universal transformer on lists of 16 keys",
        env_id="ttc/Sorting-v0",
        level="uniform",
        task={"size": 16},
    ),
    PATHS_TRANSFORMER.replaced(
        name="sudoku9-transformer-cpu-60min",
        description="Universal transformer on 9x9, an hour on a laptop",
        env_id="ttc/Sudoku-v0",
        level="givens=17..34",
        task={},
        model_options={"width": 96, "heads": 4, "layers": 2, "positions": "grid"},
        seconds=3600,
        segment_steps=2,
        restart=0.125,
        matrix_learning_rate=0.015,
    ),
)
