"""How many refinement steps help, and how their number grows with hops and with list length.

Reads the documents of `ttc evaluate` and `ttc play` (`--out` or `--json`). For each row of a sweep,
the share that holds as a function of steps is a curve; its best depth is the first step whose share
is within one point of its highest. Curves are taken by the size of the instances (families
`size=64`, `places=256`) and, for paths, by the hops of the shortest path. Where three or more of
them reach 50%, the growth is the exponent g of a fit  best depth ~ size^g  by least squares in
logarithms.

    .venv/bin/python experiments/limits/best_depth.py experiments/limits/results/*.json

The last line on stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ttc_agents.evaluation.results import STEPLESS

TOLERANCE, LEAST = 0.01, 0.5


class Depth(NamedTuple):
    """What a curve says.

    Args:
        size: Nodes or hops.
        count: Instances or paths.
        best: The highest share.
        step: The first step within a point of it.
        last: The share after the last step.
    """

    size: int
    count: int
    best: float
    step: int
    last: float


def depth_of(size: int, count: int, steps: Sequence[int], shares: Sequence[float]) -> Depth:
    """The best depth of a curve of shares by step."""
    best = max(shares)
    step = next(s for s, share in zip(steps, shares, strict=True) if share >= best - TOLERANCE)
    return Depth(size, count, best, step, shares[-1])


def growth(depths: Sequence[Depth]) -> float | None:
    """The exponent g of step ~ size^g over depths that are any good; None from fewer than three."""
    good = [depth for depth in depths if depth.best >= LEAST]
    if len(good) < 3:
        return None
    sizes, steps = np.log([d.size for d in good]), np.log([d.step for d in good])
    return float(np.polyfit(sizes, steps, 1)[0])


def by_size(document: dict[str, Any]) -> dict[str, list[Depth]]:
    """{row: depths by the size that names the families}, of the share solved."""
    rows = {row: own for row, own in document["rows"].items() if row not in STEPLESS}
    found: dict[str, list[Depth]] = {}
    for row, families in rows.items():
        for family, by_step in families.items():
            match = re.search(r"(?:size|places)=(\d+)", family)
            if match:
                entries = list(by_step.values())
                shares = [entry["solved"] for entry in entries]
                depth = depth_of(int(match[1]), entries[0]["n"], document["steps"], shares)
                found.setdefault(row, []).append(depth)
    return {row: sorted(depths) for row, depths in found.items()}


def by_hops(document: dict[str, Any], metric: str) -> Iterator[tuple[str, str, list[Depth]]]:
    """Yield (row, family, depths by hops) of the paths from all places."""
    for row, families in document.get("parts", {}).items():
        for family, parts in families.items():
            yield (
                row,
                family,
                [
                    depth_of(int(hops), parts["n"][hops], document["steps"], shares)
                    for hops, shares in parts["metrics"][metric].items()
                    if hops != "all"
                ],
            )


def lines_of(title: str, depths: Sequence[Depth]) -> list[str]:
    """A Markdown table."""
    exponent = growth(depths)
    grows = "too few to say" if exponent is None else f"steps ~ size^{exponent:.2f}"
    rows = [
        f"| {d.size} | {d.count} | {100 * d.best:.1f} | {d.step} | {100 * d.last:.1f} |"
        for d in depths
    ]
    head = ["| size or hops | n | best % | at step | last % |", "|---|---|---|---|---|"]
    return ["", f"{title} ({grows})", "", *head, *rows]


def report(path: Path, metric: str = "optimal") -> tuple[list[str], dict[str, Any]]:
    """The tables of one sweep, and what they hold as a document."""
    document = json.loads(path.read_text(encoding="utf-8"))
    lines, found = [f"## {path.stem}"], {}
    tables = [(row, "by size", depths) for row, depths in by_size(document).items()]
    tables += list(by_hops(document, metric))
    for row, family, depths in tables:
        lines += lines_of(f"{row}, {family}", depths)
        found[f"{row}, {family}"] = {
            "growth": growth(depths),
            "depths": [depth._asdict() for depth in depths],
        }
    return lines, found


def main(words: Sequence[str] | None = None) -> None:
    """Print the tables of all sweeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sweeps", type=Path, nargs="+", help="JSON files")
    found = {}
    for path in parser.parse_args(words).sweeps:
        lines, found[path.stem] = report(path)
        print("\n".join(lines), end="\n\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
