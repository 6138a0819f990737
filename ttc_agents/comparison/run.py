"""Agents of all kinds beside each other: same instances, same step budget, same training budget.

`run_row` trains one row of a `Table` with one seed and plays it on the table's test instances;
`document_of` and `table_lines` put the runs together. `fill` keeps the runs that a file has and
makes those that are missing: an interrupted comparison goes on, and several processes may fill one
folder together.

Shapes: n test instances.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ttc_agents.comparison.kinds import KINDS, Job
from ttc_agents.comparison.plan import Comparison, Row, Table
from ttc_agents.comparison.verdict import verdict
from ttc_agents.evaluation.families import draw
from ttc_agents.evaluation.intervals import share
from ttc_agents.evaluation.rollout import Solved, play
from ttc_agents.inference.checkpoint import split_task
from ttc_agents.policies.loading import Agent
from ttc_agents.training.schedule import Length, Spent
from ttc_envs import Instances, clear_leftovers, locked, write_atomically

Run = dict[str, Any]
"""What came of one row with one seed: a JSON document."""
Runs = dict[tuple[str, int], Run]
"""By the name of the row and the seed."""

TEST_SEED, CURVE_SEED = 10_000, 20_000


def run_row(table: Table, row: Row, length: Length, seed: int) -> Run:
    """Train one row with one seed and play the test instances.

    Args:
        table: Where.
        row: Which.
        length: What its training may cost.
        seed: Of its training; the instances are the same for all.
    """
    torch.manual_seed(seed)
    train, validation, test = (
        split_task(table.env_id, table.task, split) for split in ("train", "validation", "test")
    )
    held_out = draw(validation, table.level, table.curve_count, CURVE_SEED)
    steps = [step for step in table.steps if row.last is None or step <= row.last]
    curve: list[dict[str, float]] = []

    def report(agent: Agent, spent: Spent) -> None:
        found = play(agent, validation, held_out, steps[-1:])
        curve.append({**_cost(spent), "solved": float(found.reached.mean())})

    job = Job(train, table.env_id, table.level, length, seed, report)
    trained = KINDS[row.kind](job, **row.options)
    if row.trained:
        report(trained.agent, trained.spent)
    instances = draw(test, table.level, table.count, TEST_SEED)
    played = play(trained.agent, test, instances, steps)
    result: Run = {
        "row": row.name,
        "kind": row.kind,
        "seed": seed,
        "action_mode": trained.agent.action_mode,
        "distinct": distinct(instances),
        "nonfinite": int((~played.finite).sum()),
        **_shares(table, played),
        "parameters": trained.parameters,
        "flop_budget": length.flops,
        "flops_spent": trained.spent.flops,
        **_cost(trained.spent),
        "curve": curve,
    }
    if trained.cost is not None:
        result["test_flops"] = {str(step): trained.cost.of(step) for step in steps}
    if row.kind == "sb3":
        drawn = play(trained.agent, test, instances, steps, deterministic=False)
        result["drawn"] = _shares(table, drawn)
    return result


def _shares(table: Table, found: Solved) -> dict[str, Any]:
    """`reached` and `holds` {step: share} of the test instances; steps not run repeat the last."""
    shares = {}
    for name in ("reached", "holds"):
        solved = getattr(found, name)
        counts = solved.sum(axis=0).tolist()
        counts += counts[-1:] * (len(table.steps) - len(counts))
        by_step = zip(table.steps, counts, strict=True)
        shares[name] = {str(step): share(count, len(solved)) for step, count in by_step}
    return shares


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


def by_row(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """The runs of each row, in the order of their first."""
    rows: dict[str, list[Run]] = {}
    for run in runs:
        rows.setdefault(run["row"], []).append(run)
    return rows


def mean_share(runs: list[Run], metric: str, step: str) -> float:
    """The mean over seeds of `reached` or `holds` at a step."""
    return statistics.mean(run[metric][step]["solved"] for run in runs)


def table_lines(name: str, runs: list[Run]) -> Iterator[str]:
    """Yield a table in Markdown, in percent.

    Columns: solved by so many steps; each seed apart at the last; whether the rules hold after the
    last; solved by the last with actions drawn instead of the likeliest; what the training cost.
    Below it stands what was not finite.
    """
    steps = list(runs[0]["reached"])
    last = steps[-1]
    head = [name, "acts by", *steps, f"{last}, by seed", f"holds at {last}", f"{last}, drawn"]
    yield f"| {' | '.join([*head, 'CPU s', 'env steps', 'FLOPs'])} |"
    yield "|" + "---|" * (len(head) + 3)
    for row, own in by_row(runs).items():
        drawn = [run["drawn"] for run in own if "drawn" in run]
        each = (run["reached"][last]["solved"] for run in own)
        columns = [
            row,
            own[0]["action_mode"],
            *(f"{100 * mean_share(own, 'reached', step):.1f}" for step in steps),
            ", ".join(f"{100 * solved:.1f}" for solved in each),
            f"{100 * mean_share(own, 'holds', last):.1f}",
            f"{100 * mean_share(drawn, 'reached', last):.1f}" if drawn else "",
            *_costs(own),
        ]
        yield f"| {' | '.join(columns)} |"
    for run in runs:
        if lost := run.get("nonfinite"):
            of = f"{lost} of {run['reached'][last]['n']} instances"
            yield f"\n{run['row']}, seed {run['seed']}: {of} were not finite: they are unsolved."


def _costs(runs: list[Run]) -> list[str]:
    """CPU seconds, environment steps and FLOPs of the training, means over seeds."""
    seconds, steps, flops = (
        statistics.mean(run[name] for run in runs) for name in ("seconds", "env_steps", "flops")
    )
    if not seconds:
        return ["", "", ""]
    return [f"{seconds:.0f}", f"{steps:,.0f}", f"{flops:.1e}"]


def verdicts(table: Table, runs: list[Run]) -> list[dict[str, Any]]:
    """What `verdict` says of the table's pairs that have two seeds of each row at least."""
    rows = by_row(runs)
    known = [pair for pair in table.pairs if min(len(rows.get(name, ())) for name in pair) > 1]
    return [asdict(verdict(rows[first], rows[second])) for first, second in known]


