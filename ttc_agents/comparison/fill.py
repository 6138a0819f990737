"""The file of a table: runs that are there are kept, those that are missing are made.

An interrupted comparison so goes on, and several processes may fill one folder together.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ttc_agents.comparison.plan import Comparison, Row, Table
from ttc_agents.comparison.run import Run, document_of, run_row, settings_of
from ttc_agents.files import clear_leftovers, locked, write_atomically

Runs = dict[tuple[str, int], Run]
"""By the name of the row and the seed."""


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
