"""Trainings that are killed at random moments, most of them while they write a checkpoint."""

import os
import shutil
import signal
import time
from unittest import mock

import torch

from ttc_agents.inference.checkpoint import load_config, load_model, load_training
from ttc_agents.training import hooks
from ttc_agents.training.train import train

PROMISE = "A training that is killed at any moment resumes bit for bit."
TRIES, SHORT = 100, 1
UPDATES = 8


@mock.patch.multiple(hooks, CHECKPOINT_SECONDS=0.0, REPORT_SECONDS=0.0)
def check(tries, place):
    whole, out = place.folder / "whole", place.folder / "killed"
    place.ended(place.fork(lambda: trained(place, whole)))
    expected, faults, kills, finished = state_of(whole), [], 0, 0
    _, longest = attempt(place, place.folder / "timed", 600.0)
    while kills < tries:
        status, spent = attempt(place, out, place.random.uniform(0, longest))
        if status == -signal.SIGKILL:
            kills, longest = kills + 1, 1.1 * longest
            faults += [f"kill {kills}: {fault}" for fault in faults_of(out)]
        elif status:
            faults.append(f"after {kills} kills: the training ended with {status}")
            break
        else:
            finished, longest = finished + 1, spent  # machines are not always equally quick
            faults += compared(out, expected, f"after {kills} kills")
            shutil.rmtree(out)
    if out.exists():
        place.ended(place.fork(lambda: trained(place, out)))
        faults += compared(out, expected, f"after {kills} kills")
    return {"faults": faults, "kills": kills, "finished": finished}


def trained(place, out):
    """Train, or go on; a status."""
    resume = out.is_dir() and any(out.iterdir())
    recipe = place.recipe(updates=UPDATES)
    return 0 if train(recipe, out, resume=resume, show=False, device="cpu").finished else 3


def attempt(place, out, seconds):
    """Train on in a process of its own, which is killed after some time; its status, and when."""
    start, child = time.perf_counter(), place.fork(lambda: trained(place, out))
    while (spent := time.perf_counter() - start) < seconds:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), spent
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    return place.ended(child), spent


def faults_of(out):
    """What a reader meets after a kill."""
    if not (out / "config.json").is_file():
        return []
    try:
        load_model(out)
        load_training(out)
    except (ValueError, OSError) as error:
        return [str(error)]
    return []


def state_of(out):
    """All that a training has led to, but its clock."""
    state, config = load_training(out), load_config(out)
    del state["spent"]["seconds"], config["seconds"], config["digests"]
    weights = {k: v.detach() for k, v in load_model(out).state_dict().items()}
    return {"state": state, "config": config, "weights": weights}


def compared(out, expected, when):
    """Faults of a training that is done."""
    faults = [] if same(state_of(out), expected) else [f"{when}: another end than without them"]
    left = sorted(p.name for p in out.iterdir() if p.name.startswith(".") and "lock" not in p.name)
    if left:
        faults.append(f"{when}: left behind {left}")
    updates = [hooks.update_of(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    if updates != sorted(set(updates)) or updates[-1:] != [UPDATES]:
        faults.append(f"{when}: metrics.jsonl has the updates {updates}")
    return faults


def same(one, other):
    """Whether two nested values are the same bit by bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other) and one.dtype == other.dtype
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other
