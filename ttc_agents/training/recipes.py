"""Named trainings. A recipe is data: the task, the model and every number of the training.

Give its length either in `seconds` (counted from the first batch) or in `updates` (bit-identical
on resume).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

PRECISIONS = ("auto", "float32", "bfloat16")
COMPILATIONS = ("auto", "on", "off")
TARGETS = ("solution", "improve")


@dataclass(frozen=True)
class Recipe:
    """Everything that determines a training run.

    Args:
        name: How `ttc train` calls it.
        description: One line for `ttc train --help`.
        env_id: The registered id whose task is learned.
        model: Key of `ttc_agents.models.MODELS`.
        level: Level of the training instances, or several with commas between them.
        task: Keyword arguments of the task (`size`, `split`).
        model_options: Keyword arguments of the model.
        target: What each step is trained towards: the `solution`, or for models that read the
            answer `improve`, what one step of the task's classical method makes of that answer.
        objective: Key of `ttc_agents.training.objectives.OBJECTIVES`.
        forcing: Each update begins with the right answer as the state (teacher forcing), for
            language models over paths.
        first: Name of a recipe that is trained before, into DIR/first; what its weights have in
            common with this one's, by name and shape, is taken over.
        frozen: Parameters whose names begin so are not trained; empty: all are.
        seconds: Length in seconds, or None.
        updates: Length in updates, or None.
        batch_size: Instances per update.
        segment_steps: Refinement steps per update, with a loss at each.
        restart: Probability that an instance is replaced by a fresh one after an update; a state
            is carried for segment_steps / restart steps on average.
        learning_rate: Peak rate of AdamW.
        matrix_learning_rate: Peak rate of Muon, which then takes all matrices; None: AdamW does.
        warmup: Updates of linear warm-up.
        decay_from: Share of the length after which the rate decays as a cosine.
        weight_decay: Of AdamW.
        beta2: Of AdamW.
        clip: Largest norm of the gradient.
        ema: Decay of the averaged weights, which are the ones evaluated.
        precision: `auto` times three refinement steps of each and takes the faster.
        compile: `auto` does so too, in trainings of ten minutes or more; a failed compilation falls
            back.
        alarm_every: Updates between two checks of the alarm (`ttc_agents.training.alarm`), which
            takes a training that is about to fail back to its best weights; None: no alarm.
        seed: Of the weights and of the stream of instances.
    """

    name: str
    description: str
    env_id: str
    model: str
    level: str
    task: dict[str, Any] = field(default_factory=dict)
    model_options: dict[str, Any] = field(default_factory=dict)
    target: Literal["solution", "improve"] = "solution"
    objective: str = "cross_entropy"
    forcing: bool = False
    first: str | None = None
    frozen: str = ""
    seconds: float | None = None
    updates: int | None = None
    batch_size: int = 16
    segment_steps: int = 8
    restart: float = 0.25
    learning_rate: float = 3e-3
    matrix_learning_rate: float | None = None
    warmup: int = 50
    decay_from: float = 0.5
    weight_decay: float = 0.0
    beta2: float = 0.99
    clip: float = 1.0
    ema: float = 0.998
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    alarm_every: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse a recipe without a definite length or with impossible numbers."""
        if (self.seconds is None) == (self.updates is None):
            raise ValueError(
                f"a recipe has either seconds or updates, got {self.seconds} and {self.updates}"
            )
        if (self.seconds or self.updates or 0) <= 0:
            raise ValueError(f"the length must be positive, got {self.seconds or self.updates}")
        self.check_numbers()

    def check_numbers(self) -> None:
        """Refuse numbers and names out of range."""
        for name in ("batch_size", "segment_steps", "alarm_every"):
            count = getattr(self, name)
            if count is not None and count < 1:
                raise ValueError(f"{name} must be at least 1, got {count}")
        if not 0 < self.restart <= 1:
            raise ValueError(f"restart is a probability above 0, got {self.restart}")
        for name in ("learning_rate", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("decay_from", "ema", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        named = (("precision", PRECISIONS), ("compile", COMPILATIONS), ("target", TARGETS))
        for name, known in named:
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is one of {known}, got {getattr(self, name)!r}")

    def levels(self) -> tuple[str, ...]:
        """The levels of the training instances."""
        return tuple(self.level.split(","))

    def to_json(self) -> dict[str, Any]:
        """The recipe as a document."""
        return dataclasses.asdict(self)


FACTOR_GRAPH_9 = Recipe(
    name="sudoku9-cpu-2min",
    description="Factor-graph network on 9x9, two minutes on a laptop",
    env_id="ttc/Sudoku-v0",
    model="factor_graph_network",
    level="givens=17..34",
    seconds=120,
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
    matrix_learning_rate=0.01,
    compile="off",
)

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
    matrix_learning_rate=0.01,
    precision="float32",
    compile="off",
)
"""Linear messages of which the greatest counts can add lengths and take the shortest."""

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
    matrix_learning_rate=0.01,
    precision="float32",
    compile="off",
)

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

