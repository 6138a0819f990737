"""The picture of the study: solved share against test FLOPs, at one training budget."""

from __future__ import annotations

from ttc_agents.evaluation.figures import LINES, THEMES, canvas, png
from ttc_agents.evaluation.verdict import Cell, frontier, points


def frontier_picture(title: str, rows: dict[str, list[Cell]], theme: str = "light") -> bytes:
    """A line per row, means over seeds with each seed as a dot; below them the frontier of all.

    Args:
        title: Above the picture.
        rows: Cells by row, all trained with one budget, with `test_flops`.
        theme: `light` or `dark`.
    """
    colours = THEMES[theme]
    figure, axes = canvas(colours, (9.2, 5.4))
    edge = frontier(rows)
    last = max(point.flops for cells in rows.values() for point in points(cells))
    axes.step(
        [flops for flops, _ in edge] + [last],
        [100 * share for _, share in edge] + [100 * edge[-1][1]],
        where="post",
        color=colours.grid,
        linewidth=7,
        label="frontier of this training budget",
        zorder=0,
    )
    for i, (name, cells) in enumerate(rows.items()):
        line, colour = points(cells), LINES[i % len(LINES)]
        flops = [point.flops for point in line]
        means = [100 * point.mean for point in line]
        axes.plot(flops, means, color=colour, marker="o", markersize=4, label=name)
        for point in line:
            dots = [100 * share for share in point.shares]
            axes.scatter([point.flops] * len(dots), dots, s=7, color=colour, alpha=0.45)
    axes.set_xscale("log")
    axes.set_xlabel("test-time FLOPs per instance")
    axes.set_ylim(-3, 103)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0f}%")
    axes.set_title(f"{title}: solved", loc="left", fontsize=12, fontweight="bold")
    axes.legend(frameon=False, labelcolor=colours.ink, fontsize=9)
    return png(figure)
