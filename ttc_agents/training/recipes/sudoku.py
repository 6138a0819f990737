"""Sudoku: networks that are told the constraints, learned graphs, and equilibria."""

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

CURRICULUM_9 = (
    "givens=72,givens=60,givens=50,givens=44,givens=40,givens=36,givens=33,givens=30,givens=27,"
    "givens=17..30"
)
"""Random weights find the answers of the first two levels, and hardly any of the fourth."""

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
        name="sudoku9-best-cpu-60min",
        description="A wider one for an hour, half of it on extreme puzzles, made to branch",
        level="givens=17..30,extreme",
        model_options={"width": 48, "message_width": 48, "hidden_width": 96},
        seconds=3600,
        restart=0.15,
        precision="float32",
    ),
    FACTOR_GRAPH_9.replaced(
        name="sudoku9-expert-cpu-10min",
        description="The same without labels: its own searches teach it, ten minutes on a laptop",
        target="search",
        level=CURRICULUM_9,
        seconds=600,
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

# Graphs that are learned, and networks on them

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

# Equilibria of factor-graph networks

WHOLE = {"model": "factor_graph_network", "options": {}}
"""The network of `sudoku9-cpu-2min`."""

SMALL = {
    "model": "factor_graph_network",
    "options": {"width": 24, "message_width": 24, "hidden_width": 48},
}
"""What equilibria and energies are of."""

EQUILIBRIUM_6 = FACTOR_GRAPH_9.replaced(
    name="sudoku6-deq",
    description="Equilibrium of a factor-graph network on 6x6, implicit gradient, a minute",
    task={"size": 6},
    model="equilibrium",
    model_options={
        "inner": SMALL,
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

IMPLICIT_9 = EQUILIBRIUM_6.replaced(
    name="sudoku9-deq-implicit-cpu-5min",
    description="Equilibrium on 9x9 by the implicit gradient alone, five minutes",
    task={},
    level="givens=17..34",
    model_options={
        **EQUILIBRIUM_6.model_options,
        "inner": WHOLE,
        "max_steps": 16,
        "backward_max_steps": 10,
        "discard_above": 0.3,
    },
    seconds=300,
    segment_steps=4,
    restart=0.1,
    random_start=0.25,
)
"""A row is carried through ten updates of 16 steps each, so that it is near an equilibrium when a
gradient is taken there. Rows whose backward equation is not solved give none. Three of the four
logits of an update are of iterates on the way.

Cheaper updates do not hold: with plain backward steps in the place of Anderson's, and the penalty
in every fourth update alone, the map stops contracting (experiments/deq_collapse)."""

LATE_STATES_9 = FACTOR_GRAPH_9.replaced(
    name="sudoku9-deq-cpu-5min",
    description="Equilibrium of a factor-graph network on 9x9 in the memory of 8 steps",
    model="equilibrium",
    model_options={
        "inner": WHOLE,
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
    IMPLICIT_9,
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

# Energies of factor-graph networks

ENERGY_9 = FACTOR_GRAPH_9.replaced(
    name="sudoku9-energy-cpu-30min",
    description="Descent on a learned energy of 9x9, puzzles with 31 to 42 givens, half an hour",
    model="energy",
    model_options={"inner": SMALL, "rounds": 2, "step_size": 1.0, "start_spread": 4.0},
    objective="contrastive",
    level="givens=31..42",
    seconds=1800,
    segment_steps=2,
    restart=0.2,
    random_start=1.0,
    precision="float32",
)
"""Steps begin at detached answers: an update of two steps teaches as much a step as one of eight.

All first answers are random and sure of themselves: on easy puzzles descent would else never be
where it has to leave a wrong answer. The levels are those on which IRED (arXiv 2406.11179) trains,
to be tested on puzzles with 17 to 34 givens."""

ENERGIES: tuple[Recipe, ...] = (
    ENERGY_9.replaced(
        name="sudoku4-energy",
        description="Descent on a learned energy of 4x4, twenty seconds",
        env_id="ttc/Sudoku4-v0",
        model_options={
            "inner": {
                "model": "factor_graph_network",
                "options": {"width": 16, "message_width": 16, "hidden_width": 32},
            },
            "rounds": 1,
            "step_size": 1.0,
        },
        level="minimal",
        seconds=20,
        batch_size=32,
        random_start=0.5,
        warmup=10,
    ),
    ENERGY_9.replaced(
        name="sudoku6-energy",
        description="The same on 6x6, three minutes",
        task={"size": 6},
        level="minimal,givens=8..16",
        seconds=180,
        warmup=20,
    ),
    ENERGY_9,
)
