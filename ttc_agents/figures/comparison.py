"""The pictures of a comparison: what training bought, and what test-time FLOPs buy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ttc_agents.comparison.run import Run, by_row, mean_share
from ttc_agents.comparison.verdict import frontier, points
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

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COSTS = {"env_steps": "environment steps of training", "flops": "training FLOPs"}
MARKERS = ("o", "s", "^")
"""By rounds through the colours, which are fewer than rows may be."""


def comparison_picture(title: str, runs: list[Run]) -> bytes:
    """Three panels: solved by refinement steps, by environment steps and by training FLOPs.

    The first is on test instances, means over seeds; the others are learning curves on validation
    instances, one line per seed, at the last step. Rows that were not trained are dashed lines in
    the first.

    Args:
        title: Above the first panel.
        runs: Of one table.
    """
    colours = THEMES["light"]
    figure, axes = canvas(colours, (15.0, 5.0), columns=3)
    rows = by_row(runs)
    trained = [name for name, own in rows.items() if own[0]["seconds"]]
    marks: dict[str, dict[str, Any]] = {
        name: {"color": LINES[i % len(LINES)], "marker": MARKERS[i // len(LINES) % len(MARKERS)]}
        for i, name in enumerate(trained)
    }
    steps = list(runs[0]["reached"])
    for name, own in rows.items():
        shares = [100 * mean_share(own, "reached", step) for step in steps]
        mark = marks.get(name, {"linestyle": "--"})
        options: dict[str, Any] = {"color": colours.soft, "label": name, **mark}
        axes[0].plot([int(step) for step in steps], shares, **options)
    axes[0].set_xscale("log", base=2)
    axes[0].set_xticks([int(step) for step in steps], steps)
    axes[0].set_xlabel("refinement steps at test time")
    headline(axes[0], f"{title}: solved", 12, "bold")
    for panel, (cost, label) in zip(axes[1:], COSTS.items(), strict=True):
        for name in trained:
            for run in rows[name]:
                _learning_curve(panel, run, cost, marks[name])
        panel.set_xscale("log")
        panel.set_xlabel(label)
    for panel in axes:
        percent_axis(panel)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=4, frameon=False, labelcolor=colours.ink
    )
    return png(figure)


def _learning_curve(panel: Axes, run: Run, cost: str, mark: dict[str, Any]) -> None:
    """Solved validation instances against what the training had cost."""
    points = [(point[cost], 100 * point["solved"]) for point in run["curve"] if point[cost]]
    if points:
        panel.plot(*zip(*points, strict=True), linewidth=1.6, markersize=4, **mark)


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
