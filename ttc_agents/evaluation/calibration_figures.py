"""The picture of a calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ttc_agents.evaluation.calibration import BANDS, BINS, Calibration
from ttc_agents.evaluation.figures import LINES, THEMES, Theme, canvas, png, step_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAND_COLOURS = ("#4caf72", "#a9d8b4", "#f5c987", "#e5695c")


def calibration_picture(calibration: Calibration, theme: str = "light") -> bytes:
    """Four panels: nodes by confidence, error by step, reliability, changes and flips."""
    colours = THEMES[theme]
    figure, axes = canvas(colours, (10.4, 7.4), 2, 2)
    steps = np.array(calibration.steps)
    _bands_panel(axes[0, 0], calibration, steps, colours)
    _error_panel(axes[0, 1], calibration, steps)
    _reliability_panel(axes[1, 0], calibration, colours)
    _changes_panel(axes[1, 1], calibration, steps, colours)
    for panel in axes.flat:
        panel.set_title(panel.get_title(loc="left"), loc="left", fontsize=11, color=colours.ink)
    return png(figure)


def _legend(axes: Any, theme: Theme, place: str, **options: Any) -> None:
    axes.legend(
        loc=place,
        fontsize=8.5,
        facecolor=theme.paper,
        edgecolor=theme.grid,
        labelcolor=theme.ink,
        **options,
    )


def _bands_panel(axes: Axes, calibration: Calibration, steps: np.ndarray, theme: Theme) -> None:
    shares = 100 * calibration.bands.T / np.maximum(calibration.bands.sum(axis=1), 1)
    axes.stackplot(steps, shares, colors=BAND_COLOURS, labels=BANDS)
    axes.set_title("Free nodes by confidence (sure: above 0.9)", loc="left")
    axes.set_ylim(0, 100)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0f}%")
    step_axis(axes, steps)
    _legend(axes, theme, "lower right", reverse=True)


def _error_panel(axes: Axes, calibration: Calibration, steps: np.ndarray) -> None:
    axes.plot(steps, calibration.error(), color=LINES[0], linewidth=2.2, marker="o", markersize=4)
    axes.set_title("Expected calibration error", loc="left")
    axes.set_ylim(bottom=0)
    step_axis(axes, steps)


def _reliability_panel(axes: Axes, calibration: Calibration, theme: Theme) -> None:
    axes.plot([0, 1], [0, 1], color=theme.soft, linewidth=1, linestyle=(0, (4, 3)))
    last = len(calibration.steps) - 1
    for colour, row in zip(LINES, sorted({0, last // 2, last}), strict=False):
        enough = calibration.count[row] >= 10
        count = calibration.count[row][enough]
        axes.plot(
            calibration.confidence[row][enough] / count,
            calibration.right[row][enough] / count,
            color=colour,
            linewidth=1.8,
            marker="o",
            markersize=4,
            label=f"step {calibration.steps[row]}",
        )
    axes.set_title(f"Share right by confidence ({BINS} bins)", loc="left")
    axes.set_xlabel("confidence")
    _legend(axes, theme, "upper left")


def _changes_panel(axes: Axes, calibration: Calibration, steps: np.ndarray, theme: Theme) -> None:
    rows = (
        (calibration.changes, "changes that fall on doubtful nodes", LINES[3], "-"),
        (calibration.seen, "doubtful nodes among all", LINES[3], (0, (4, 3))),
        (calibration.sure, "sure, right nodes that later flip", LINES[2], "-"),
    )
    for counts, label, colour, style in rows:
        some = counts[:, 0] > 0
        share = 100 * counts[some, 1] / counts[some, 0]
        axes.plot(
            steps[some], share, color=colour, linestyle=style, linewidth=1.8, marker="o",
            markersize=4, label=label,
        )  # fmt: skip
    axes.set_title("Red becomes green, green stays green", loc="left")
    axes.set_ylim(-2, 102)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0f}%")
    step_axis(axes, steps)
    _legend(axes, theme, "upper right")
