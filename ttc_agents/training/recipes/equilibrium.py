"""Sudoku: equilibria of factor-graph networks."""

from __future__ import annotations

from ttc_agents.training.recipe import Recipe
from ttc_agents.training.recipes.sudoku import FACTOR_GRAPH_9

EQUILIBRIUM_6 = FACTOR_GRAPH_9.replaced(
    name="sudoku6-deq",
    description="Equilibrium of a factor-graph network on 6x6, implicit gradient, a minute",
    task={"size": 6},
    model="equilibrium",
    model_options={
        "inner": {
            "model": "factor_graph_network",
            "options": {"width": 24, "message_width": 24, "hidden_width": 48},
        },
        "solver_options": {"damping": 0.7},
        "backward_tol": 0.1,
        "tol": 0.01,
        "max_steps": 30,
        "backward_max_steps": 12,
        "jacobian_weight": 0.5,
    },
    level="givens=8..16",
    seconds=60,
    segment_steps=1,
    restart=0.5,
    random_start=0.5,
    precision="float32",
)
"""States are normalised, solves damped, Jacobians penalised, half of the states carried, and half
of the first states drawn at random: the answer is to depend on the puzzle alone.

Without damping two of three seeds die after a hundred updates, without the penalty some waver; from
fresh states alone a solve needs more steps than it is given; and a backward solve that may take
longer makes for fewer updates, not for better ones (experiments/deq_collapse)."""

LATE_STATES_9 = FACTOR_GRAPH_9.replaced(
    name="sudoku9-deq-cpu-5min",
    description="Equilibrium of a factor-graph network on 9x9 in the memory of 8 steps",
    model="equilibrium",
    model_options={
        "inner": {"model": "factor_graph_network", "options": {}},
        "solver_options": {"damping": 1.0},
        "gradient": "phantom",
        "depths": [0, 0, 0, 40],
        "gate": 0.9,
    },
    seconds=300,
    restart=0.2,
    precision="float32",
)
"""Each update differentiates 8 steps; where they begin, states are carried, and every fourth update
takes 40 steps without gradient before them."""

EQUILIBRIA: tuple[Recipe, ...] = (
    EQUILIBRIUM_6,
    EQUILIBRIUM_6.replaced(
        name="sudoku4-deq",
        description="The same on 4x4, half a minute",
        env_id="ttc/Sudoku4-v0",
        task={},
        level="givens=4..6",
        updates=400,
    ),
    EQUILIBRIUM_6.replaced(
        name="sudoku9-deq-from-6x6",
        description="Implicit gradients on 9x9, from the weights of sudoku6-deq, five minutes",
        task={},
        level="givens=17..34",
        first="sudoku6-deq",
        model_options={**EQUILIBRIUM_6.model_options, "max_steps": 60},
        restart=0.25,
        learning_rate=6e-4,
        matrix_learning_rate=3e-3,
        seconds=300,
    ),
    LATE_STATES_9,
    LATE_STATES_9.replaced(
        name="sudoku9-deq-cpu-30min",
        description="The same for half an hour, the twin of sudoku9-cpu-30min",
        level="givens=17..30",
        model_options={**LATE_STATES_9.model_options, "depths": [*[0] * 7, 40]},
        seconds=1800,
        restart=0.15,
    ),
)
