"""Results as text for a terminal and as one HTML file that needs nothing else.

Images are part of the file; it follows the reader's light or dark mode.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from string import Template
from typing import Any

PROTOCOL_NAMES = {
    "p1": "P1: one trajectory",
    "p2": "P2: several, least residual",
    "p3": "P3: several, rules verify",
}
CLASSICAL_NAMES = {
    "random": "random answers",
    "improve": "classical steps",
    "solve": "exact solver",
}


def classical_name(row: str) -> str:
    """What a classical row is called."""
    return CLASSICAL_NAMES.get(row, row.replace("_", " "))


@dataclass(frozen=True)
class Row:
    """One line of the table: what it is, of which family, and the entries by step."""

    name: str
    family: str
    by_step: dict[str, dict[str, float]]
    classical: bool


def table_rows(document: dict[str, Any]) -> Iterator[Row]:
    """Yield the rows of a sweep: by family, protocols first."""
    families = list(
        dict.fromkeys(
            family
            for rows in (*(document[p] for p in PROTOCOL_NAMES), *document["classical"].values())
            for family in rows
        )
    )
    for family in families:
        for protocol, name in PROTOCOL_NAMES.items():
            if family in document[protocol]:
                yield Row(name, family, document[protocol][family], False)
        for name, rows in document["classical"].items():
            yield Row(classical_name(name), family, rows[family], True)


def text_table(document: dict[str, Any]) -> str:
    """The sweep as lines of text: percent solved by refinement steps, and what else was scored."""
    tables = [_solved_lines(document), _score_lines(document)]
    tables += [_part_lines(document), _pace_lines(document)]
    return "\n\n".join("\n".join(lines) for lines in tables if lines)


def _solved_lines(document: dict[str, Any]) -> list[str]:
    rows = list(table_rows(document))
    title = "solved % after steps"
    name_width = max(len(title), *(len(row.name) for row in rows))
    family_width = max(len("family"), *(len(row.family) for row in rows))
    steps = [str(step) for step in document["steps"]]
    head = f"{title:<{name_width}}  {'family':<{family_width}}  {'n':>6}"
    lines = [head + "".join(f"{step:>7}" for step in steps)]
    for row in rows:
        count = row.by_step[steps[-1]]["n"]
        values = "".join(f"{100 * row.by_step[step]['solved']:7.1f}" for step in steps)
        lines.append(f"{row.name:<{name_width}}  {row.family:<{family_width}}  {count:>6}{values}")
    return lines


def score_rows(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield (row, family, {metric: value after the last step}) of what else was scored."""
    last = str(document["steps"][-1])
    rows = document.get("scores", {})
    for family in dict.fromkeys(family for families in rows.values() for family in families):
        for row, families in rows.items():
            if family in families:
                means = {metric: steps[last] for metric, steps in families[family].items()}
                name = PROTOCOL_NAMES.get(row) or classical_name(row)
                yield name, family, {metric: _shown(entry) for metric, entry in means.items()}


def _shown(entry: dict[str, float | None]) -> str:
    """A mean, in percent if it is that of a yes or no."""
    mean = entry["mean"]
    if mean is None:
        return "none"
    return f"{100 * mean:.1f}%" if "low" in entry else f"{mean:.4g}"


def _score_lines(document: dict[str, Any]) -> list[str]:
    rows = list(score_rows(document))
    if not rows:
        return []
    title = f"after {document['steps'][-1]} steps"
    metrics = list(dict.fromkeys(metric for _, _, values in rows for metric in values))
    table = [[title, "family", *(metric.replace("_", " ") for metric in metrics)]]
    table += [[name, family, *(v.get(m, "") for m in metrics)] for name, family, v in rows]
    return _aligned(table)


def _part_lines(document: dict[str, Any]) -> list[str]:
    """Percent of the parts that hold, all depths together; the document has them one by one."""
    table: list[list[str]] = []
    for row, families in document.get("parts", {}).items():
        name = PROTOCOL_NAMES.get(row) or classical_name(row)
        for family, parts in families.items():
            if not table:
                steps = [str(step) for step in document["steps"]]
                table.append(["% of all parts after steps", "family", "metric", "n", *steps])
            for metric, shares in parts["metrics"].items():
                values = [f"{100 * share:.1f}" for share in shares["all"]]
                words = [name, family, metric.replace("_", " "), str(parts["n"]["all"])]
                table.append([*words, *values])
    return _aligned(table, words=3)


def _pace_lines(document: dict[str, Any]) -> list[str]:
    """How long the model takes, counted in the steps of classical methods."""
    lines = []
    for row, families in document.get("pace", {}).items():
        for family, pace in families.items():
            if pace:
                within = ", ".join(
                    f"{factor} x: {100 * entry['solved']:.1f}%" for factor, entry in pace.items()
                )
                name = classical_name(row)
                lines.append(f"{family}: solved within the steps of '{name}' {within}")
    return lines


