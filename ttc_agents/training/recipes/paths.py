"""Shortest paths: networks on maps, and language models over places."""

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
