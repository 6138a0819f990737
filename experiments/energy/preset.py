"""Energy, recurrence and equilibrium of one body at one training budget, in CPU seconds.

    ttc compare experiments/energy/preset.py:twins4

`twins4` and `twins6` are on Sudoku; `lists`, `long_lists` and `hops` on the two tasks with
pointers. All rows of a table have the same body and the same seconds; test FLOPs per step stand in
the results.
"""

from __future__ import annotations

from typing import Any

from ttc_agents.comparison.plan import Comparison, Row, Table
from ttc_agents.training.schedule import Length

BODY = {"width": 24, "message_width": 24, "hidden_width": 48}
GRAPH = {"model": "factor_graph_network", "options": BODY}
POINTING: dict[str, Any] = {"width": 32, "message_layers": 1, "node_layers": 1}
SOLVED: dict[str, Any] = {
    "solver_options": {"damping": 1.0},
    "gradient": "phantom",
    "depths": [0, 0, 0, 40],
    "gate": 0.9,
}
"""Of the equilibria: as in the recipe `sudoku9-deq-cpu-5min`."""
STEPS = (1, 2, 4, 8, 16, 32, 64)


def row(name: str, recipe: str, **changes: Any) -> Row:
    """A recipe with other entries."""
    return Row(name, "refinement", {"recipe": recipe, "changes": changes})


def sudoku(size: int, batch: int) -> Table:
    """The three twins on minimal puzzles of a size."""
    common: dict[str, Any] = {"level": "minimal", "batch_size": batch, "warmup": 20}
    energy = {"inner": GRAPH, "rounds": 2, "step_size": 1.0, "start_spread": 4.0}
    rows = (
        row("energy", "sudoku6-energy", task={"size": size}, model_options=energy, **common),
        row("recurrence", "sudoku9-cpu-2min", task={"size": size}, model_options=BODY, **common),
        row(
            "equilibrium",
            "sudoku9-deq-cpu-5min",
            task={"size": size},
            model_options={"inner": GRAPH, **SOLVED},
            **common,
        ),
    )
    return Table("ttc/Sudoku-v0", "minimal", STEPS, rows, {"size": size}, count=500)


def pointers(env_id: str, recipe: str, level: str, task: dict[str, Any]) -> Table:
    """The three twins, of a relational network, on a task with pointers."""
    common: dict[str, Any] = {"task": task, "level": level, "restart": 0.25, "segment_steps": 2}
    inner = {"inner": {"model": "relational_network", "options": POINTING}}
    energy, equilibrium = {**inner, "rounds": 2}, {**inner, **SOLVED}
    common["precision"] = "float32"
    rows = (
        row("energy", recipe, model="energy", model_options=energy, **common),
        row("recurrence", recipe, model="relational_network", model_options=POINTING, **common),
        row("equilibrium", recipe, model="equilibrium", model_options=equilibrium, **common),
    )
    return Table(env_id, level, STEPS, rows, task, count=200)


twins4 = Comparison(
    "energy-twins4",
    "energy, recurrence and equilibrium of one body on 4x4",
    {"4x4": sudoku(4, 32)},
    Length(seconds=10),
    seeds=3,
)
twins6 = Comparison(
    "energy-twins6",
    "energy, recurrence and equilibrium of one body on 6x6",
    {"6x6": sudoku(6, 16)},
    Length(seconds=90),
    seeds=3,
)
lists, long_lists = (
    Comparison(
        f"energy-{name}",
        f"energy, recurrence and equilibrium of one body on lists of {size} keys",
        {name: pointers("ttc/Sorting-v0", "sorting-cpu-3min", "uniform", {"size": size})},
        Length(seconds=60),
        seeds=3,
    )
    for name, size in (("lists", 8), ("long-lists", 32))
)
hops = Comparison(
    "energy-hops",
    "energy, recurrence and equilibrium of one body on next hops",
    {"hops": pointers("ttc/ShortestPath-v0", "shortest-path-cpu-20min", "spread16", {})},
    Length(seconds=120),
    seeds=3,
)