TRUE_GRAPH_9 = dataclasses.replace(
    FACTOR_GRAPH_9,
    name="true-graph-9x9",
    description="Choice network on the graph of 9x9, half an hour on a laptop",
    model="choice_network",
    level="givens=17..30",
    seconds=1800,
    restart=0.15,
)

LEARNED_GRAPH_9 = dataclasses.replace(
    TRUE_GRAPH_9,
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

CITY_LSTM = Recipe(
    name="city-lstm-cpu-20min",
    description="LSTM language model over 256 places of a fixed map, on a laptop",
    env_id="ttc/ShortestPathUSA-v0",
    model="recurrent_path",
    level="any",
    task={"cities": "spread=256", "slots": 32},
    model_options={"width": 256, "embedding": 64},
    forcing=True,
    seconds=1200,
    batch_size=128,
    segment_steps=1,
    restart=1.0,
    precision="float32",
    compile="off",
)

PATHS_TRANSFORMER = Recipe(
    name="paths-transformer",
    description="Universal transformer that writes whole paths over 64 places at each step",
    env_id="ttc/ShortestPathUSA-v0",
    model="transformer",
    level="any",
    task={"cities": "spread=64", "slots": 24},
    model_options={"width": 64, "heads": 4, "layers": 2},
    seconds=1200,
    batch_size=32,
    segment_steps=4,
    learning_rate=2e-3,
    precision="float32",
    compile="off",
)

EQUILIBRIUM_6 = dataclasses.replace(
    FACTOR_GRAPH_9,
    name="sudoku6-deq",
    description="Equilibrium of a factor-graph network on 6x6, implicit gradient, a minute",
    task={"size": 6},
    model="equilibrium",
    model_options={
        "inner": {
            "model": "factor_graph_network",
            "options": {"width": 24, "message_width": 24, "hidden_width": 48},
        },
        "solver_options": {"damping": 1.0},
        "backward_tol": 0.1,
        "tol": 0.01,
        "max_steps": 30,
        "jacobian_weight": 0.1,
    },
    level="givens=8..16",
    seconds=60,
    segment_steps=1,
    restart=1.0,
    precision="float32",
)

LATE_STATES_9 = dataclasses.replace(
    FACTOR_GRAPH_9,
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

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        dataclasses.replace(
            FACTOR_GRAPH_9,
            name="sudoku4-demo",
            description="Factor-graph network on 4x4, in seconds",
            env_id="ttc/Sudoku4-v0",
            level="minimal",
            seconds=8,
            segment_steps=4,
            warmup=10,
        ),
        FACTOR_GRAPH_9,
        dataclasses.replace(
            FACTOR_GRAPH_9,
            name="sudoku9-cpu-30min",
            description="The same for half an hour: the shipped `sudoku-cpu`",
            level="givens=17..30",
            seconds=1800,
            restart=0.15,
        ),
        dataclasses.replace(
            FACTOR_GRAPH_9,
            name="sudoku9-gpu-20min",
            description="A wider factor-graph network on 9x9, twenty minutes on a GPU",
            model_options={"width": 96, "message_width": 64, "hidden_width": 192},
            seconds=1200,
            batch_size=256,
            segment_steps=16,
            restart=0.125,
        ),
        dataclasses.replace(
            RELATIONAL_9,
            name="sudoku4-rrn",
            description="Recurrent relational network on 4x4, a minute",
            env_id="ttc/Sudoku4-v0",
            level="minimal",
            seconds=60,
        ),
        RELATIONAL_9,
        dataclasses.replace(
            RELATIONAL_9,
            name="sudoku9-rrn-gpu",
            description="Recurrent relational network on 9x9 in the paper's size, on a GPU",
            model_options={},
            seconds=5400,
            batch_size=256,
            segment_steps=16,
            restart=0.125,
            compile="auto",
        ),
        PATHS_64,
        dataclasses.replace(
            ADJACENT_16,
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
            matrix_learning_rate=None,
        ),
        ADJACENT_16,
        CITY_LSTM,
        dataclasses.replace(
            CITY_LSTM,
            name="city-lstm-gpu",
            description="The same over the study's 4,134 places, in its size, on a GPU",
            task={"cities": "largest=4134", "radius_km": 70.0, "slots": 122},
            model_options={"width": 1024, "layers": 1, "embedding": 256},
            seconds=7200,
            batch_size=256,
            learning_rate=1e-3,
            precision="auto",
        ),
        dataclasses.replace(
            CITY_LSTM,
            name="city-transformer-cpu-20min",
            description="Causal transformer in the place of the LSTM, on a laptop",
            model="causal_transformer",
            model_options={"width": 128, "layers": 3, "embedding": 64},
            learning_rate=2e-3,
        ),
        PATHS_TRANSFORMER,
        dataclasses.replace(
            PATHS_TRANSFORMER,
            name="maps-transformer",
            description="Universal transformer on a new map of 16 places in every instance",
            env_id="ttc/ShortestPath-v0",
            level="spread16",
            task={"places": 16},
        ),
        dataclasses.replace(
            PATHS_TRANSFORMER,
            name="sorting-transformer",
            description="Universal transformer on lists of 16 keys",
            env_id="ttc/Sorting-v0",
            level="uniform",
            task={"size": 16},
        ),
        dataclasses.replace(
            PATHS_TRANSFORMER,
            name="sudoku9-transformer-cpu-60min",
            description="Universal transformer on 9x9, an hour on a laptop",
            env_id="ttc/Sudoku-v0",
            level="givens=17..34",
            task={},
            model_options={"width": 96, "heads": 4, "layers": 2},
            seconds=3600,
            segment_steps=8,
            restart=0.15,
        ),
        GRAPH_9,
        LEARNED_GRAPH_9,
        TRUE_GRAPH_9,
        dataclasses.replace(
            GRAPH_9,
            name="graph-4x4",
            description="The graph of 4x4 from raw digits, in a second",
            env_id="ttc/Sudoku4-v0",
            level="givens=7..13",
            model_options={"neighbours": 7, "layers": 0, "width": 4},
            updates=200,
        ),
        dataclasses.replace(
            LEARNED_GRAPH_9,
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
            seconds=None,
            updates=350,
            restart=0.25,
            warmup=20,
            precision="float32",
        ),
        EQUILIBRIUM_6,
        dataclasses.replace(
            EQUILIBRIUM_6,
            name="sudoku4-deq",
            description="The same on 4x4, half a minute",
            env_id="ttc/Sudoku4-v0",
            task={},
            level="givens=4..6",
            seconds=None,
            updates=400,
        ),
        LATE_STATES_9,
        dataclasses.replace(
            LATE_STATES_9,
            name="sudoku9-deq-cpu-30min",
            description="The same for half an hour, the twin of sudoku9-cpu-30min",
            level="givens=17..30",
            model_options={**LATE_STATES_9.model_options, "depths": [*[0] * 7, 40]},
            seconds=1800,
            restart=0.15,
        ),
    )
}
