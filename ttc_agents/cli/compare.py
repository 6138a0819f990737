"""`ttc compare`."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro import conf

from ttc_agents.cli.options import Imports, warn
from ttc_agents.cli.output import say, write

if TYPE_CHECKING:
    from ttc_agents.comparison.plan import Comparison, Row, Table
    from ttc_agents.comparison.run import Run


@dataclass(frozen=True, kw_only=True)
class Compare(Imports):
    """Train agents of all kinds with the same budget and play them on the same instances.

    Writes TABLE.json and TABLE.png into --out, and prints the tables in Markdown. Runs that are in
    a file already, with the same budget, are kept: an interrupted comparison goes on, and several
    processes with different --only may fill one folder. Where a plan sets recurrent models against
    larger ones, it also says in words which of them crosses which, and draws TABLE-frontier.png:
    solved share against test-time FLOPs.
    Example: ttc compare experiments/rl_comparison/preset.py:rl_cpu --out runs/rl-cpu

    Args:
        out: Directory of the results; runs/NAME if not given.
        table: Only these tables of the plan.
        only: Only rows whose name contains one of these.
        seconds: CPU seconds of each training, instead of the plan's budget.
        flops: Floating-point operations of each training, instead of the plan's budget.
        seeds: Seeds of each trained row, instead of the plan's.
        count: Test instances, instead of the table's.
        trainings: Train nothing: draw and print what is there.
        json: Print all of it as one JSON document, as the last line.
    """

    plan: Annotated[
        str,
        conf.Positional,
        conf.arg(metavar="PLAN", help="A Comparison: path/of/file.py:NAME or module:NAME."),
    ]
    out: Path | None = None
    table: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    seconds: float | None = None
    flops: float | None = None
    seeds: int | None = None
    count: int | None = None
    trainings: conf.FlagCreatePairsOff[bool] = True
    json: conf.FlagCreatePairsOff[bool] = False

    def run(self) -> int:
        """Fill the tables, draw them, print them in Markdown, and with --json as a document."""
        import torch

        from ttc_agents.comparison.run import fill, table_lines

        # Budgets are CPU seconds of the process, in which threads would add up.
        torch.set_num_threads(1)
        plan = self._adjusted()
        names = self._names(plan)
        folder = Path("runs") / plan.name if self.out is None else self.out
        folder.mkdir(parents=True, exist_ok=True)
        documents = {}
        for name in names:
            document = fill(plan, name, folder, self._wants, warn)
            if document["runs"]:
                documents[name] = document
                draw(folder, plan.tables[name], name, document["runs"])
                say("\n".join(table_lines(name, document["runs"])), end="\n\n")
                for said in document["verdicts"]:
                    say(f"- {said['words']}")
        if self.json:
            print(json.dumps({"comparison": plan.name, "tables": documents}))
        return 0

    def _adjusted(self) -> Comparison:
        """The plan with what the options replace."""
        from ttc_agents.comparison.plan import Comparison
        from ttc_agents.names import find
        from ttc_agents.training.schedule import Length

        plan = find("comparison", self.plan, {})
        if not isinstance(plan, Comparison):
            raise ValueError(f"{self.plan} is no Comparison, got {type(plan).__name__}")
        if self.seconds is not None or self.flops is not None:
            plan = replace(plan, length=Length(seconds=self.seconds, flops=self.flops))
        if self.seeds is not None:
            plan = replace(plan, seeds=self.seeds)
        if self.count is not None:
            tables = {name: replace(t, count=self.count) for name, t in plan.tables.items()}
            plan = replace(plan, tables=tables)
        if plan.seeds < 1 or any(table.count < 1 for table in plan.tables.values()):
            raise ValueError("--seeds and --count must be at least 1")
        return plan

    def _wants(self, row: Row) -> bool:
        """Whether a row is to be run where it is missing."""
        return self.trainings and (not self.only or any(word in row.name for word in self.only))

    def _names(self, plan: Comparison) -> tuple[str, ...]:
        """The tables to run."""
        unknown = [name for name in self.table if name not in plan.tables]
        if unknown:
            raise ValueError(
                f"{plan.name} has no table {unknown[0]!r}, it has {', '.join(plan.tables)}"
            )
        return self.table or tuple(plan.tables)


def draw(folder: Path, table: Table, name: str, runs: list[Run]) -> None:
    """Draw the pictures of a table."""
    from ttc_agents.comparison.run import by_row
    from ttc_agents.figures.comparison import comparison_picture, frontier_picture

    write(folder / f"{name}.png", comparison_picture(name, runs))
    rows = {n: own for n, own in by_row(runs).items() if "test_flops" in own[0]}
    if table.pairs and rows:
        write(folder / f"{name}-frontier.png", frontier_picture(name, rows))
