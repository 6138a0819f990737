"""Pictures of what `measure.py` has found: the energy on the way down, and what it tells.

    .venv/bin/python experiments/energy/pictures.py experiments/energy/results/measure.json

Writes a PNG beside the file, of the first checkpoint in it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from ttc_agents.figures.theme import LINES, THEMES, canvas, headline, legend, png

BINS = 24
PARTS = 5
SURER = {"energy": -1.0, "least confidence": 1.0}
"""Sign with which a signal is larger where an answer is more to be trusted."""


def reliability(signal: np.ndarray, solved: np.ndarray) -> np.ndarray:
    """(PARTS,) solved shares of equal parts of the instances, the least trusted first."""
    order = np.argsort(signal, kind="stable")
    return np.array([part.mean() for part in np.array_split(solved[order], PARTS)])


def picture(found: dict[str, Any]) -> bytes:
    """Four panels: mean energy by step, solved and unsolved by two signals, and reliability."""
    figure, axes = canvas(THEMES["light"], (16.0, 3.6), 1, 4)
    energies = np.array(found["energies"])
    axes[0].plot(np.arange(1, len(energies) + 1), energies, color=LINES[0], linewidth=2)
    headline(axes[0], f"Mean energy; it falls in {100 * found['falls']:.1f}% of steps")
    axes[0].set_xlabel("refinement step")
    final = {name: np.array(values) for name, values in found["final"].items()}
    solved = final["solved"]
    for panel, name in zip(axes[1:3], SURER, strict=True):
        edges = np.histogram_bin_edges(final[name], BINS)
        for flags, label, colour in ((solved, "solved", LINES[2]), (~solved, "unsolved", LINES[6])):
            panel.hist(final[name][flags], edges, color=colour, alpha=0.6, label=label)
        area = found["auc"][name]
        headline(panel, f"Final {name}" + ("" if area is None else f", AUC {area:.3f}"))
        panel.set_xlabel(name)
        legend(panel, "upper center")
    fifths = np.arange(1, PARTS + 1)
    # The first line is wide, to be seen where both are the same.
    for (name, sign), colour, width in zip(
        SURER.items(), (LINES[0], LINES[6]), (6, 2), strict=True
    ):
        shares = 100 * reliability(sign * final[name], solved)
        axes[3].plot(fifths, shares, color=colour, linewidth=width, marker="o", label=name)
    headline(axes[3], "Solved, percent of each fifth")
    axes[3].set_xlabel("fifth of the puzzles, least trusted first")
    axes[3].set_xticks(fifths)
    axes[3].set_ylim(-4, 104)
    legend(axes[3], "lower right")
    return png(figure)


def main() -> None:
    """Read and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="+", type=Path)
    for path in parser.parse_args().results:
        runs = json.loads(path.read_text("utf-8"))["runs"]
        path.with_suffix(".png").write_bytes(picture(next(iter(runs.values()))["descent"]))
        print(path.with_suffix(".png"))


if __name__ == "__main__":
    main()
