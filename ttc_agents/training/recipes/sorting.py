"""Sorting: networks of comparisons."""

from __future__ import annotations

from ttc_agents.training.recipe import Recipe

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

SORTING: tuple[Recipe, ...] = (
    ADJACENT_16.replaced(
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
    ),
    ADJACENT_16,
)
