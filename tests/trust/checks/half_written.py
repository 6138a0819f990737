"""Several processes write one file again and again while it is read."""

import json

PROMISE = "A file under its final name is whole, whoever else writes it."
TRIES, SHORT = 400, 40
WRITERS = 4
WRITE = """
import sys
from pathlib import Path
from ttc_envs import write_atomically
for count in range(int(sys.argv[2])):
    write_atomically(Path("file"), bytes([int(sys.argv[1])]) * 200_000)
"""
READ = """
import json, subprocess, sys
from pathlib import Path
code, writers, count = json.loads(sys.stdin.read())
Path("file").write_bytes(b"")
command = [sys.executable, "-c", code]
running = [subprocess.Popen([*command, str(i), str(count)]) for i in range(writers)]
reads = bad = 0
while any(process.poll() is None for process in running):
    data = Path("file").read_bytes()
    reads += 1
    bad += len(data) not in (0, 200_000) or len(set(data)) > 1
left = sorted(path.name for path in Path(".").iterdir())
print(json.dumps([reads, bad, left, [process.wait() for process in running]]))
"""


def check(tries, place):
    task = json.dumps([WRITE, WRITERS, tries // WRITERS])
    outcome = place.python("-c", READ, text=task, seconds=300)
    reads, bad, left, statuses = json.loads(outcome.out)
    faults = [f"{bad} of {reads} reads found half a file"] if bad else []
    if left != ["file"]:
        faults.append(f"left beside the file: {left}")
    if any(statuses):
        faults.append(f"writers ended with {statuses}")
    return {"faults": faults, "reads": reads}