def _aligned(table: Sequence[Sequence[str]], words: int = 2) -> list[str]:
    """Lines of columns, the first ones of words, the others of numbers."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            f"{cell:<{width}}" if column < words else f"{cell:>{width}}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    ]


@dataclass(frozen=True)
class Report:
    """The parts of a page.

    Args:
        title: At the top.
        lead: What it is, in two sentences.
        tiles: (number, what it is) of the figures that matter most.
        document: `SweepResult.to_json()`.
        sweep_images: PNG for light and for dark pages.
        animation: GIF of one instance, or None.
        animation_note: How to read it.
        calibration_images: PNG for light and for dark pages, or nothing.
        facts: (name, value) of what was run.
        commands: How to go on, lines for a shell.
    """

    title: str
    lead: str
    tiles: Sequence[tuple[str, str]]
    document: dict[str, Any]
    sweep_images: Sequence[bytes]
    animation: bytes | None = None
    animation_note: str = ""
    calibration_images: Sequence[bytes] = ()
    facts: Sequence[tuple[str, str]] = field(default_factory=tuple)
    commands: Sequence[str] = field(default_factory=tuple)

    def html(self) -> str:
        """The page."""
        template = resources.files("ttc_agents.evaluation").joinpath("report.html")
        tiles = "".join(
            f'<div class="tile"><b>{escape(number)}</b><span>{escape(what)}</span></div>'
            for number, what in self.tiles
        )
        return Template(template.read_text(encoding="utf-8")).substitute(
            title=escape(self.title),
            lead=escape(self.lead),
            tiles=tiles,
            sections="\n".join(self._sections()),
        )

    def _sections(self) -> Iterator[str]:
        yield _themed_image(self.sweep_images, "Solved share against refinement steps")
        if self.animation is not None:
            source = _data_url(self.animation, "gif")
            yield "<h2>One answer, step by step</h2>"
            yield f'<p class="note">{escape(self.animation_note)}</p>'
            width, height = struct.unpack("<HH", self.animation[6:10])
            wide = " wide" if width > 1.2 * height else ""
            yield f'<img class="board{wide}" alt="An answer being refined" src="{source}">'
        yield "<h2>The numbers</h2>"
        yield f'<div class="scroll">{_html_table(self.document)}</div>'
        yield (
            '<p class="note">Percent of instances of which every rule holds after so many steps, '
            "with 95% Wilson intervals. Every trajectory runs the whole budget; nothing stops at a "
            "solution.</p>"
        )
        yield from _score_section(self.document)
        if self.calibration_images:
            yield "<h2>What confidence means</h2>"
            yield (
                '<p class="note">Does the network know what it does not know, do its changes fall '
                "where it doubts, and does it leave alone what it got right?</p>"
            )
            yield _themed_image(self.calibration_images, "Calibration by refinement step")
        if self.facts:
            pairs = (
                f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in self.facts
            )
            yield f"<h2>What was run</h2><dl>{''.join(pairs)}</dl>"
        if self.commands:
            lines = escape("\n".join(self.commands))
            yield f"<h2>How to go on</h2><pre><code>{lines}</code></pre>"


def _html_table(document: dict[str, Any]) -> str:
    steps = [str(step) for step in document["steps"]]
    head = "".join(f"<th>{step}</th>" for step in steps)
    lines = [f"<thead><tr><th>solved after steps</th><th>family</th><th>n</th>{head}</tr></thead>"]
    for row in table_rows(document):
        cells = "".join(
            "<td>{:.1f}<small>{:.1f} to {:.1f}</small></td>".format(
                *(100 * row.by_step[step][name] for name in ("solved", "low", "high"))
            )
            for step in steps
        )
        kind = ' class="classical"' if row.classical else ""
        count = row.by_step[steps[-1]]["n"]
        lines.append(
            f"<tr{kind}><td>{escape(row.name)}</td><td>{escape(row.family)}</td>"
            f"<td>{count}</td>{cells}</tr>"
        )
    return f"<table>{''.join(lines)}</table>"


def _score_section(document: dict[str, Any]) -> Iterator[str]:
    """What else was scored, after the last step."""
    rows = list(score_rows(document))
    if not rows:
        return
    metrics = list(dict.fromkeys(metric for _, _, values in rows for metric in values))
    head = "".join(f"<th>{escape(metric.replace('_', ' '))}</th>" for metric in metrics)
    lines = [f"<thead><tr><th>row</th><th>family</th>{head}</tr></thead>"]
    for name, family, values in rows:
        cells = "".join(f"<td>{escape(values.get(metric, ''))}</td>" for metric in metrics)
        lines.append(f"<tr><td>{escape(name)}</td><td>{escape(family)}</td>{cells}</tr>")
    yield f"<h2>What else was scored after {document['steps'][-1]} steps</h2>"
    yield f'<div class="scroll"><table>{"".join(lines)}</table></div>'


def _themed_image(images: Sequence[bytes], text: str) -> str:
    light, dark = (_data_url(image, "png") for image in images)
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img alt="{escape(text)}" src="{light}"></picture>'
    )


def _data_url(image: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(image).decode('ascii')}"
