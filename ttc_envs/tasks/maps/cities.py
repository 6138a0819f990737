"""The packaged table of US places, and tables of the user's.

Every US place of GeoNames' list of places with at least 500 people (it has seats of administrations
with fewer, too), by falling population: name, state (two letters), latitude and longitude in
degrees, population. `scripts/make_city_table.py` makes the file; its licence, CC BY 4.0, stands
beside it in `data/NOTICE`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

from ttc_envs.files import read_regular
from ttc_envs.spec import Array

COLUMNS = ("name", "state", "latitude", "longitude", "population")
DEGREES = 1e-5
"""Unit of the packaged coordinates, about a metre."""
AWAY = ("AK", "HI")
"""States that no road to the others is short enough for."""

ALIASES: dict[str, tuple[str, ...]] = {
    "name": ("city", "name", "city_ascii", "asciiname"),
    "state": ("state_id", "state", "usps", "admin1code", "admin1 code", "admin1_code"),
    "latitude": ("lat", "latitude", "intptlat"),
    "longitude": ("lng", "lon", "long", "longitude", "intptlong"),
    "population": ("population", "pop"),
}
"""Headings of each column, in lower case: simplemaps, GeoNames, US Census gazetteer."""
OPTIONAL = ("population",)
DUMP_COLUMNS = {"name": 1, "state": 10, "latitude": 4, "longitude": 5, "population": 14}
"""Where the columns stand in a GeoNames dump, which has 19 of them and no heading."""
DUMP_WIDTH = 19
MOST_BYTES, MOST_PLACES = 1 << 28, 1_000_000
"""Of a user's table."""
LONGEST_NAME = 200
MOST_PEOPLE = 1e11


