"""Tables of places and settings of data sets, damaged at random."""

import json

from damage import faults_of_damage

PROMISE = "A damaged table of places is read or refused in one line, in 20 s of CPU and 1 GB."
TRIES, SHORT = 1000, 30
TEXTS = (b"9" * 400, b"X" * 90_000, b"-89.9", b'"', b"1e300", b"nan", b"[" * 9000)

USE = """
from pathlib import Path
from ttc_envs import make_task, write_paths

RADIUS = (None, 200.0)

def use(name):
    if name.endswith("json"):
        folder = Path(name + ".folder")
        folder.mkdir()
        (folder / "settings.json").write_bytes(Path(name).read_bytes())
        write_paths(folder, cities="spread=20", radius_km=None, count=20, processes=1)
    else:
        task = make_task("ttc/ShortestPathUSA-v0", cities=name, radius_km=RADIUS[len(name) % 2])
        write_paths(name + ".folder", cities=name, radius_km=200.0, count=20, processes=1)
"""


def tables(random):
    """{name: bytes} of good files."""
    places = [
        (f"Town {i}", "TX", 30 + random.random(), -97 + random.random(), 1000 - i)
        for i in range(400)
    ]
    plain = ["city,state,lat,lng,population", *(",".join(map(str, row)) for row in places)]
    quoted = ['"city"\t"state_id"\t"lat"\t"lng"']
    quoted += ['"{}"\t"{}"\t"{}"\t"{}"'.format(*row) for row in places]
    dump = [
        f"{i}\t{name}\t{name}\t\t{lat}\t{lng}\tP\tPPL\tUS\t\t{state}\t1\t\t\t{people}\t\t9\tA/B\t2017"
        for i, (name, state, lat, lng, people) in enumerate(places)
    ]
    settings = {"cities": "spread=20", "radius_km": None, "count": 20, "seed": 0}
    return {
        "plain.csv": "\n".join(plain).encode(),
        "tabs.txt": "\r\n".join(quoted).encode(),
        "dump.txt": "\n".join(dump).encode(),
        "settings.json": json.dumps({**settings, "places": 20, "roads": 40}).encode(),
    }


def check(tries, place):
    return faults_of_damage(tries, place, tables(place.random), USE, TEXTS)
