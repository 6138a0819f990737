"""Configs of checkpoints with entries of other kinds and sizes, whose digests are right."""

import json

from ttc_agents.training.train import train

PROMISE = "A mutated config.json is read or refused by name, in 20 s of CPU and 3 GB."
TRIES, SHORT = 1000, 10
SECONDS, MEGABYTES = 20, 3000
WORK = """
import copy, json, random, resource, signal, sys
from pathlib import Path
from ttc_agents.inference.checkpoint import load_config, load_model, load_task
from ttc_agents.inference.config import read_config, write_config

tries, seconds = json.loads(sys.stdin.read())
VALUES = [None, True, -1, 0, 1, 2**31, 2**63, 10**30, 1.5, float("nan"), float("inf"), "", "x",
          "json:loads", [], [1], {}, {"a": 1}, [[[]]], "9" * 5000, [0] * 1000]
out = Path("checkpoint")
config, rng = read_config(out / "config.json"), random.Random(0)


def places(value, path=()):
    yield path
    if isinstance(value, dict):
        for key, part in value.items():
            yield from places(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value[:3]):
            yield from places(part, (*path, index))


def mutated():
    document = copy.deepcopy(config)
    for _ in range(rng.choice([1, 1, 2, 4])):
        path = rng.choice([p for p in places(document) if p])
        parent = document
        for step in path[:-1]:
            parent = parent[step]
        what = rng.randrange(4)
        if what == 0 and isinstance(parent, dict):
            del parent[path[-1]]
        elif what == 1 and isinstance(parent, dict):
            parent[rng.choice(["x", "inner", "size", "split"])] = copy.deepcopy(rng.choice(VALUES))
        else:
            parent[path[-1]] = copy.deepcopy(rng.choice(VALUES))
    return document


def late(number, frame):
    raise KeyboardInterrupt


signal.signal(signal.SIGPROF, late)  # which counts CPU time
faults, accepted = [], 0
for count in range(tries):
    document = mutated()
    write_config(out, document)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        load_config(out), load_task(out), load_model(out)
        accepted += 1
    except (ValueError, OSError) as error:
        if "config.json" not in str(error) and "model.safetensors" not in str(error):
            faults.append(f"{count}: no file is named: {error}")
    except KeyboardInterrupt:
        faults.append(f"{count}: not done after {seconds} s")
    except BaseException as error:
        faults.append(f"{count}: {type(error).__name__}: {str(error)[:200]}")
    signal.setitimer(signal.ITIMER_PROF, 0)
    if len(faults) > 20:
        break
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(json.dumps({"faults": faults, "accepted": accepted, "peak_megabytes": peak}))
"""


def check(tries, place):
    train(place.recipe(updates=1), place.folder / "checkpoint", show=False)
    task = json.dumps([tries, SECONDS])
    outcome = place.python("-c", WORK, text=task, megabytes=MEGABYTES, seconds=1200)
    if outcome.fault() or not outcome.out:
        return {"faults": [outcome.fault() or outcome.err]}
    return json.loads(outcome.out.splitlines()[-1])
