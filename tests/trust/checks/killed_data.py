"""`ttc data paths`, killed again and again in one folder, beside a run that was left alone."""

import hashlib

PROMISE = "A killed data set goes on: no half-written file, and the same bytes in the end."
TRIES, SHORT = 100, 2
RUNS = {
    # Many small shards, by one process; or few large ones, by two.
    "one": """
import sys
from ttc_envs import write_paths
from ttc_envs.tasks.maps import shards
shards.SHARD_PATHS, shards.PER_TARGET = 3000, 300
write_paths(sys.argv[1], cities="spread=300", radius_km=None, count=85_000, processes=1)
""",
    "two": """
import sys
from ttc_envs import write_paths
if __name__ == "__main__":
    write_paths(sys.argv[1], cities="spread=600", radius_km=None, count=250_000, processes=2)
""",
}


def digests(folder):
    """{name: sha256} of what has its final name."""
    files = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def check(tries, place):
    faults, killed, whole = [], 0, {}
    # The short form has no time for several processes.
    runs = RUNS if tries > SHORT else {"one": RUNS["one"]}
    for kind, code in runs.items():
        (place.folder / f"{kind}.py").write_text(code)
        done = place.python(f"{kind}.py", f"whole-{kind}", seconds=300)
        if done.fault() or done.status:
            return {"faults": [f"a run that is left alone ends with {done.err[-300:]!r}"]}
        whole[kind] = digests(place.folder / f"whole-{kind}"), done.seconds
    folders = 0
    while killed < tries:
        kind = list(runs)[folders % len(runs)]
        folder, (expected, seconds) = f"{kind}-{folders}", whole[kind]
        folders += 1
        while True:
            # Somewhere in the run, the start of Python included.
            limit = place.random.uniform(0.2, 1.1) * seconds if killed < tries else 300
            run = place.python(f"{kind}.py", folder, seconds=limit)
            if run.status == 0:
                break
            if run.status is None:
                killed += 1
                there = digests(place.folder / folder) if (place.folder / folder).exists() else {}
                wrong = [name for name in there if there[name] != expected[name]]
                faults += [f"{folder}: {wrong[0]} is not what it is in the end"] if wrong else []
            elif "another process is writing" not in run.err:
                # A worker of a killed run may hold on for a moment.
                faults.append(f"{folder}: {run.fault() or run.err[-300:]!r}")
                break
        if digests(place.folder / folder) != expected:
            faults.append(f"{folder}: other files than those of a run that is left alone")
    return {"faults": faults, "killed": killed, "folders": folders}
