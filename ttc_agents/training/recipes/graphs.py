"""Sudoku: graphs that are learned, and networks on them."""

from __future__ import annotations

from ttc_agents.training.recipe import Recipe
from ttc_agents.training.recipes.sudoku import FACTOR_GRAPH_9

GRAPH_9 = Recipe(
    name="graph-9x9",
    description="The graph of 9x9 from raw digits, by the score function, in seconds",
    env_id="ttc/Sudoku-v0",
    model="adjacency_learner",
    level="givens=40..75",
    objective="sampled_graphs",
    model_options={"neighbours": 20, "layers": 0, "width": 4},
    updates=450,
    batch_size=64,
    segment_steps=1,
    restart=1.0,
    learning_rate=5e-3,
    warmup=10,
    decay_from=0.6,
    clip=100.0,
    ema=0.9,
    precision="float32",
    compile="off",
)
"""No layers: the last head and its table are enough where the graph belongs to the task.

A board with few blanks needs no boxes: the loss would be content with rows and columns."""

TRUE_GRAPH_9 = FACTOR_GRAPH_9.replaced(
    name="true-graph-9x9",
    description="Choice network on the graph of 9x9, half an hour on a laptop",
    model="choice_network",
    level="givens=17..30",
    seconds=1800,
    restart=0.15,
)

LEARNED_GRAPH_9 = TRUE_GRAPH_9.replaced(
    name="learned-graph-9x9",
    description="The same network on a graph that `graph-9x9` learns first",
    model="adjacency_learner",
    model_options={
        "neighbours": 20,
        "layers": 0,
        "width": 4,
        "training_graphs": 0,
        "inner": {"model": "choice_network", "options": {}},
    },
    first="graph-9x9",
    frozen="edges.",
)

GRAPHS: tuple[Recipe, ...] = (
    GRAPH_9,
    TRUE_GRAPH_9,
    LEARNED_GRAPH_9,
    GRAPH_9.replaced(
        name="graph-4x4",
        description="The graph of 4x4 from raw digits, in a second",
        env_id="ttc/Sudoku4-v0",
        level="givens=7..13",
        model_options={"neighbours": 7, "layers": 0, "width": 4},
        updates=200,
    ),
    LEARNED_GRAPH_9.replaced(
        name="learned-graph-4x4",
        description="Choice network on a graph of 4x4 that `graph-4x4` learns first",
        env_id="ttc/Sudoku4-v0",
        level="givens=5..9,minimal",
        model_options={
            "neighbours": 7,
            "layers": 0,
            "width": 4,
            "training_graphs": 0,
            "inner": {
                "model": "choice_network",
                "options": {"width": 16, "message_width": 16, "hidden_width": 32},
            },
        },
        first="graph-4x4",
        updates=350,
        restart=0.25,
        warmup=20,
        precision="float32",
    ),
)
