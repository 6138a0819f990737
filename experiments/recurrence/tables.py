"""The tables of the page, from the results of comparisons.

    python experiments/recurrence/tables.py experiments/recurrence/results/{fixed-map,lists}.json

A cell is the mean over seeds, in percent, with a 95% interval of seeds and instances: Student's t
on the two errors that `ttc_agents.evaluation.verdict` adds up. A single seed has that of instances.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from scipy.stats import t as student

from ttc_agents.evaluation.comparison import by_row
from ttc_agents.evaluation.verdict import MANY, Point, points


def cell(point: Point) -> str:
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
    settings, cells = document["settings"], document["cells"]
    steps = settings["steps"]
    head = ["row", "parameters", *map(str, steps), "FLOPs per answer", "CPU s"]
    table = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for name, own in by_row(cells).items():
        found = {point.step: point for point in points(own)}
        shown = [cell(found[step]) if step in found else "" for step in steps]
        flops = [f"{found[step].flops:.2g}" for step in (min(found), max(found))]
        seconds = sum(each["seconds"] for each in own) / len(own)
        cost = " to ".join(dict.fromkeys(flops))
        shown_name = name if len(own) > 1 else f"{name}, one seed"
        columns = [shown_name, f"{own[0]['parameters']:,}", *shown, cost, f"{seconds:.0f}"]
        table.append(f"| {' | '.join(columns)} |")
    if settings["flops"]:
        worst = max(each["flops_spent"] / settings["flops"] - 1 for each in cells)
        table += [
            "",
            f"Budget {settings['flops']:.2g} FLOPs, overspent by {100 * worst:.2f}% at most.",
        ]
    return [*table, "", *(f"- {said['words']}" for said in document["verdicts"])]


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        document = json.loads(path.read_text(encoding="utf-8"))
        distinct = min(each["distinct"] for each in document["cells"])
        print(f"## {path.stem} ({document['settings']['count']} instances, {distinct} different)\n")
        print("\n".join(lines(document)), end="\n\n")
