"""Several processes that train into one directory at the same moment."""

import os

from ttc_agents.inference.checkpoint import load_model, load_training
from ttc_agents.training.train import train

PROMISE = "One process trains in a directory at a time; the others are told so."
TRIES, SHORT = 40, 1
TRAINERS, UPDATES = 4, 2
TRAINED, REFUSED = 0, 7


def check(tries, place):
    faults, refusals = [], 0
    for count in range(tries):
        out = place.folder / str(count)
        how = {"overwrite": True} if count % 2 else {}
        ends = together(place, out, how)
        refusals += ends.count(REFUSED)
        # Without `overwrite` those who come later find a checkpoint, and are refused for that.
        if set(ends) - {TRAINED, REFUSED} or (not how and ends.count(TRAINED) != 1):
            faults.append(f"round {count}: the trainers ended with {ends}")
        faults += [f"round {count}: {fault}" for fault in faults_of(out)]
    return {"faults": faults, "refused": refusals}


def together(place, out, how):
    """Start all trainers at once; how each ended."""
    read, write = os.pipe()
    children = []
    for seed in range(TRAINERS):

        def work(seed=seed):
            os.close(write)
            os.read(read, 1)  # ends where the parent closes the pipe
            return ended(place.recipe(seed=seed, updates=UPDATES), out, how)

        children.append(place.fork(work))
    os.close(read)
    os.close(write)
    return [place.ended(child) for child in children]


def ended(recipe, out, how):
    """Train; what a process is to exit with."""
    try:
        train(recipe, out, show=False, device="cpu", **how)
    except (BlockingIOError, FileExistsError):
        return REFUSED
    return TRAINED


def faults_of(out):
    """What is wrong with the checkpoint that is left."""
    try:
        load_model(out)
        updates = load_training(out)["spent"]["updates"]
    except (ValueError, OSError) as error:
        return [str(error)]
    faults = [] if updates == UPDATES else [f"{updates} updates"]
    left = sorted(p.name for p in out.iterdir() if p.name.startswith(".") and "lock" not in p.name)
    return [*faults, f"left behind {left}"] if left else faults
