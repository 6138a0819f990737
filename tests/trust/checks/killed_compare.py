"""Comparisons that several processes fill at once, and that are killed at random moments."""

import json
import os
import signal
import time

from ttc_agents.comparison.plan import Comparison, Row, Table
from ttc_agents.comparison.run import fill
from ttc_agents.training.schedule import Length

PROMISE = "A comparison that is killed at any moment, or filled by several processes, loses no run."
TRIES, SHORT = 100, 4
POLICIES = ("random", "classical", "solve")
ROWS = tuple(
    Row(f"row {i}", "policy", {"policy": POLICIES[i % 3]}, trained=False) for i in range(9)
)
TABLE = Table("ttc/Sudoku4-v0", "easy", (1, 4), ROWS, count=4, curve_count=2)
PLAN = Comparison("small", "", {"easy": TABLE}, Length(flops=1e6), seeds=1)
PROCESSES = 3


def check(tries, place):
    whole = place.folder / "whole"
    whole.mkdir()
    expected = timeless(fill(PLAN, "easy", whole))
    faults, kills, tables = [], 0, 0
    while kills < tries:
        folder = place.folder / str(tables)
        folder.mkdir()
        for _ in range(3):
            kills += killed(place, folder)
            faults += [f"after {kills} kills: {fault}" for fault in faults_of(folder)]
        children = [start(place, folder) for _ in range(PROCESSES)]
        statuses = [place.ended(child) for child in children]
        if any(statuses):
            faults.append(f"after {kills} kills: the processes ended with {statuses}")
        document = json.loads((folder / "easy.json").read_text())
        if timeless(document) != expected:
            lost = len(ROWS) - len(document["runs"])
            faults.append(f"after {kills} kills: other results than without them, {lost} runs lost")
        left = sorted(path.name for path in folder.iterdir())
        if left != [".easy.json.lock", "easy.json"]:
            faults.append(f"after {kills} kills: left behind {left}")
        tables += 1
    return {"faults": faults, "kills": kills, "tables": tables}


def start(place, folder):
    """Fill the table in a process of its own."""
    return place.fork(lambda: fill(PLAN, "easy", folder))


def killed(place, folder):
    """Start some processes and kill all of them at random moments; how many that reached."""
    children = [start(place, folder) for _ in range(PROCESSES)]
    reached = 0
    for child in children:
        time.sleep(place.random.uniform(0, 0.15))
        os.kill(child, signal.SIGKILL)
        reached += place.ended(child) == -signal.SIGKILL
    return reached


def faults_of(folder):
    """What a reader meets after a kill."""
    path = folder / "easy.json"
    try:
        names = (
            [run["row"] for run in json.loads(path.read_text())["runs"]] if path.exists() else []
        )
    except ValueError as error:
        return [f"half a table: {error}"]
    return [] if len(set(names)) == len(names) else [f"runs stand twice: {names}"]


def timeless(document):
    """A table without what depends on the speed of the machine."""
    if isinstance(document, dict):
        rest = {name: part for name, part in document.items() if "seconds" not in name}
        return {name: timeless(part) for name, part in rest.items()}
    return [timeless(part) for part in document] if isinstance(document, list) else document
