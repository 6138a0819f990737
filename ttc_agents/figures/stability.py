"""The picture of a stability report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ttc_agents.evaluation.stability import StabilityReport
from ttc_agents.figures.theme import (
    LINES,
    POINTS,
    THEMES,
    canvas,
    headline,
    legend,
    percent_axis,
    png,
    step_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def stability_picture(report: StabilityReport, theme: str = "light") -> bytes:
    """Over depth: solved and converged, residual, spectral radius, what changes the answer."""
    colours = THEMES[theme]
    figure, axes = canvas(colours, (10.4, 7.4), 2, 2)
    steps = np.array(report.steps)
    converged = report.finite & (report.residual < report.tol)
    _shares(axes[0, 0], steps, {"solved": report.solved, "converged": converged})
    _spread(axes[0, 1], steps, report.residual, "Residual: median, 5th to 95th percentile")
    _spread(axes[1, 0], steps, report.radius, "Spectral radius of the step")
    axes[1, 0].axhline(1.0, color=colours.soft, linewidth=1, linestyle=(0, (4, 3)))
    other = report.solved & ~report.same
    changes = {"changed by the last step": report.changed, "by the start": other}
    _shares(axes[1, 1], steps, changes)
    for panel in axes.flat:
        step_axis(panel, steps)
    return png(figure)


def _shares(axes: Axes, steps: np.ndarray, rows: dict[str, Any]) -> None:
    """Means in percent."""
    for colour, (label, values) in zip(LINES, rows.items(), strict=False):
        axes.plot(steps, 100 * values.mean(axis=0), color=colour, label=label, **POINTS)
    headline(axes, " and ".join(rows).capitalize())
    percent_axis(axes)
    legend(axes, "lower right")


def _spread(axes: Axes, steps: np.ndarray, values: np.ndarray, title: str) -> None:
    """Median and band of the finite values, on a logarithmic axis; nothing where there is none."""
    finite = [column[np.isfinite(column) & (column > 0)] for column in values.T]
    some = np.array([len(column) > 0 for column in finite])
    headline(axes, title)
    axes.set_yscale("log")
    if not some.any():
        return
    low, middle, high = np.array([np.quantile(c, (0.05, 0.5, 0.95)) for c in finite if len(c)]).T
    axes.fill_between(steps[some], low, high, color=LINES[0], alpha=0.16, linewidth=0)
    axes.plot(steps[some], middle, color=LINES[0], **POINTS)