def load_cities(path: str | Path | None = None, sha256: str | None = None) -> dict[str, Array]:
    """Places as arrays (V,): `name`, `state`, `latitude`, `longitude`, `population`.

    Args:
        path: None for the packaged table. Else a file with headings, separated by commas, tabs or
            bars: simplemaps' `uscities.csv`, GeoNames, or a US Census gazetteer; or a GeoNames
            dump. Population may be missing and is 0 then.
        sha256: Of the file, where only this content is wanted.

    Returns:
        New arrays, in the order of the file.

    Raises:
        OSError: The file cannot be read.
        ValueError: It has no places or too many, lacks a column, a row is malformed, or it has
            other content.
    """
    if path is None:
        return {name: column.copy() for name, column in _packaged().items()}
    data = read_regular(path, MOST_BYTES)
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(f"{path} has changed while it was read: try again")
    try:
        return parse_cities(data.decode("utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


@cache
def _packaged() -> dict[str, Array]:
    """The packaged table; shared, so that callers take copies."""
    data = (resources.files("ttc_envs.tasks.maps") / "data/cities.npz").read_bytes()
    with np.load(io.BytesIO(data), allow_pickle=False) as content:
        states = str(content["states"]).split()
        return {
            "name": np.array(content["names"].tobytes().decode("utf-8").split("\n")),
            "state": np.array(states)[content["state"]],
            "latitude": content["latitude"].astype(np.float64) * DEGREES,
            "longitude": content["longitude"].astype(np.float64) * DEGREES,
            "population": content["population"].astype(np.int64),
        }


def pack(cities: dict[str, Array]) -> bytes:
    """The bytes of the packaged file."""
    states, state = np.unique(cities["state"], return_inverse=True)
    names = "\n".join(cities["name"].tolist()).encode("utf-8")
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        names=np.frombuffer(names, dtype=np.uint8),
        states=np.array(" ".join(states)),
        state=state.astype(np.uint8),
        latitude=np.rint(cities["latitude"] / DEGREES).astype(np.int32),
        longitude=np.rint(cities["longitude"] / DEGREES).astype(np.int32),
        population=cities["population"].astype(np.int32),
    )
    return stream.getvalue()


def parse_cities(text: str) -> dict[str, Array]:
    """The places of a table in one of the formats of `load_cities`.

    Raises:
        ValueError: It has no places, lacks a column, or a row is malformed.
    """
    lines = list(io.StringIO(text, newline=None))
    first = next((line for line in lines if line.strip()), "")
    rows: Iterator[tuple[int, list[str]]]
    if len(first.split("\t")) == DUMP_WIDTH and _is_number(first.split("\t")[4]):
        # A dump quotes nothing, so that a quotation mark is part of a name.
        rows = enumerate((line.rstrip("\n").split("\t") for line in lines), start=1)
        places = dict(DUMP_COLUMNS)
    else:
        rows = _rows(lines, max(",\t|;", key=first.count))
        places = _columns(next((row for _, row in rows if any(row)), []))
    found = [_parse_row(row, number, places) for number, row in rows if any(row)]
    if not found:
        raise ValueError("expected at least one place, got none")
    return _table(found)


def _rows(lines: Sequence[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the fields of each line and its number; no quote reaches into another line."""
    for number, line in enumerate(lines, start=1):
        try:
            yield number, next(csv.reader([line], delimiter=delimiter, strict=True), [])
        except csv.Error as error:
            raise ValueError(f"line {number}: {error}") from None


def _table(rows: Sequence[tuple[str, str, float, float, int]]) -> dict[str, Array]:
    dtypes = (np.str_, np.str_, np.float64, np.float64, np.int64)
    columns = zip(COLUMNS, zip(*rows, strict=True), dtypes, strict=True)
    return {name: np.array(column, dtype=dtype) for name, column, dtype in columns}


def _columns(heading: Sequence[str]) -> dict[str, int]:
    """Where each column stands."""
    known = [word.strip().lower() for word in heading]
    places = {}
    for name in COLUMNS:
        alias = next((alias for alias in ALIASES[name] if alias in known), None)
        if alias is not None:
            places[name] = known.index(alias)
    missing = [name for name in COLUMNS if name not in places and name not in OPTIONAL]
    if missing:
        expected = {name: "/".join(ALIASES[name]) for name in missing}
        raise ValueError(f"expected columns {expected}, got {known}")
    return places


def _parse_row(
    row: Sequence[str], number: int, places: dict[str, int]
) -> tuple[str, str, float, float, int]:
    if number > MOST_PLACES:
        raise ValueError(f"expected at most {MOST_PLACES} lines, got more")
    if len(row) <= max(places.values()):
        raise ValueError(
            f"line {number}: expected at least {max(places.values()) + 1} columns, got {len(row)}"
        )
    words = {name: row[place].strip() for name, place in places.items()}
    latitude = _in_range(words["latitude"], "latitude", 90, number)
    longitude = _in_range(words["longitude"], "longitude", 180, number)
    population = words.get("population") or "0"
    if not _is_number(population) or not 0 <= float(population) <= MOST_PEOPLE:
        raise ValueError(f"line {number}: population must be a number >= 0, got {population!r}")
    for name in ("name", "state"):
        # The longest name is what each takes in an array.
        if len(words[name]) > LONGEST_NAME:
            raise ValueError(f"line {number}: {name} must have at most {LONGEST_NAME} characters")
    return words["name"], words["state"], latitude, longitude, int(float(population))


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def _in_range(word: str, name: str, limit: float, number: int) -> float:
    if not _is_number(word) or abs(float(word)) > limit:
        raise ValueError(f"line {number}: {name} must lie in -{limit}..{limit}, got {word!r}")
    return float(word)


def choose(cities: dict[str, Array], rows: Array) -> dict[str, Array]:
    """The places at the rows (indices or flags)."""
    return {name: column[rows] for name, column in cities.items()}


def mainland(cities: dict[str, Array]) -> Array:
    """(V,) bool, the places outside of Alaska and Hawaii."""
    here: Array = ~np.isin(cities["state"], AWAY)
    return here
