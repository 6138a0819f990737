"""The tables of the page, from the results of comparisons.

    python experiments/recurrence/tables.py experiments/recurrence/results/{fixed-map,lists}.json

Each share is the mean over seeds, in percent, with a 95% interval of seeds and instances: Student's
t on the two errors that `ttc_agents.comparison.verdict` adds up. A single seed has that of
instances.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from scipy.stats import t as student

from ttc_agents.comparison.run import by_row
from ttc_agents.comparison.verdict import MANY, Point, points


def percent(point: Point) -> str:
    """`mean (low-high)` in percent."""
    others = len(point.shares) - 1
    by_seeds = point.by_seeds if others else 0.0
    square = by_seeds + point.by_instances
    doubt = by_seeds**2 / others if others else 0.0
    half = student.ppf(0.975, min(square**2 / doubt if doubt else MANY, MANY)) * square**0.5
    low, high = max(0.0, point.mean - half), min(1.0, point.mean + half)
    return f"{100 * point.mean:.1f} ({100 * low:.0f}-{100 * high:.0f})"


def lines(document: dict[str, Any]) -> list[str]:
    """A table in Markdown, what was overspent, and the verdicts."""
    settings, runs = document["settings"], document["runs"]
    steps = settings["steps"]
    head = ["row", "parameters", *map(str, steps), "FLOPs per answer", "CPU s"]
    table = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for name, own in by_row(runs).items():
        found = {point.step: point for point in points(own)}
        shown = [percent(found[step]) if step in found else "" for step in steps]
        flops = [f"{found[step].flops:.2g}" for step in (min(found), max(found))]
        seconds = sum(each["seconds"] for each in own) / len(own)
        cost = " to ".join(dict.fromkeys(flops))
        shown_name = name if len(own) > 1 else f"{name}, one seed"
        columns = [shown_name, f"{own[0]['parameters']:,}", *shown, cost, f"{seconds:.0f}"]
        table.append(f"| {' | '.join(columns)} |")
    if settings["flops"]:
        worst = max(each["flops_spent"] / settings["flops"] - 1 for each in runs)
        table += [
            "",
            f"Budget {settings['flops']:.2g} FLOPs, overspent by {100 * worst:.2f}% at most.",
        ]
    return [*table, "", *(f"- {said['words']}" for said in document["verdicts"])]


def main() -> None:
    """Print the tables of all files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", type=Path, nargs="+", help="JSON files of `ttc compare`")
    for path in parser.parse_args().tables:
        document = json.loads(path.read_text(encoding="utf-8"))
        distinct = min(each["distinct"] for each in document["runs"])
        count = document["settings"]["count"]
        print(f"## {path.stem} ({count} instances, {distinct} different)\n")
        print("\n".join(lines(document)), end="\n\n")


if __name__ == "__main__":
    main()
