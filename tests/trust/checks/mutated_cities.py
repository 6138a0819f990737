"""Tables of places and settings of data sets, damaged at random."""

import json

PROMISE = "A damaged table of places is read or refused in one line, in 20 s of CPU and 1 GB."
TRIES, SHORT = 1000, 30
BATCH = 250
SECONDS, MEGABYTES = 20, 1000

READ = """
import json, resource, sys, time
from pathlib import Path
from ttc_envs import make_task, write_paths

def use(name):
    if name.endswith("json"):
        folder = Path(name + ".folder")
        folder.mkdir()
        (folder / "settings.json").write_bytes(Path(name).read_bytes())
        write_paths(folder, cities="spread=20", radius_km=None, count=20, processes=1)
    else:
        task = make_task("ttc/ShortestPathUSA-v0", cities=name, radius_km=RADIUS[len(name) % 2])
        write_paths(name + ".folder", cities=name, radius_km=200.0, count=20, processes=1)

RADIUS = (None, 200.0)
for name in sys.stdin.read().split():
    print(json.dumps([name, "begun", 0, 0]), flush=True)
    begin = time.process_time()
    try:
        use(name)
        what = "read"
    except (ValueError, OSError) as error:
        what = "refused" if len(str(error).splitlines()) == 1 else f"unclear: {error!r}"
    except BaseException as error:
        what = f"traceback: {error!r}"
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(json.dumps([name, what, time.process_time() - begin, used]), flush=True)
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


def damaged(data, random):
    """The bytes after one to four changes."""
    data = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(data) + 1)
        size = random.choice((1, 1, 2, 9, 100, 3000))
        kind = random.randrange(7)
        if kind == 0 and data:
            data[min(at, len(data) - 1)] ^= 1 << random.randrange(8)
        elif kind == 1:
            del data[at : at + size]
        elif kind == 2:
            data[at:at] = bytes(random.randrange(256) for _ in range(size))
        elif kind == 3:
            data[at:at] = data[at : at + size] * random.choice((1, 2, 30))
        elif kind == 4:
            del data[at:]
        elif kind == 5:
            mark = random.choice(b'0.19 ,;\t\n"{}[]-e\x00\xff')
            data[at : at + size] = bytes([mark]) * size
        else:
            texts = (b"9" * 400, b"X" * 90_000, b"-89.9", b'"', b"1e300", b"nan", b"[" * 9000)
            data[at:at] = random.choice(texts)
    return bytes(data)


def check(tries, place):
    files = tables(place.random)
    faults, read, slowest, most = [], 0, 0.0, 0.0
    for start in range(0, tries, BATCH):
        names = []
        for turn in range(start, min(start + BATCH, tries)):
            kind = list(files)[turn % len(files)]
            names.append(f"{turn}-{kind}")
            (place.folder / names[-1]).write_bytes(damaged(files[kind], place.random))
        text = " ".join(names)
        outcome = place.python("-c", READ, seconds=1800, megabytes=4000, text=text)
        found = {name: rest for name, *rest in map(json.loads, outcome.out.splitlines())}
        if outcome.fault():
            faults.append(f"{list(found)[-1] if found else names[0]}: {outcome.fault()}")
        for name, (what, seconds, megabytes) in found.items():
            read += what == "read"
            slowest, most = max(slowest, seconds), max(most, megabytes)
            if what not in ("read", "refused"):
                faults.append(f"{name}: {what}")
            if seconds > SECONDS:
                faults.append(f"{name}: took {seconds:.0f} s")
        if most > MEGABYTES:
            faults.append(f"batch of {names[0]}: took {most:.0f} MB")
    return {"faults": faults, "read": read, "slowest_s": round(slowest, 2), "most_mb": round(most)}
