"""The pictures of a probe: true and probed places on a map, and how they came together."""

from __future__ import annotations

from typing import Any

import numpy as np

from ttc_agents.evaluation.probe import Probe
from ttc_agents.figures.theme import LINES, POINTS, THEMES, canvas, headline, legend, png


def probe_map(found: Probe, title: str) -> bytes:
    """Places where they are, each with a line to where the probe of others has it.

    Args:
        found: The probe.
        title: Above the map.
    """
    colours = THEMES["light"]
    figure, axes = canvas(colours, (9.2, 5.6))
    for (lat, lng), (guessed_lat, guessed_lng) in zip(found.truth, found.guess, strict=True):
        axes.plot([lng, guessed_lng], [lat, guessed_lat], color=colours.soft, linewidth=0.7)
    axes.scatter(*found.truth.T[::-1], s=16, color=LINES[0], label="true", zorder=3)
    axes.scatter(*found.guess.T[::-1], s=16, color=LINES[1], label="probed", zorder=3)
    middle = np.radians(found.truth[:, 0].mean())
    axes.set_aspect(1 / np.cos(middle))
    axes.set_xlabel("longitude")
    axes.set_ylabel("latitude")
    legend(axes, "lower left")
    figures = f"R² {found.r2:.3f}, median error {found.median_km:.0f} km"
    headline(axes, f"{title}: {figures}", 12, "bold")
    return png(figure)


def probe_curve(lines: list[dict[str, Any]]) -> bytes:
    """R² and median error on held-out places along a training.

    Args:
        lines: Of its metrics, those with `probe_r2`, at least one.
    """
    colours = THEMES["light"]
    figure, axes = canvas(colours, (9.2, 3.8), columns=2)
    seconds = [line["seconds"] for line in lines]
    names = (("probe_r2", "R² on held-out places"), ("probe_km", "median error, km"))
    for panel, (name, label) in zip(axes, names, strict=True):
        values = [line[name] for line in lines]
        panel.plot(seconds, values, color=LINES[0], **POINTS)
        panel.set_xlabel("seconds of training")
        headline(panel, label)
    axes[0].set_ylim(max(-1.0, min(0.0, *(line["probe_r2"] for line in lines))) - 0.02, 1.02)
    return png(figure)
