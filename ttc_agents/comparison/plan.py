"""What a comparison is, as data: tables, the rows of each, what a training may cost, seeds.

A plan stands in a file of its own, and is named by it: `ttc compare my_plan.py:PLAN`, or
`module:PLAN`. Like recipes it loads no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ttc_agents.training.schedule import Length


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Args:
        name: What it is called.
        kind: Key of `ttc_agents.comparison.kinds.KINDS`.
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
class Table:
    """A task at a level, and the rows that are compared on it.

    Args:
        env_id: The id whose task it is.
        level: Of the test instances, and of training unless a row says otherwise.
        steps: Steps to record, ascending; the last is every row's step budget.
        rows: What is compared.
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
class Comparison:
    """Some tables.

    Args:
        name: What it is called.
        description: One line.
        tables: By name.
        length: Of the training of each row with each seed; seconds are CPU seconds.
        seeds: Number of seeds of each trained row.
    """

    name: str
    description: str
    tables: dict[str, Table]
    length: Length
    seeds: int = 2
