"""`ttc data paths`, killed again and again in one folder, beside a run that was left alone."""

import hashlib
import json
import signal

PROMISE = "A killed data set goes on: no half-written file, and the same bytes in the end."
TRIES, SHORT = 100, 1
RUN = """
import json, os, signal, sys, threading, time
from ttc_envs import write_paths
from ttc_envs.tasks.maps import shards

def killed(after):
    time.sleep(after)
    os.kill(os.getpid(), signal.SIGKILL)

def main(out, processes, calls, after):
    settings = {"cities": "spread=500", "count": 200_000}
    if processes == 1:
        # Many small shards; workers of a pool would not know.
        shards.SHARD_PATHS, shards.PER_TARGET = 2000, 190
        settings = {"cities": "spread=200", "count": 39_000}
    sync, made = os.fsync, [0]

    def counted(handle):
        made[0] += 1
        if made[0] == calls:
            threading.Thread(target=killed, args=(after,), daemon=True).start()
        sync(handle)

    os.fsync = counted
    if processes == 2 and calls:
        threading.Thread(target=killed, args=(after,), daemon=True).start()
    write_paths(out, radius_km=None, processes=processes, **settings)

if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
"""
SYNCED = 120
"""Calls of fsync in a run of one process, about: two for each file."""


def digests(folder):
    """{name: sha256} of what has its final name."""
    files = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def check(tries, place):
    (place.folder / "run.py").write_text(RUN)

    def run(out, processes, calls=0, after=0.0):
        words = json.dumps([out, processes, calls, after])
        return place.python("run.py", words, seconds=600)

    faults, killed, folders, whole = [], 0, 0, {}
    # The short form has no time for several processes.
    kinds = (1, 1, 1, 2) if tries > SHORT else (1,)
    for processes in set(kinds):
        done = run(f"whole-{processes}", processes)
        if done.fault() or done.status:
            return {"faults": [f"a run that is left alone ends with {done.err[-300:]!r}"]}
        whole[processes] = digests(place.folder / f"whole-{processes}"), done.seconds
    while killed < tries:
        processes = kinds[folders % len(kinds)]
        name, (expected, seconds) = f"{processes}-{folders}", whole[processes]
        folders += 1
        for turn in range(20):
            # From the start of a write on, or somewhere in the run of a pool; then to the end.
            after = place.random.uniform(0, 0.03 if processes == 1 else seconds)
            calls = place.random.randrange(1, SYNCED) if killed < tries and turn < 19 else 0
            done = run(name, processes, calls, after)
            there = digests(place.folder / name) if (place.folder / name).exists() else {}
            wrong = [file for file in there if there[file] != expected[file]]
            faults += [f"{name}: {file} is not what it is in the end" for file in wrong]
            if done.status == 0:
                break
            killed += done.status == -signal.SIGKILL
            if done.status != -signal.SIGKILL:
                faults.append(f"{name}: {done.fault() or done.err[-300:]!r}")
        if digests(place.folder / name) != expected:
            faults.append(f"{name}: other files than those of a run that is left alone")
    return {"faults": faults, "killed": killed, "folders": folders}
