"""Draw what `axes.py` measured: solved puzzles against floating-point operations, a panel a family.

.venv/bin/python experiments/three_axes/picture.py results/sudoku-cpu-axes.json --out axes.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from ttc_agents.figures.theme import (
    LINES,
    POINTS,
    THEMES,
    canvas,
    headline,
    legend,
    percent_axis,
    png,
)

AXES = ("depth", "restarts", "noise", "branching")
TITLES = {
    "bank_diabolical": "exchange bank, diabolical",
    "magictour1465": "magictour top 1465",
    "forum1905_11plus": "forum hardest 1905, 11+",
    "forum1106": "forum hardest 1106",
    "royle17": "17 givens",
    "rrn17to34": "17 to 34 givens",
}


def panel(axes: Any, title: str, curves: dict[str, list[dict[str, float]]]) -> None:
    """One family: a line with its 95% band per axis."""
    for colour, name in zip(LINES, AXES, strict=False):
        flops = np.array([e["mean_flops"] for e in curves[name]])
        solved, low, high = (
            100 * np.array([e[key] for e in curves[name]]) for key in ("solved", "low", "high")
        )
        axes.fill_between(flops, low, high, color=colour, alpha=0.13, linewidth=0)
        axes.plot(flops, solved, color=colour, label=name, **POINTS)
    axes.set_xscale("log")
    headline(axes, title)
    axes.set_xlabel("FLOPs per puzzle")
    percent_axis(axes)


def picture(document: dict[str, Any], families: list[str], theme: str = "light") -> bytes:
    """PNG of some families of a document of `axes.py`."""
    colours = THEMES[theme]
    figure, places = canvas(colours, (3.4 * len(families) + 0.6, 3.7), 1, len(families))
    places = np.atleast_1d(places)
    for axes, family in zip(places, families, strict=True):
        panel(axes, TITLES.get(family, family), document["families"][family])
    legend(places[-1], "best")
    places[0].set_ylabel("solved, no rules read")
    figure.suptitle(
        f"{document['network']}: the same weights and operations, spent in four ways",
        x=0.01,
        ha="left",
        fontsize=12.5,
        fontweight="bold",
        color=colours.ink,
    )
    return png(figure)


def main() -> None:
    """Draw the families that are named, or all of the document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--families", nargs="+")
    parser.add_argument("--theme", choices=sorted(THEMES), default="light")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    document = json.loads(options.results.read_text())
    families = options.families or list(document["families"])
    options.out.write_bytes(picture(document, families, options.theme))


if __name__ == "__main__":
    main()
