"""Precision of the likeliest 9x9 graph against CPU seconds, each seed a line, from results/*.json.

python experiments/learned_graph/curves.py

Writes results/curves.png.
"""

from __future__ import annotations

import argparse

from tables import RESULTS, read

from ttc_agents.figures.theme import LINES, THEMES, canvas, png

CURVES = {
    "9x9": "one step of counting",
    "9x9-single-stage": "single stage, 3 steps",
    "9x9-pruned": "k = 28, pruned",
    "9x9-one-reward": "one reward per graph",
    "9x9-axes": "no table: the saddle",
}
ROWS_AND_COLUMNS = 16 / 20


def main() -> None:
    """Draw them."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    figure, axes = canvas(THEMES["light"], (9.2, 4.8))
    for (name, label), colour in zip(CURVES.items(), LINES, strict=False):
        for i, run in enumerate(read(name)["runs"]):
            seconds, precision = zip(*((point[1], point[2]) for point in run["curve"]), strict=True)
            axes.plot(seconds, precision, color=colour, linewidth=1.2, label=None if i else label)
    axes.axhline(ROWS_AND_COLUMNS, color=THEMES["light"].soft, linewidth=0.9, linestyle=":")
    end = (axes.get_xlim()[1], ROWS_AND_COLUMNS)
    axes.annotate("rows and columns only", end, fontsize=8.5, ha="right", va="bottom")
    axes.set_xlabel("CPU seconds")
    axes.set_ylabel("precision")
    axes.set_ylim(0, 1.02)
    axes.legend(frameon=False, fontsize=9)
    (RESULTS / "curves.png").write_bytes(png(figure))


if __name__ == "__main__":
    main()
