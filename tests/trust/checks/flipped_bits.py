"""Single bits of the files of a checkpoint, flipped: seen, or without consequence."""

import numpy as np
import torch

from ttc_agents.inference.checkpoint import load_config, load_model, load_task, load_training
from ttc_agents.models.base import to_batch
from ttc_agents.training.train import train

PROMISE = "A flipped bit in a checkpoint is refused or changes nothing."
TRIES, SHORT = 1000, 18
FILES = ("model.safetensors", "training.pt", "config.json")


def check(tries, place):
    out = place.folder / "checkpoint"
    train(place.recipe(), out, show=False)
    expected, faults = results(out), []
    accepted = dict.fromkeys(FILES, 0)
    for count in range(tries):
        path = out / FILES[count % len(FILES)]
        data = path.read_bytes()
        bit = place.random.randrange(8 * len(data))
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            found = results(out)
        except (ValueError, OSError) as error:
            if path.name not in str(error) or "\n" in str(error):
                faults.append(f"bit {bit} of {path.name}: the error is {str(error)!r}")
        except Exception as error:
            faults.append(f"bit {bit} of {path.name}: {type(error).__name__}: {error}")
        else:
            accepted[path.name] += 1
            if found != expected:
                faults.append(f"bit {bit} of {path.name}: accepted, with other results")
        path.write_bytes(data)
    return {"faults": faults, "accepted": accepted}


def results(out):
    """All that a checkpoint says, in words that can be compared."""
    model, config, task = load_model(out), load_config(out), load_task(out)
    batch = to_batch(task.sample(np.arange(2, dtype=np.uint64), "easy").fields)
    with torch.no_grad():
        logits = model(batch, 2).logits
    return spelt([logits, config, load_training(out), task.spec.to_json()])


def spelt(value):
    """A nested value as text, each number with all its digits."""
    if isinstance(value, torch.Tensor):
        return f"{value.dtype}{tuple(value.shape)}{value.numpy().tobytes().hex()}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key!r}:{spelt(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(spelt, value)) + "]"
    return repr(value)
