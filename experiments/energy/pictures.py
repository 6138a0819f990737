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


def picture(found: dict[str, Any]) -> bytes:
    """Three panels: mean energy by step, solved and unsolved by energy, and by least confidence."""
    figure, axes = canvas(THEMES["light"], (12.0, 3.6), 1, 3)
    energies = np.array(found["energies"])
    axes[0].plot(np.arange(1, len(energies) + 1), energies, color=LINES[0], linewidth=2)
    headline(axes[0], f"Mean energy; it falls in {100 * found['falls']:.1f}% of steps")
    axes[0].set_xlabel("refinement step")
    final = {name: np.array(values) for name, values in found["final"].items()}
    solved = final["solved"]
    for panel, name in zip(axes[1:], ("energy", "least confidence"), strict=True):
        edges = np.histogram_bin_edges(final[name], BINS)
        for flags, label, colour in ((solved, "solved", LINES[2]), (~solved, "unsolved", LINES[6])):
            panel.hist(final[name][flags], edges, color=colour, alpha=0.6, label=label)
        area = found["auc"][name]
        headline(panel, f"Final {name}" + ("" if area is None else f", AUC {area:.3f}"))
        panel.set_xlabel(name)
        legend(panel, "upper center")
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
