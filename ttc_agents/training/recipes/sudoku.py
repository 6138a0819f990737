"""Sudoku: networks that are told the constraints."""

from __future__ import annotations

from ttc_agents.training.recipe import Recipe

FACTOR_GRAPH_9 = Recipe(
    name="sudoku9-cpu-2min",
    description="Factor-graph network on 9x9, two minutes on a laptop",
    env_id="ttc/Sudoku-v0",
    model="factor_graph_network",
    level="givens=17..34",
    seconds=120,
    optimizer="muon",
    matrix_learning_rate=0.015,
    compile="off",
)
"""Compilation is off: the number of open choices changes with every batch, and it was slower."""

RELATIONAL_9 = Recipe(
    name="sudoku9-rrn-cpu-60min",
    description="Recurrent relational network on 9x9, an hour on a laptop",
    env_id="ttc/Sudoku-v0",
    model="relational_network",
    level="givens=17..34",
    model_options={"message_layers": 1},
    seconds=3600,
    learning_rate=1e-3,
    optimizer="muon",
    matrix_learning_rate=0.01,
    compile="off",
)

SUDOKU: tuple[Recipe, ...] = (
    FACTOR_GRAPH_9.replaced(
        name="sudoku4-demo",
        description="Factor-graph network on 4x4, in seconds",
        env_id="ttc/Sudoku4-v0",
        level="minimal",
        seconds=8,
        segment_steps=4,
        warmup=10,
    ),
    FACTOR_GRAPH_9,
    FACTOR_GRAPH_9.replaced(
        name="sudoku9-cpu-30min",
        description="The same for half an hour: the shipped `sudoku-cpu`",
        level="givens=17..30",
        seconds=1800,
        restart=0.15,
    ),
    FACTOR_GRAPH_9.replaced(
        name="sudoku9-gpu-20min",
        description="A wider factor-graph network on 9x9, twenty minutes on a GPU",
        model_options={"width": 96, "message_width": 64, "hidden_width": 192},
        seconds=1200,
        batch_size=256,
        segment_steps=16,
        restart=0.125,
    ),
    RELATIONAL_9.replaced(
        name="sudoku4-rrn",
        description="Recurrent relational network on 4x4, a minute",
        env_id="ttc/Sudoku4-v0",
        level="minimal",
        seconds=60,
    ),
    RELATIONAL_9,
    RELATIONAL_9.replaced(
        name="sudoku9-rrn-gpu",
        description="Recurrent relational network on 9x9 in the paper's size, on a GPU",
        model_options={},
        seconds=5400,
        batch_size=256,
        segment_steps=16,
        restart=0.125,
        compile="auto",
    ),
)
