"""Results as one HTML file that needs nothing else.

Images are part of the file; it follows the reader's light or dark mode.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from string import Template
from typing import Any

from ttc_agents.figures.tables import score_cells, table_lines


@dataclass(frozen=True)
class Page:
    """A page, by its parts.

    Args:
        title: At the top.
        lead: What it is, in two sentences.
        tiles: (number, what it is) of the figures that matter most.
        document: `SweepResult.to_json()`.
        sweep_images: PNG for light and for dark pages.
        animation: GIF of one instance.
        animation_note: How to read it.
        calibration_images: PNG for light and for dark pages.
        facts: (name, value) of what was run.
        commands: How to go on, lines for a shell.
    """

    title: str
    lead: str
    tiles: Sequence[tuple[str, str]]
    document: dict[str, Any]
    sweep_images: Sequence[bytes]
    animation: bytes
    animation_note: str
    calibration_images: Sequence[bytes]
    facts: Sequence[tuple[str, str]]
    commands: Sequence[str]

    def html(self) -> str:
        """The page."""
        tiles = "".join(
            f'<div class="tile"><b>{escape(number)}</b><span>{escape(what)}</span></div>'
            for number, what in self.tiles
        )
        return render_page(self.title, self.lead, tiles, self._sections())

    def _sections(self) -> Iterator[str]:
        yield _themed_image(self.sweep_images, "Solved share against refinement steps")
        yield "<h2>One answer, step by step</h2>"
        yield f'<p class="note">{escape(self.animation_note)}</p>'
        width, height = struct.unpack("<HH", self.animation[6:10])
        wide, source = " wide" if width > 1.2 * height else "", _data_url(self.animation, "gif")
        yield f'<img class="board{wide}" alt="An answer being refined" src="{source}">'
        yield "<h2>The numbers</h2>"
        yield f'<div class="scroll">{_html_table(self.document)}</div>'
        yield (
            '<p class="note">Percent of instances of which every rule holds after so many steps, '
            "with 95% Wilson intervals. Every trajectory runs the whole budget; nothing stops at a "
            "solution.</p>"
        )
        yield from _score_section(self.document)
        yield "<h2>What confidence means</h2>"
        yield (
            '<p class="note">Does the network know what it does not know, do its changes fall '
            "where it doubts, and does it leave alone what it got right?</p>"
        )
        yield _themed_image(self.calibration_images, "Calibration by refinement step")
        pairs = (f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in self.facts)
        yield f"<h2>What was run</h2><dl>{''.join(pairs)}</dl>"
        lines = escape("\n".join(self.commands))
        yield f"<h2>How to go on</h2><pre><code>{lines}</code></pre>"


def render_page(title: str, lead: str, tiles: str, sections: Iterable[str]) -> str:
    """A page of the template; tiles and sections are HTML."""
    template = resources.files("ttc_agents.figures").joinpath("report.html")
    return Template(template.read_text(encoding="utf-8")).substitute(
        title=escape(title), lead=escape(lead), tiles=tiles, sections="\n".join(sections)
    )


def _html_table(document: dict[str, Any]) -> str:
    steps = [str(step) for step in document["steps"]]
    head = "".join(f"<th>{step}</th>" for step in steps)
    lines = [f"<thead><tr><th>solved after steps</th><th>family</th><th>n</th>{head}</tr></thead>"]
    for row in table_lines(document):
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
    cells = score_cells(document)
    if not cells:
        return
    head, *rows = cells
    lines = [f"<thead>{_row('th', head)}</thead>", *(_row("td", row) for row in rows)]
    yield "<h2>What else was scored</h2>"
    yield f'<div class="scroll"><table>{"".join(lines)}</table></div>'


def _row(kind: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{kind}>{escape(cell)}</{kind}>' for cell in cells)}</tr>"


def _themed_image(images: Sequence[bytes], text: str) -> str:
    light, dark = (_data_url(image, "png") for image in images)
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img alt="{escape(text)}" src="{light}"></picture>'
    )


def _data_url(image: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(image).decode('ascii')}"
