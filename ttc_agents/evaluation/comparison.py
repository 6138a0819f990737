"""Agents of all kinds beside each other: same instances, same step budget, same training budget.

A `Preset` is data: arenas (a task at a level), the rows that stand in each, what each row's
training may cost, and how many seeds. `run_cell` trains one row with one seed and plays it on the
arena's test instances; `summary` and `text_table` put the cells together.

Shapes: n test instances.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch

from ttc_agents.evaluation.contestants import KINDS
from ttc_agents.evaluation.intervals import share
from ttc_agents.evaluation.policies import Played, play_out, split_task
from ttc_agents.evaluation.verdict import verdict
from ttc_agents.policies.loading import Player
from ttc_agents.training.budget import Budget, Spent
from ttc_agents.training.presets import Arena, Preset, Row
from ttc_envs import Instances, Task

Cell = dict[str, Any]
"""What came of one row with one seed: a JSON document."""

TEST_SEED, CURVE_SEED = 10_000, 20_000


def run_cell(arena: Arena, row: Row, budget: Budget, seed: int) -> Cell:
    """Train one row with one seed and play the test instances.

    Args:
        arena: Where.
        row: Who.
        budget: What its training may cost.
        seed: Of its training; the instances are the same for all.
    """
    torch.manual_seed(seed)
    train, validation, test = (
        split_task(arena.env_id, arena.task, split) for split in ("train", "validation", "test")
    )
    held_out = _instances(validation, arena.level, arena.curve_count, CURVE_SEED)
    steps = [step for step in arena.steps if row.last is None or step <= row.last]
    curve: list[dict[str, float]] = []

    def report(player: Player, spent: Spent) -> None:
        played = play_out(player, validation, held_out, steps[-1:])
        curve.append({**_cost(spent), "solved": float(played.reached.mean())})

    prepare = KINDS[row.kind]
    ready = prepare(train, arena.env_id, arena.level, budget, seed, report, **row.options)
    if row.trained:
        report(ready.player, ready.spent)
    instances = _instances(test, arena.level, arena.count, TEST_SEED)
    played = play_out(ready.player, test, instances, steps)
    cell: Cell = {
        "row": row.name,
        "kind": row.kind,
        "seed": seed,
        "action_mode": ready.player.action_mode,
        "distinct": distinct(instances),
        **_shares(arena, played),
        "parameters": ready.parameters,
        "flop_budget": budget.flops,
        "flops_spent": ready.spent.flops,
        **_cost(ready.spent),
        "curve": curve,
    }
    if ready.cost is not None:
        cell["test_flops"] = {str(step): ready.cost.of(step) for step in steps}
    if row.kind == "sb3":
        drawn = play_out(ready.player, test, instances, steps, deterministic=False)
        cell["drawn"] = _shares(arena, drawn)
    return cell


def _shares(arena: Arena, played: Played) -> dict[str, Any]:
    """`reached` and `holds` {step: share} of the test instances; steps not run repeat the last."""
    shares = {}
    for name, solved in played._asdict().items():
        counts = solved.sum(axis=0).tolist()
        counts += counts[-1:] * (len(arena.steps) - len(counts))
        by_step = zip(arena.steps, counts, strict=True)
        shares[name] = {str(step): share(count, len(solved)) for step, count in by_step}
    return shares


def _instances(task: Task, level: str, count: int, seed: int) -> Instances:
    keys = np.random.default_rng(seed).integers(2**64, size=count, dtype=np.uint64)
    return task.sample(keys, level)


def distinct(instances: Instances) -> int:
    """How many of the instances differ: a small map has few pairs of places."""
    rows = [np.asarray(values).reshape(len(instances), -1) for values in instances.fields.values()]
    return len(np.unique(np.concatenate(rows, axis=1), axis=0))


def _cost(spent: Spent) -> dict[str, float]:
    return {
        "seconds": round(spent.seconds, 2),
        "env_steps": spent.env_steps,
        "flops": float(f"{spent.flops:.4g}"),
    }


def by_row(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    """The cells of each row, in the order of their first."""
    rows: dict[str, list[Cell]] = {}
    for cell in cells:
        rows.setdefault(cell["row"], []).append(cell)
    return rows


def mean_share(cells: list[Cell], metric: str, step: str) -> float:
    """The mean over seeds of `reached` or `holds` at a step."""
    return statistics.mean(cell[metric][step]["solved"] for cell in cells)


def table_lines(arena: str, cells: list[Cell]) -> Iterator[str]:
    """Yield a table in Markdown, in percent.

    Columns: solved by so many steps; each seed apart at the last; whether the rules hold after the
    last; solved by the last with actions drawn instead of the likeliest; what the training cost.
    """
    steps = list(cells[0]["reached"])
    last = steps[-1]
    head = [arena, "acts by", *steps, f"{last}, by seed", f"holds at {last}", f"{last}, drawn"]
    yield f"| {' | '.join([*head, 'CPU s', 'env steps', 'FLOPs'])} |"
    yield "|" + "---|" * (len(head) + 3)
    for name, own in by_row(cells).items():
        drawn = [cell["drawn"] for cell in own if "drawn" in cell]
        each = (cell["reached"][last]["solved"] for cell in own)
        columns = [
            name,
            own[0]["action_mode"],
            *(f"{100 * mean_share(own, 'reached', step):.1f}" for step in steps),
            ", ".join(f"{100 * solved:.1f}" for solved in each),
            f"{100 * mean_share(own, 'holds', last):.1f}",
            f"{100 * mean_share(drawn, 'reached', last):.1f}" if drawn else "",
            *_costs(own),
        ]
        yield f"| {' | '.join(columns)} |"


def _costs(cells: list[Cell]) -> list[str]:
    """CPU seconds, environment steps and FLOPs of the training, means over seeds."""
    seconds, steps, flops = (
        statistics.mean(cell[name] for cell in cells) for name in ("seconds", "env_steps", "flops")
    )
    if not seconds:
        return ["", "", ""]
    return [f"{seconds:.0f}", f"{steps:,.0f}", f"{flops:.1e}"]


def verdicts(arena: Arena, cells: list[Cell]) -> list[dict[str, Any]]:
    """What `verdict` says of the arena's pairs that have two seeds of each row at least."""
    rows = by_row(cells)
    known = [pair for pair in arena.pairs if min(len(rows.get(name, ())) for name in pair) > 1]
    return [verdict(rows[first], rows[second]).to_json() for first, second in known]


def settings_of(preset: Preset, name: str) -> dict[str, Any]:
    """What all cells of an arena share, as a document."""
    arena = preset.arenas[name]
    return {
        "preset": preset.name,
        "arena": name,
        "env_id": arena.env_id,
        "task": arena.task,
        "level": arena.level,
        "steps": list(arena.steps),
        "count": arena.count,
        "seconds": preset.budget.seconds,
        "flops": preset.budget.flops,
    }
