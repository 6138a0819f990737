"""The picture of the study: solved share against test FLOPs, at one training budget."""

from __future__ import annotations

from ttc_agents.comparison.verdict import Run, frontier, points
from ttc_agents.figures.theme import (
    LINES,
    POINTS,
    THEMES,
    canvas,
    headline,
    legend,
    percent_axis,
    png,
)


def frontier_picture(title: str, rows: dict[str, list[Run]]) -> bytes:
    """A line per row, means over seeds with each seed as a dot; below them the frontier of all.

    Args:
        title: Above the picture.
        rows: Runs by row, all trained with one budget, with `test_flops`.
    """
    colours = THEMES["light"]
    figure, axes = canvas(colours, (9.2, 5.4))
    edge = frontier(rows)
    last = max(point.flops for runs in rows.values() for point in points(runs))
    axes.step(
        [flops for flops, _ in edge] + [last],
        [100 * share for _, share in edge] + [100 * edge[-1][1]],
        where="post",
        color=colours.grid,
        linewidth=7,
        label="frontier of this training budget",
        zorder=0,
    )
    for i, (name, runs) in enumerate(rows.items()):
        line, colour = points(runs), LINES[i % len(LINES)]
        flops = [point.flops for point in line]
        means = [100 * point.mean for point in line]
        axes.plot(flops, means, color=colour, label=name, **POINTS)
        for point in line:
            dots = [100 * share for share in point.shares]
            axes.scatter([point.flops] * len(dots), dots, s=7, color=colour, alpha=0.45)
    axes.set_xscale("log")
    axes.set_xlabel("test-time FLOPs per instance")
    percent_axis(axes)
    headline(axes, f"{title}: solved", 12, "bold")
    legend(axes, "best")
    return png(figure)
