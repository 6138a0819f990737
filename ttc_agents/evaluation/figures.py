"""Pictures as PNG bytes for light and for dark pages; here the sweep and what all pictures share.

Only `matplotlib.figure` is used, so nothing needs a display and no global state changes.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ttc_agents.evaluation.report import classical_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES = ("#2563eb", "#db2777", "#059669", "#d97706", "#7c3aed", "#0891b2", "#dc2626", "#65a30d")
PROTOCOL_STYLES = {"p1": "-", "p2": (0, (5, 1.5)), "p3": (0, (1, 1.2))}


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


def sweep_picture(
    document: dict[str, Any], *, title: str, trained_steps: int | None = None, theme: str = "light"
) -> bytes:
    """Solved share against refinement steps: a line with its 95% band per protocol and family.

    Args:
        document: `SweepResult.to_json()`.
        title: Above the picture.
        trained_steps: The depth of training, which is shaded.
        theme: `light` or `dark`.
    """
    colours = THEMES[theme]
    figure, axes = canvas(colours, (9.2, 5.2))
    steps = np.array(document["steps"])
    if trained_steps is not None and trained_steps > steps[0]:
        _mark_training(axes, trained_steps, colours)
    ends = _classical_lines(axes, document, colours)
    ends += _protocol_lines(axes, document)
    _end_labels(axes, ends, steps[-1])
    step_axis(axes, steps)
    axes.set_ylim(-3, 112)
    axes.set_yticks(range(0, 101, 20))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0f}%")
    axes.set_ylabel("solved")
    axes.set_title(title, loc="left", fontsize=13.5, fontweight="bold", color=colours.ink)
    return png(figure)


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
        panel.tick_params(colors=theme.soft, length=0, labelsize=9.5)
        panel.xaxis.label.set_color(theme.soft)
        panel.yaxis.label.set_color(theme.soft)
        panel.title.set_color(theme.ink)
    return figure, axes


def png(figure: Figure) -> bytes:
    """The figure as a file."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", facecolor=figure.get_facecolor())
    return stream.getvalue()


def step_axis(axes: Axes, steps: np.ndarray) -> None:
    """Refinement steps in powers of two, labelled where something was recorded."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(steps, [str(step) for step in steps])
    axes.set_xticks([], minor=True)
    axes.set_xlim(steps[0] / 1.08, steps[-1] * 1.04)
    axes.set_xlabel("refinement steps at test time")


# The sweep


def _mark_training(axes: Axes, depth: int, theme: Theme) -> None:
    axes.axvspan(1e-3, depth, color=theme.marked, zorder=0)
    axes.annotate(
        f"steps with a gradient in training: {depth}",
        (depth, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-6, -5),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=8.5,
        color=theme.soft,
    )


def _classical_lines(
    axes: Axes, document: dict[str, Any], theme: Theme
) -> list[tuple[float, str, str]]:
    """Dashed lines, and (height, label, colour) of their ends.

    With several families only those rows are drawn that are the same for all, or the lines would
    hide each other; the table has the rest.
    """
    ends = []
    for row, families in document["classical"].items():
        curves = [_curve(by_step) for by_step in families.values()]
        if not curves or any(not np.allclose(curve[1], curves[0][1], atol=1) for curve in curves):
            continue
        steps, solved = curves[0][:2]
        axes.plot(steps, solved, color=theme.soft, linewidth=1.4, linestyle=(0, (4, 3)))
        ends.append((solved[-1], f"{classical_name(row)} {solved[-1]:.0f}%", theme.soft))
    return ends


def _protocol_lines(axes: Axes, document: dict[str, Any]) -> list[tuple[float, str, str]]:
    """Solid lines with bands, and (height, label, colour) of their ends."""
    ends = []
    used = [name for name in PROTOCOL_STYLES if document[name]]
    families = list(dict.fromkeys(family for name in used for family in document[name]))
    for name in used:
        for family, by_step in document[name].items():
            colour = LINES[families.index(family) % len(LINES)]
            steps, solved, low, high = _curve(by_step)
            axes.fill_between(steps, low, high, color=colour, alpha=0.16, linewidth=0)
            axes.plot(
                steps,
                solved,
                color=colour,
                linewidth=2.4,
                linestyle=PROTOCOL_STYLES[name],
                marker="o",
                markersize=4.5,
            )
            if len(used) == len(families) == 1:
                _point_labels(axes, steps, solved, colour)
            prefix = f"{name.upper()} " if len(used) > 1 else ""
            ends.append((solved[-1], f"{prefix}{family} {solved[-1]:.1f}%", colour))
    return ends


def _point_labels(axes: Axes, steps: np.ndarray, solved: np.ndarray, colour: str) -> None:
    """The numbers at the points that are not nothing, but for the last, which has a name."""
    for step, value in zip(steps[:-1], solved[:-1], strict=True):
        if value < 1:
            continue
        axes.annotate(
            f"{value:.1f}",
            (step, value),
            xytext=(-4, 5),
            textcoords="offset points",
            ha="right",
            fontsize=8.5,
            color=colour,
        )


def _curve(by_step: dict[str, dict[str, float]]) -> tuple[np.ndarray, ...]:
    """Steps, and solved, low and high in percent."""
    steps = np.array([int(step) for step in by_step])
    shares = [
        100 * np.array([e[key] for e in by_step.values()]) for key in ("solved", "low", "high")
    ]
    return steps, *shares


def _end_labels(axes: Axes, ends: list[tuple[float, str, str]], right: float) -> None:
    """Names beside the ends of the lines, moved apart where they would overlap."""
    ordered = sorted(ends, key=lambda end: end[0])
    heights = spread([end[0] for end in ordered], gap=4.6, top=101.0)
    for (_, label, colour), height in zip(ordered, heights, strict=True):
        axes.annotate(
            label,
            (right, height),
            xytext=(12, 0),
            textcoords="offset points",
            va="center",
            fontsize=10,
            color=colour,
            annotation_clip=False,
        )


def spread(heights: list[float], gap: float, top: float) -> list[float]:
    """Ascending heights moved as little as need be, to be `gap` apart and below `top`."""
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + gap) if placed else height)
    limit = top
    for i in reversed(range(len(placed))):
        placed[i] = min(placed[i], limit)
        limit = placed[i] - gap
    return placed