def document_of(comparison: Comparison, name: str, runs: list[Run]) -> dict[str, Any]:
    """The document of a table: `rows` as sweeps have them, the runs one by one, verdicts.

    `rows` is {row: {level: {step: {"solved", "n", "seeds"}}}}, the mean over seeds of what was
    solved by that step, n test instances, and the share of each seed.
    """
    table = comparison.tables[name]
    return {
        "settings": settings_of(comparison, name),
        "rows": {row: {table.level: _row_shares(own)} for row, own in by_row(runs).items()},
        "runs": runs,
        "verdicts": verdicts(table, runs),
    }


def _row_shares(runs: list[Run]) -> dict[str, Any]:
    return {
        step: {
            "solved": mean_share(runs, "reached", step),
            "n": runs[0]["reached"][step]["n"],
            "seeds": [run["reached"][step]["solved"] for run in runs],
        }
        for step in runs[0]["reached"]
    }


def settings_of(comparison: Comparison, name: str) -> dict[str, Any]:
    """What all runs of a table share, as a document."""
    table = comparison.tables[name]
    return {
        "comparison": comparison.name,
        "table": name,
        "env_id": table.env_id,
        "task": table.task,
        "level": table.level,
        "steps": list(table.steps),
        "count": table.count,
        "seconds": comparison.length.seconds,
        "flops": comparison.length.flops,
    }


# The file of a table


def fill(
    comparison: Comparison,
    name: str,
    folder: Path,
    wants: Callable[[Row], bool] = lambda row: True,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Make the missing runs of a table, one after the other, into folder/NAME.json.

    Args:
        comparison: What is compared.
        name: Of the table.
        folder: Where the file is, which is written anew after each run.
        wants: Whether the missing runs of a row are to be made.
        say: Told of each run that begins.

    Returns:
        The document of the table (`document_of`).

    Raises:
        ValueError: The file holds something else, or was made with other settings.
    """
    table, path = comparison.tables[name], folder / f"{name}.json"
    settings = settings_of(comparison, name)
    runs = kept_runs(path, settings)
    for row, seed in runs_of(table, comparison.seeds):
        if (row.name, seed) in runs or not wants(row):
            continue
        say(f"{name}: {row.name}, seed {seed}")
        made = run_row(table, row, comparison.length, seed)
        with locked(path):
            clear_leftovers(path)
            # Another process may have added others meanwhile.
            runs = {**kept_runs(path, settings), (row.name, seed): made}
            document = document_of(comparison, name, in_order(table, runs))
            write_atomically(path, (json.dumps(document, indent=1) + "\n").encode())
    return document_of(comparison, name, in_order(table, runs))


def runs_of(table: Table, seeds: int) -> list[tuple[Row, int]]:
    """The rows of a table, each with its seeds; what is not trained has one."""
    return [(row, seed) for row in table.rows for seed in range(seeds if row.trained else 1)]


def in_order(table: Table, runs: Runs) -> list[Run]:
    """The runs in the order of the table's rows, those of more seeds too."""
    rows = [row.name for row in table.rows]
    known = [key for key in runs if key[0] in rows]
    return [runs[key] for key in sorted(known, key=lambda key: (rows.index(key[0]), key[1]))]


def kept_runs(path: Path, settings: dict[str, Any]) -> Runs:
    """The runs of an earlier call.

    Raises:
        ValueError: The file holds something else, or was made with other settings.
    """
    if not path.exists():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        runs = {(run["row"], run["seed"]): run for run in document["runs"]}
        made = document["settings"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path}: expected the results of `ttc compare` ({error})") from error
    if made != settings:
        raise ValueError(f"{path} was made with {made}, now {settings}: give another --out")
    return runs
