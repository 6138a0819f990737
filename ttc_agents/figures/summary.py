"""Any documents of results as one page and as Markdown: curves with intervals, tables, facts.

`report.html` needs nothing beside it. `report.md` shows the pictures that stand beside it as PNG;
each has its data as CSV and itself as SVG under the same name.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import platform
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ttc_agents.figures.charts import Chart, Table, chart_table
from ttc_agents.figures.forms import charts, facts, tables
from ttc_agents.figures.report import render_page
from ttc_agents.figures.theme import (
    LINES,
    THEMES,
    canvas,
    percent_axis,
    png,
    step_axis,
)
from ttc_envs import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRICS = "metrics.jsonl"
"""What a training writes into its directory."""
PACKAGES = ("ttc-gym", "numpy", "torch", "matplotlib")
MOST_SERIES, MOST_ROWS = 12, 60
"""Series of a chart that are drawn, and rows of a table that are shown; the files have all."""
STYLES = ("-", (0, (5, 1.5)), (0, (1, 1.2)))


@dataclass(frozen=True)
class Source:
    """A file of results.

    Args:
        path: Where it is.
        document: What it holds.
        sha256: Of the file.
    """

    path: Path
    document: Any
    sha256: str


def read_source(path: Path) -> Source:
    """The results of a JSON file, of lines of JSON, or of the directory of a training.

    Raises:
        ValueError: It holds no JSON, or nothing that could be shown.
        OSError: There is no such file.
    """
    file = path / METRICS if path.is_dir() else path
    data = file.read_bytes()
    try:
        text = data.decode("utf-8")
        lines = file.suffix == ".jsonl"
        document = [json.loads(line) for line in text.splitlines()] if lines else json.loads(text)
    except ValueError as error:
        raise ValueError(f"{file} holds no JSON: {error}") from None
    if lines:
        document = {"training": document}
    if not (charts(document) or tables(document) or facts(document)):
        raise ValueError(f"{file} holds no results: no curve, no table, no number by name")
    return Source(path, document, hashlib.sha256(data).hexdigest())


def write_report(sources: Sequence[Source], out: Path, command: str) -> list[Path]:
    """Write report.html, report.md, and each chart as PNG, SVG and CSV; returns their paths.

    Args:
        sources: What is shown, in this order.
        out: The directory.
        command: What made the report.
    """
    files: dict[str, bytes] = {}
    html, markdown = [], ["# Results", ""]
    for source in sources:
        html.append(f"<h2>{escape(source.path.name)}</h2>")
        markdown += [f"## {source.path.name}", ""]
        for chart in charts(source.document):
            if not chart.drawn:
                table = chart_table(chart)
                html += table_html(table, source) if table else ()
                markdown += table_markdown(table) if table else ()
                continue
            name = file_name(source, chart)
            figure = draw(chart)
            files[f"{name}.png"], files[f"{name}.svg"] = png(figure), svg(figure, name)
            files[f"{name}.csv"] = chart.csv().encode()
            html += chart_html(chart, files[f"{name}.svg"].decode(), name, source)
            markdown += chart_markdown(chart, name)
        for table in tables(source.document):
            html += table_html(table, source)
            markdown += table_markdown(table)
        known = [*facts(source.document), ("file", str(source.path)), ("sha256", source.sha256)]
        html.append(facts_html(known))
        markdown += [*(f"- {name}: {value}" for name, value in known), ""]
    made = [("command", command), *versions()]
    html.append(f"<h2>How this was made</h2>{facts_html(made)}")
    markdown += ["## How this was made", "", *(f"- {name}: {value}" for name, value in made)]
    lead = "Shares have 95% intervals where their files have them. Each chart links to its data."
    files["report.html"] = render_page("Results", lead, "", html).encode()
    files["report.md"] = ("\n".join(markdown) + "\n").encode()
    out.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        write_atomically(out / name, data)
    return [out / name for name in files]


def file_name(source: Source, chart: Chart) -> str:
    """A name for the files of a chart."""
    words = f"{source.path.stem}-{chart.title}-{chart.axis}"
    return re.sub(r"[^\w=]+", "-", words).strip("-").lower()


def versions() -> list[tuple[str, str]]:
    """What made the report."""
    found = [("Python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found


# Pictures


def draw(chart: Chart) -> Figure:
    """A chart: a line per curve with its interval; curves of one series share a colour."""
    figure, axes = canvas(THEMES["light"], (9.2, 4.6))
    series = chart.series()[:MOST_SERIES]
    named: set[str] = set()
    for curve in chart.curves:
        if curve.series not in series:
            continue
        number = series.index(curve.series)
        scale = 100 if chart.share else 1
        x = [p.x for p in curve.points]
        y = [scale * p.y for p in curve.points]
        low = [scale * (p.y if p.low is None else p.low) for p in curve.points]
        high = [scale * (p.y if p.high is None else p.high) for p in curve.points]
        colour, style = LINES[number % len(LINES)], STYLES[number // len(LINES) % len(STYLES)]
        label = None if curve.series in named else curve.series
        named.add(curve.series)
        axes.fill_between(x, low, high, color=colour, alpha=0.16, linewidth=0)
        marker = "o" if len(x) < 20 else ""
        axes.plot(x, y, color=colour, linestyle=style, marker=marker, markersize=4, label=label)
    _scale(axes, chart)
    axes.set_ylabel(chart.title)
    legend = figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    for text in legend.get_texts():
        text.set_color(THEMES["light"].ink)
    return figure


def _scale(axes: Any, chart: Chart) -> None:
    """Steps in powers of two, shares in percent, and logarithms where values span decades."""
    xs = np.unique([p.x for curve in chart.curves for p in curve.points])
    ys = np.array([p.y for curve in chart.curves for p in curve.points])
    if chart.axis == "steps" and xs[0] > 0 and len(xs) <= 16:
        step_axis(axes, xs.astype(int))
    else:
        axes.set_xlabel(chart.axis.replace("_", " "))
    if chart.share:
        percent_axis(axes)
    elif (ys > 0).all() and ys.max() > 1000 * ys.min():
        axes.set_yscale("log")


def svg(figure: Figure, salt: str) -> bytes:
    """The figure as SVG, with text as text; `salt` makes its ids its own."""
    import matplotlib

    stream = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def inline(text: str, label: str) -> str:
    """An SVG as part of a page: its greys follow the page's light or dark mode."""
    light = THEMES["light"]
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    colours = {light.paper: "var(--paper)", light.ink: "var(--ink)", light.soft: "var(--soft)"}
    for colour, variable in {**colours, light.grid: "var(--line)"}.items():
        text = text.replace(colour, variable)
    text = re.sub(r'(<svg [^>]*?)width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg [^>]*?)height="[^"]*"', r"\1", text, count=1)
    return text.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1)


