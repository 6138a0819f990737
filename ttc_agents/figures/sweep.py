"""The picture of a sweep: solved share against refinement steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ttc_agents.figures.tables import row_name, rows_of_kind
from ttc_agents.figures.theme import (
    LINES,
    POINTS,
    THEMES,
    Theme,
    canvas,
    headline,
    percent_axis,
    png,
    step_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PROTOCOL_STYLES = {
    "p1": "-",
    "p2": (0, (5, 1.5)),
    "p3": (0, (1, 1.2)),
    "p2-branch": (0, (7, 1.5, 1, 1.5)),
    "p3-branch": (0, (3, 1, 1, 1, 1, 1)),
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
    percent_axis(axes, -3, 112)
    axes.set_yticks(range(0, 101, 20))
    axes.set_ylabel("solved")
    headline(axes, title, 13.5, "bold")
    return png(figure)


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
    for row, families in rows_of_kind(document, protocols=False).items():
        curves = [_curve(by_step) for by_step in families.values()]
        if not curves or any(not np.allclose(curve[1], curves[0][1], atol=1) for curve in curves):
            continue
        steps, solved = curves[0][:2]
        axes.plot(steps, solved, color=theme.soft, linewidth=1.4, linestyle=(0, (4, 3)))
        ends.append((solved[-1], f"{row_name(row)} {solved[-1]:.0f}%", theme.soft))
    return ends


def _protocol_lines(axes: Axes, document: dict[str, Any]) -> list[tuple[float, str, str]]:
    """Solid lines with bands, and (height, label, colour) of their ends."""
    ends = []
    used = rows_of_kind(document, protocols=True)
    families = list(dict.fromkeys(family for own in used.values() for family in own))
    for name, own in used.items():
        for family, by_step in own.items():
            colour = LINES[families.index(family) % len(LINES)]
            steps, solved, low, high = _curve(by_step)
            axes.fill_between(steps, low, high, color=colour, alpha=0.16, linewidth=0)
            axes.plot(steps, solved, color=colour, linestyle=PROTOCOL_STYLES[name], **POINTS)
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
