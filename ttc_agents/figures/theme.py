"""What all pictures share: PNG and GIF bytes, colours for light and for dark pages, axes.

Only `matplotlib.figure` is used, so nothing needs a display and no global state changes.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

LINES = ("#2563eb", "#db2777", "#059669", "#d97706", "#7c3aed", "#0891b2", "#dc2626", "#65a30d")
"""Colours of lines, which can be told apart on either page."""
POINTS: dict[str, Any] = {"linewidth": 2.0, "marker": "o", "markersize": 4}
"""How a line is drawn through what was measured."""


@dataclass(frozen=True)
class Theme:
    """Colours of one page."""

    paper: str
    ink: str
    soft: str
    grid: str
    marked: str


THEMES = {
    "light": Theme("#ffffff", "#1f2937", "#6b7280", "#e5e7eb", "#f3f4f6"),
    "dark": Theme("#16181d", "#e5e7eb", "#9ca3af", "#2d323b", "#20242c"),
}


def canvas(theme: Theme, size: tuple[float, float], rows: int = 1, columns: int = 1) -> Any:
    """A figure and its axes in the colours of a theme."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=144, layout="constrained", facecolor=theme.paper)
    axes = figure.subplots(rows, columns)
    for panel in np.atleast_1d(axes).flat:
        panel.set_facecolor(theme.paper)
        panel.spines[["top", "right", "left"]].set_visible(False)
        panel.spines["bottom"].set_color(theme.soft)
        panel.grid(axis="y", color=theme.grid, linewidth=0.9)
        panel.set_axisbelow(True)
        panel.tick_params(which="both", colors=theme.soft, length=0, labelsize=9.5)
        panel.xaxis.label.set_color(theme.soft)
        panel.yaxis.label.set_color(theme.soft)
        panel.set_title("", loc="left", color=theme.ink)  # a title keeps its colour
    return figure, axes


def png(figure: Figure) -> bytes:
    """The figure as a file."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", facecolor=figure.get_facecolor())
    return stream.getvalue()


def gif(images: list[Image], frame_ms: int, last_ms: int) -> bytes:
    """The images as an endless film, each in view for so many milliseconds, the last for longer."""
    stream = io.BytesIO()
    durations = [frame_ms] * (len(images) - 1) + [last_ms]
    images[0].save(
        stream, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0
    )
    return stream.getvalue()


def headline(axes: Axes, text: str, size: float = 11.0, weight: str = "normal") -> None:
    """A title above the left end of the axes."""
    axes.set_title(text, loc="left", fontsize=size, fontweight=weight)


def legend(axes: Any, place: str, **options: Any) -> None:
    """A legend inside the axes, in the colours of its page."""
    paper, soft = axes.get_facecolor(), axes.xaxis.label.get_color()
    colours = {"facecolor": paper, "edgecolor": soft, "labelcolor": soft}
    axes.legend(loc=place, fontsize=8.5, **colours, **options)


def percent_axis(axes: Axes, low: float = -2.0, high: float = 102.0) -> None:
    """Shares in percent upwards; the ends leave room for lines at 0 and 100."""
    axes.set_ylim(low, high)
    axes.yaxis.set_major_formatter("{x:.0f}%")


def step_axis(axes: Axes, steps: np.ndarray) -> None:
    """Refinement steps in powers of two, labelled where something was recorded."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(steps, [str(step) for step in steps])
    axes.set_xticks([], minor=True)
    axes.set_xlim(steps[0] / 1.08, steps[-1] * 1.04)
    axes.set_xlabel("refinement steps at test time")