# The page


def chart_html(chart: Chart, picture: str, name: str, source: Source) -> Iterator[str]:
    """A chart with its numbers and a link to its data."""
    data = base64.b64encode(chart.csv().encode()).decode("ascii")
    label = f"{chart.title} over {chart.axis}: {len(chart.curves)} curves"
    yield f"<h3>{escape(chart.title)}</h3><figure>{inline(picture, label)}"
    yield (
        f'<figcaption>{escape(_caption(chart))} <a download="{name}.csv" '
        f'href="data:text/csv;base64,{data}">Data (CSV)</a></figcaption></figure>'
    )
    table = chart_table(chart)
    if table is not None:
        yield from table_html(table, source, titled=False)


def _caption(chart: Chart) -> str:
    left_out = len(chart.series()) - MOST_SERIES
    words = f"{chart.title} over {chart.axis}."
    return f"{words} The last {left_out} series are in the data alone." if left_out > 0 else words


def table_html(table: Table, source: Source, titled: bool = True) -> Iterator[str]:
    """A table."""
    if titled:
        yield f"<h3>{escape(table.title)}</h3>"
    label = f"{table.title}, table of {source.path}"
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in table.rows[:MOST_ROWS]
    )
    yield (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
    if len(table.rows) > MOST_ROWS:
        yield f'<p class="note">The first {MOST_ROWS} of {len(table.rows)} rows.</p>'


def facts_html(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and values."""
    cells = (f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)
    return f"<dl>{''.join(cells)}</dl>"


# Markdown


def chart_markdown(chart: Chart, name: str) -> Iterator[str]:
    """A chart with its numbers, and links to its files."""
    yield from (f"### {chart.title}", "")
    yield from (f"![{_caption(chart)}]({name}.png)", "")
    yield from (f"{_caption(chart)} [Data (CSV)]({name}.csv), [SVG]({name}.svg).", "")
    table = chart_table(chart)
    if table is not None:
        yield from table_markdown(table, titled=False)


def table_markdown(table: Table, titled: bool = True) -> Iterator[str]:
    """A table."""
    if titled:
        yield from (f"### {table.title}", "")
    yield _line(table.head)
    yield _line(["---"] * len(table.head))
    yield from (_line(row) for row in table.rows[:MOST_ROWS])
    yield ""


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
