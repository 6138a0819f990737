"""What there is to draw in a document of results: curves, tables and facts, of whatever kind.

Sweeps, comparisons, calibrations, stability reports, learning curves and what experiments write all
say the same in a few forms, by which they are read here:

- `{step: number}` or `{step: {metric: number}}` is a curve for each metric; a metric may also be a
  share `{"solved", "n", "low", "high"}`, a mean `{"mean", "low", "high"}` or quantiles.
- A list of flat entries with a rising `env_steps`, `update`, `seconds`, ... is a learning curve.
- Other lists and dicts of flat entries are tables.
- Numbers and words that stand alone are facts.

Curves that stand below one key and share a metric are one chart; the keys between name the series.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from ttc_agents.figures.charts import Chart, Curve, Point, Scalar, Table, written
from ttc_agents.figures.tables import row_name

Path = tuple[str, ...]
IGNORED = ("records", "settings", "recipe", "spec", "columns")
"""Entries that are no results; settings are facts."""
AXES = ("env_steps", "update", "updates", "step", "seconds", "flops")
"""What learning curves are drawn against, the best first."""
MEANS = ("solved", "mean", "median")
"""The middle of an entry that has ends as well."""
SHARES = ("solved", "accuracy", "quality")
FILLERS = ("steps", "metrics", "reached", "curve")
"""Keys that no title has to repeat."""
USUAL = ("rows", "runs", "scores", "training")
"""Keys at the top that no title has to repeat; what stands below others is called after them."""
LABELS = ("row", "name", "setting", "model")
"""What an entry of a list is called by."""


def charts(document: Any) -> list[Chart]:
    """The charts of a document, in the order of its entries."""
    found: dict[tuple[str, str], list[Curve]] = {}
    for path, metric, axis, points in _walk(document, ()):
        words = [key for key in path if key not in FILLERS]
        title = ", ".join([*(word for word in words[:1] if word not in USUAL), metric])
        series = ", ".join(row_name(key) for key in words[1:]) or metric
        if points:
            found.setdefault((title, axis), []).append(Curve(series, tuple(points)))
    return [
        Chart(_sentence(title), axis, _is_share(title, curves), tuple(curves))
        for (title, axis), curves in found.items()
    ]


def tables(document: Any) -> list[Table]:
    """Lists and dicts of flat entries as tables."""
    return [table for table in _tables(document, ()) if table.rows]


def facts(document: Any) -> list[tuple[str, str]]:
    """What stands alone at the top of a document, and its settings."""
    if not isinstance(document, dict):
        return []
    own = {key: value for key, value in document.items() if _is_scalar(value)}
    settings = document.get("settings")
    flat = {**own, **(_flat(settings) if isinstance(settings, dict) else {})}
    return [(_plain(key), str(value)) for key, value in flat.items() if value is not None]


# Curves


def _walk(value: Any, path: Path) -> Iterator[tuple[Path, str, str, list[Point]]]:
    """Yield (path, metric, axis, points) of every curve."""
    if isinstance(value, dict):
        if _is_by_step(value):
            yield from _by_step(value, path)
            return
        for key, inner in value.items():
            if key not in IGNORED:
                yield from _walk(_runs(inner, value) if key == "runs" else inner, (*path, key))
    elif isinstance(value, list):
        entries = [entry for entry in value if isinstance(entry, dict)]
        axis = _rising(entries)
        if axis is not None:
            yield from _over(entries, axis, path)
        else:
            for entry in entries:
                yield from _walk(entry, (*path, *_label(entry)))


def _runs(runs: Any, document: dict[str, Any]) -> Any:
    """Runs as they are drawn.

    A curve that is a list of rows gets the names of its columns. Where the document has `rows`,
    these sum up what each run came to, and its learning curve is left.
    """
    if not isinstance(runs, list) or not all(isinstance(run, dict) for run in runs):
        return runs
    columns = document.get("columns")
    if columns:
        named = [[dict(zip(columns, row, strict=False)) for row in run["curve"]] for run in runs]
        runs = [{**run, "curve": curve} for run, curve in zip(runs, named, strict=True)]
    if "rows" in document:
        return [{k: v for k, v in run.items() if not isinstance(v, dict)} for run in runs]
    return runs


def _by_step(value: dict[str, Any], path: Path) -> Iterator[tuple[Path, str, str, list[Point]]]:
    """The metrics of {step: entry}."""
    columns: dict[str, list[Point]] = {}
    for step, entry in value.items():
        for metric, y, low, high, n in _metrics(entry, path[-1] if path else "value"):
            columns.setdefault(metric, []).append(Point(float(step), y, low, high, n))
    own = path[:-1] if path and path[-1] in columns else path
    for metric, points in columns.items():
        yield own, metric, "steps", points


def _metrics(
    entry: Any, name: str, nested: bool = False
) -> Iterator[tuple[str, float, float | None, float | None, int | None]]:
    """Yield (metric, value, low, high, n) of an entry.

    Args:
        entry: A number, or numbers by name.
        name: What it is called by.
        nested: Whether the name is that of a metric, rather than of what was measured.
    """
    if _is_number(entry):
        yield name, float(entry), None, None, None
    if not isinstance(entry, dict):
        return
    middle = next((key for key in MEANS if _is_number(entry.get(key))), None)
    if middle is not None:
        ends: list[Any] = [entry.get("low"), entry.get("high")]
        low, high = (float(end) if _is_number(end) else None for end in ends)
        metric = middle if middle == "solved" and not nested else name
        yield metric, float(entry[middle]), low, high, entry.get("n")
    for key, inner in entry.items():
        if middle is None or key not in (*MEANS, "n", "low", "high"):
            yield from _metrics(inner, f"{name} {key}" if nested else key, True)


def _over(
    entries: Sequence[dict[str, Any]], axis: str, path: Path
) -> Iterator[tuple[Path, str, str, list[Point]]]:
    """The learning curves of flat entries."""
    for metric in dict.fromkeys(key for entry in entries for key in entry):
        if metric not in AXES:
            points = [
                Point(float(entry[axis]), float(entry[metric]))
                for entry in entries
                if _is_number(entry.get(metric))
            ]
            yield path, metric, axis, points


def _rising(entries: Sequence[dict[str, Any]]) -> str | None:
    """What flat entries can be drawn against."""
    values = [value for entry in entries for value in entry.values()]
    if len(entries) < 2 or not all(_is_scalar(v) and not isinstance(v, str) for v in values):
        return None
    for axis in AXES:
        rising: list[Any] = [entry.get(axis) for entry in entries]
        if all(map(_is_number, rising)) and all(a < b for a, b in pairwise(rising)):
            return axis
    return None


def _label(entry: dict[str, Any]) -> Path:
    """What an entry of a list is called; those of several seeds are called the same."""
    return next(((str(entry[key]),) for key in LABELS if _is_scalar(entry.get(key, ()))), ())


def _is_share(title: str, curves: Sequence[Curve]) -> bool:
    """Whether values are shares: they are called so or have an interval within 0 and 1."""
    points = [point for curve in curves for point in curve.points]
    within = all(0 <= point.y <= 1 for point in points)
    return within and (title in SHARES or all(point.low is not None for point in points))


# Tables and facts


def _tables(value: Any, path: Path) -> Iterator[Table]:
    if isinstance(value, dict) and not _is_by_step(value):
        inner = {key: v for key, v in value.items() if key not in IGNORED}
        entries = {k: v for k, v in inner.items() if isinstance(v, dict) and _scalars(v)}
        if path and len(entries) > 1 and len(entries) == len(inner):
            yield _table(path, list(entries), list(entries.values()))
            return
        if path and any(map(_is_number, inner.values())):
            yield _table(path, None, [inner])
        for key, below in inner.items():
            yield from _tables(below, (*path, key))
    elif isinstance(value, list):
        entries_of = [entry for entry in value if isinstance(entry, dict)]
        if entries_of and _rising(entries_of) is None:
            yield _table(path, None, entries_of)


def _table(path: Path, names: list[str] | None, entries: Sequence[dict[str, Any]]) -> Table:
    """Flat entries as rows; what is not flat is left out."""
    flat = [_scalars(entry) for entry in entries]
    columns = tuple(dict.fromkeys(key for entry in flat for key in entry))
    rows = [tuple(written(entry.get(column)) for column in columns) for entry in flat]
    if names is not None:
        columns, rows = ("name", *columns), [(n, *r) for n, r in zip(names, rows, strict=True)]
    head = tuple(_plain(column) for column in columns)
    return Table(_sentence(", ".join(path) or "entries"), head, tuple(rows) if columns else ())


def _scalars(entry: dict[str, Any]) -> dict[str, Scalar]:
    return {key: value for key, value in entry.items() if _is_scalar(value)}


def _flat(value: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Nested settings with dotted names."""
    found: dict[str, Any] = {}
    for key, inner in value.items():
        name = f"{before}{key}"
        found |= _flat(inner, f"{name}.") if isinstance(inner, dict) else {name: inner}
    return found


def _plain(words: str) -> str:
    return words.replace("_", " ")


def _sentence(words: str) -> str:
    return _plain(words[:1].upper() + words[1:])


def _is_by_step(value: dict[str, Any]) -> bool:
    return bool(value) and all(str(key).isdigit() for key in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, int | float | str | bool)
