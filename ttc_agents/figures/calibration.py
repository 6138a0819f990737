"""The picture of a calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ttc_agents.evaluation.calibration import BANDS, BINS, Calibration
from ttc_agents.figures.theme import (
    LINES,
    POINTS,
    THEMES,
    Theme,
    canvas,
    headline,
    legend,
    percent_axis,
    png,
    step_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAND_COLOURS = ("#4caf72", "#a9d8b4", "#f5c987", "#e5695c")


def calibration_picture(calibration: Calibration, theme: str = "light") -> bytes:
    """Four panels: nodes by confidence, error by step, reliability, changes and flips."""
    colours = THEMES[theme]
    figure, axes = canvas(colours, (10.4, 7.4), 2, 2)
    steps = np.array(calibration.steps)
    _bands_panel(axes[0, 0], calibration, steps)
    _error_panel(axes[0, 1], calibration, steps)
    _reliability_panel(axes[1, 0], calibration, colours)
    _changes_panel(axes[1, 1], calibration, steps)
    return png(figure)


def _bands_panel(axes: Axes, calibration: Calibration, steps: np.ndarray) -> None:
    shares = 100 * calibration.bands.T / np.maximum(calibration.bands.sum(axis=1), 1)
    axes.stackplot(steps, shares, colors=BAND_COLOURS, labels=BANDS)
    headline(axes, "Free nodes by confidence (sure: above 0.9)")
    percent_axis(axes, 0, 100)
    step_axis(axes, steps)
    legend(axes, "lower right", reverse=True)


def _error_panel(axes: Axes, calibration: Calibration, steps: np.ndarray) -> None:
    axes.plot(steps, calibration.error(), color=LINES[0], **POINTS)
    headline(axes, "Expected calibration error")
    axes.set_ylim(bottom=0)
    step_axis(axes, steps)


def _reliability_panel(axes: Axes, calibration: Calibration, theme: Theme) -> None:
    axes.plot([0, 1], [0, 1], color=theme.soft, linewidth=1, linestyle=(0, (4, 3)))
    last = len(calibration.steps) - 1
    for colour, row in zip(LINES, sorted({0, last // 2, last}), strict=False):
        enough = calibration.count[row] >= 10
        count = calibration.count[row][enough]
        confidence, right = (
            sums[row][enough] / count for sums in (calibration.confidence, calibration.right)
        )
        label = f"step {calibration.steps[row]}"
        axes.plot(confidence, right, color=colour, label=label, **POINTS)
    headline(axes, f"Share right by confidence ({BINS} bins)")
    axes.set_xlabel("confidence")
    legend(axes, "upper left")


def _changes_panel(axes: Axes, calibration: Calibration, steps: np.ndarray) -> None:
    rows = (
        (calibration.changes, "changes that fall on doubtful nodes", LINES[3], "-"),
        (calibration.seen, "doubtful nodes among all", LINES[3], (0, (4, 3))),
        (calibration.sure, "sure, right nodes that later flip", LINES[2], "-"),
    )
    for counts, label, colour, style in rows:
        some = counts[:, 0] > 0
        share = 100 * counts[some, 1] / counts[some, 0]
        axes.plot(steps[some], share, color=colour, linestyle=style, label=label, **POINTS)
    headline(axes, "Red becomes green, green stays green")
    percent_axis(axes)
    step_axis(axes, steps)
    legend(axes, "upper right")
