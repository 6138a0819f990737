"""Results as lines of text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

PROTOCOL_NAMES = {
    "p1": "P1: one trajectory",
    "p2": "P2: several, least residual",
    "p3": "P3: several, rules verify",
    "p2-branch": "P2: branching, model accepts",
    "p3-branch": "P3: branching, rules accept",
    "trajectories": "P2 and P3: several",
}
CLASSICAL_NAMES = {
    "random": "random answers",
    "improve": "classical steps",
    "solve": "exact solver",
}


def row_name(row: str) -> str:
    """What a row is called; names of files and modules stay as they are."""
    plain = row.replace("_", " ") if row.isidentifier() else row
    return {**PROTOCOL_NAMES, **CLASSICAL_NAMES}.get(row, plain)


def rows_of_kind(document: dict[str, Any], protocols: bool) -> dict[str, dict[str, Any]]:
    """{row: {family: by step}} of the protocols of a model, or of all others."""
    rows = document["rows"].items()
    return {row: families for row, families in rows if (row in PROTOCOL_NAMES) == protocols}


@dataclass(frozen=True)
class Line:
    """One line of a table: what it is, of which family, and the entries by step."""

    name: str
    family: str
    by_step: dict[str, dict[str, float]]
    classical: bool


def table_lines(document: dict[str, Any]) -> Iterator[Line]:
    """Yield the lines of a sweep: by family, protocols first."""
    rows = {**rows_of_kind(document, True), **rows_of_kind(document, False)}
    for row, family, by_step in by_family(rows):
        yield Line(row_name(row), family, by_step, row not in PROTOCOL_NAMES)


def by_family(rows: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str, Any]]:
    """Yield (row, family, entry) of {row: {family: entry}}, one family after the other."""
    for family in dict.fromkeys(family for families in rows.values() for family in families):
        for row, families in rows.items():
            if family in families:
                yield row, family, families[family]


def text_table(document: dict[str, Any]) -> str:
    """The sweep as lines of text: percent solved by refinement steps, and what else was scored."""
    tables = [_solved_lines(document), _aligned(score_cells(document))]
    tables += [_aligned(search_cells(document)), _part_lines(document), _pace_lines(document)]
    tables += [list(lost_lines(document))]
    return "\n\n".join("\n".join(lines) for lines in tables if lines)


def _solved_lines(document: dict[str, Any]) -> list[str]:
    rows = list(table_lines(document))
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
    for row, family, scores in by_family(document.get("scores", {})):
        yield row_name(row), family, {m: _shown(steps[last]) for m, steps in scores.items()}


def _shown(entry: dict[str, float | None]) -> str:
    """A mean, in percent if it is that of a yes or no."""
    mean = entry["mean"]
    if mean is None:
        return "none"
    return f"{100 * mean:.1f}%" if "low" in entry else f"{mean:.4g}"


def score_cells(document: dict[str, Any]) -> list[list[str]]:
    """The cells of a table of `score_rows` with its head; none where nothing was scored."""
    rows = list(score_rows(document))
    metrics = list(dict.fromkeys(metric for _, _, values in rows for metric in values))
    head = [f"after {document['steps'][-1]} steps", "family"]
    head += [metric.replace("_", " ") for metric in metrics]
    cells = [[name, family, *(v.get(m, "") for m in metrics)] for name, family, v in rows]
    return [head, *cells] if cells else []


def search_cells(document: dict[str, Any]) -> list[list[str]]:
    """The cells of a table of searches at the largest budget, with its head; none without any."""
    last = str(document["steps"][-1])
    head = [f"within {last} steps", "family", "accepted", "falsely", "steps", "boards", "MFLOP"]
    cells = [
        [
            row_name(row),
            family,
            f"{100 * own[last]['accepted']:.1f}%",
            f"{100 * own[last]['falsely_accepted']:.1f}%",
            f"{own[last]['mean_steps']:.0f}",
            f"{own[last]['mean_boards']:.1f}",
            f"{own[last]['mean_flops'] / 1e6:.0f}",
        ]
        for row, family, own in by_family(document["rows"])
        if "accepted" in own[last]
    ]
    return [head, *cells] if cells else []


def _part_lines(document: dict[str, Any]) -> list[str]:
    """Percent of the parts that hold, all depths together; the document has them one by one."""
    table: list[list[str]] = []
    for row, families in document.get("parts", {}).items():
        name = row_name(row)
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
                name = row_name(row)
                lines.append(f"{family}: solved within the steps of '{name}' {within}")
    return lines


def lost_lines(document: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each row and family of which something was not finite."""
    for row, family, count in by_family(document.get("nonfinite", {})):
        if count:
            yield f"{row_name(row)}, on {family}: {count} were not finite and count as unsolved"


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
