"""Shortest paths and sorting, and transformers, which are told of no graph."""

from __future__ import annotations

from ttc_agents.training.recipe import Recipe

PATHS_64 = Recipe(
    name="shortest-path-cpu-20min",
    description="Relational network with potentials on maps of 64 places, on a laptop",
    env_id="ttc/ShortestPath-v0",
    model="relational_network",
    level="spread64,dense64",
    task={"places": 64, "degree": 16},
    model_options={
        "width": 32,
        "embedding": 8,
        "message_layers": 0,
        "node_layers": 1,
        "aggregation": "max",
        "potentials": 8,
    },
    seconds=1200,
    restart=0.15,
    optimizer="muon",
    matrix_learning_rate=0.01,
    precision="float32",
    compile="off",
)
"""Linear messages of which the greatest counts can add lengths and take the shortest."""

CITY_LSTM = Recipe(
    name="city-lstm-cpu-20min",
    description="LSTM language model over 256 places of a fixed map, on a laptop",
    env_id="ttc/ShortestPathUSA-v0",
    model="recurrent_path",
    level="any",
    task={"cities": "spread=256", "slots": 32},
    model_options={"width": 256, "embedding": 256},
    forcing=True,
    seconds=1200,
    weight_decay=0.3,
    batch_size=32,
    segment_steps=1,
    restart=1.0,
    precision="float32",
    compile="off",
)

PATHS: tuple[Recipe, ...] = (
    PATHS_64,
    CITY_LSTM,
    CITY_LSTM.replaced(
        name="city-lstm-gpu",
        description="The same over the study's 4,134 places, in its size, on a GPU",
        task={"cities": "largest=4134", "radius_km": 70.0, "slots": 122},
        model_options={"width": 1024, "layers": 1, "embedding": 256},
        seconds=7200,
        batch_size=256,
        learning_rate=1e-3,
        precision="auto",
    ),
    CITY_LSTM.replaced(
        name="city-transformer-cpu-20min",
        description="Causal transformer in the place of the LSTM, on a laptop",
        model="causal_transformer",
        model_options={"width": 128, "layers": 3, "embedding": 64},
        learning_rate=2e-3,
    ),
)

# Networks of comparisons

ADJACENT_16 = Recipe(
    name="sorting-adjacent-cpu-2min",
    description="Relational network that exchanges neighbours as odd-even sort does, two minutes",
    env_id="ttc/Sorting-v0",
    model="relational_network",
    level="uniform",
    task={"size": 16, "view": "adjacent"},
    model_options={"width": 32, "message_layers": 1, "node_layers": 1},
    target="improve",
    seconds=120,
    batch_size=32,
    optimizer="muon",
    matrix_learning_rate=0.01,
    precision="float32",
    compile="off",
)

SUMS_16 = ADJACENT_16.replaced(
    name="sorting-cpu-3min",
    description="Relational network that counts smaller keys, in one step, three minutes",
    task={"size": 16, "min_size": 5},
    model_options={
        "width": 16,
        "message_layers": 0,
        "node_layers": 1,
        "positions": False,
        "potentials": 2,
    },
    target="solution",
    seconds=180,
    batch_size=64,
    segment_steps=1,
    restart=1.0,
    learning_rate=5e-3,
    optimizer="adamw",
)

COUNTS_16 = SUMS_16.replaced(
    name="sorting-cpu-2min",
    description="The same with counts of the kinds of edges: the shipped `sorting-cpu`, any length",
    level="uniform,few_distinct",
    model_options={**SUMS_16.model_options, "aggregation": "count"},
    frozen="logits.shift",
    updates=10_000,
)
"""Counts alone move the points: what hidden states would add is right for the lengths of training,
and saturates beyond. `few_distinct` shows what to do with equal keys."""

SORTING: tuple[Recipe, ...] = (COUNTS_16, SUMS_16, ADJACENT_16)

# Transformers

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
