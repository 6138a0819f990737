"""What a comparison is, as data: arenas, the rows that stand in each, budget and seeds.

Like recipes it loads no torch, so that the command line can name presets quickly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ttc_agents.training.budget import Budget


@dataclass(frozen=True)
class Row:
    """One line of a comparison.

    Args:
        name: What it is called.
        kind: Key of `ttc_agents.evaluation.contestants.KINDS`.
        options: Arguments of the kind.
        trained: Whether it costs a budget, and so is repeated with several seeds.
        last: The step after which its answers stay, so that later ones need not be run; None: no
            such step.
    """

    name: str
    kind: str
    options: dict[str, Any] = field(default_factory=dict)
    trained: bool = True
    last: int | None = None


@dataclass(frozen=True)
class Arena:
    """Where rows compete.

    Args:
        env_id: The registered id whose task it is.
        level: Of the test instances, and of training unless a row says otherwise.
        steps: Steps to record, ascending; the last is every row's step budget.
        rows: Who competes.
        task: Arguments of the task.
        count: Test instances.
        curve_count: Validation instances of the learning curves.
        pairs: Names of a recurrent row and of one that was larger or trained for longer, on which
            `verdict` is to judge.
    """

    env_id: str
    level: str
    steps: tuple[int, ...]
    rows: tuple[Row, ...]
    task: dict[str, Any] = field(default_factory=dict)
    count: int = 1000
    curve_count: int = 200
    pairs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Preset:
    """A comparison.

    Args:
        name: How `ttc compare` calls it.
        description: One line for its help.
        arenas: By name.
        budget: Of the training of each row with each seed.
        seeds: Number of seeds of each trained row.
    """

    name: str
    description: str
    arenas: dict[str, Arena]
    budget: Budget
    seeds: int = 2
