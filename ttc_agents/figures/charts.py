"""Charts and tables as plain data, before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass

Scalar = int | float | str | bool | None


@dataclass(frozen=True)
class Point:
    """A value, the ends of its interval where there is one, and of how many instances it is."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    n: int | None = None


@dataclass(frozen=True)
class Curve:
    """A line of a chart."""

    series: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Chart:
    """Curves of one metric.

    Args:
        title: What is drawn.
        axis: What the values lie over.
        share: Whether they are shares of one.
        curves: Several may have the same series, such as those of several seeds.
    """

    title: str
    axis: str
    share: bool
    curves: tuple[Curve, ...]

    @property
    def drawn(self) -> bool:
        """Whether there is a line to draw, rather than numbers at one place."""
        return len({point.x for curve in self.curves for point in curve.points}) > 1

    def series(self) -> list[str]:
        """The names of the series, each once."""
        return list(dict.fromkeys(curve.series for curve in self.curves))

    def text(self, number: float) -> str:
        """A value as it is written."""
        return f"{100 * number:.1f}%" if self.share else f"{number:.4g}"

    def csv(self) -> str:
        """All points."""
        lines = [f"series,{self.axis},value,low,high,n"]
        for curve in self.curves:
            name = curve.series.replace('"', '""')
            for p in curve.points:
                more = ["" if v is None else repr(v) for v in (p.low, p.high, p.n)]
                lines.append(",".join([f'"{name}"', repr(p.x), repr(p.y), *more]))
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Table:
    """Cells under a head."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def chart_table(chart: Chart, most: int = 12) -> Table | None:
    """The values of a chart, a row per series; None where series are many lines, or x too many."""
    xs = sorted({point.x for curve in chart.curves for point in curve.points})
    if len(xs) > most or len(chart.curves) > len(chart.series()):
        return None
    counted = any(point.n is not None for curve in chart.curves for point in curve.points)
    rows = []
    for curve in chart.curves:
        cells = {point.x: _cell(chart, point) for point in curve.points}
        count = (written(curve.points[-1].n),) if counted else ()
        rows.append((curve.series, *count, *(cells.get(x, "") for x in xs)))
    head = (chart.axis, *(("n",) if counted else ()), *(f"{x:g}" for x in xs))
    return Table(f"{chart.title} over {chart.axis}", head, tuple(rows))


def _cell(chart: Chart, point: Point) -> str:
    ends = ""
    if point.low is not None and point.high is not None:
        ends = f" ({chart.text(point.low)} to {chart.text(point.high)})"
    return chart.text(point.y) + ends


def written(value: Scalar) -> str:
    """A cell of a table."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
