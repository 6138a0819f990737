"""Trainings that cannot write: files may grow no further than some size, as on a full disk."""

import contextlib
import os
import resource

from ttc_agents.cli import main
from ttc_agents.inference.checkpoint import load_model, load_training
from ttc_agents.training.train import train

PROMISE = "Where the disk is full a training ends in one line, and the checkpoint before is whole."
TRIES, SHORT = 30, 1


def check(tries, place):
    out, faults = place.folder / "checkpoint", []
    place.ended(place.fork(lambda: train(place.recipe(), out, show=False, device="cpu")))
    (place.folder / "recipe.toml").write_text(place.recipe(updates=4).to_toml())
    kept = {path.name: path.read_bytes() for path in out.iterdir()}
    for count in range(tries):
        size = place.random.randrange(len(kept["training.pt"]))
        status, said = resumed(place, out, size)
        lines = [line for line in said.splitlines() if line.startswith("ttc: ")]
        if status != 2 or len(lines) != 1 or "too large" not in lines[0] or "Traceback" in said:
            faults.append(f"{count}: at {size} bytes it ended with {status}: {said}")
        try:
            load_model(out)
            updates = load_training(out)["spent"]["updates"]
        except (ValueError, OSError) as error:
            faults.append(f"{count}: at {size} bytes: {error}")
            continue
        if updates not in (2, 4):
            faults.append(f"{count}: {updates} updates")
        for name, data in kept.items():
            (out / name).write_bytes(data)
    return {"faults": faults}


def resumed(place, out, size):
    """Go on in a process whose files may have so many bytes; its status and what it says."""
    read, write = os.pipe()
    words = ["train", str(place.folder / "recipe.toml"), "--out", str(out), "--resume"]

    def work():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        with open(write, "w", encoding="utf-8") as text, contextlib.redirect_stderr(text):
            return main([*words, "--device", "cpu"])

    child = place.fork(work)
    os.close(write)
    with open(read, encoding="utf-8", errors="replace") as said:
        text = said.read()
    return place.ended(child), text
