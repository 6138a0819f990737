"""What a language model over places is worth: its loss, and the paths that it writes.

A low loss of the next place says little of whole paths, and so do paths without an illegal jump
unless they lead somewhere: the shares below are reported together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ttc_agents.evaluation.intervals import share
from ttc_agents.models.base import to_batch
from ttc_agents.models.path_model import PathModel
from ttc_agents.training.objectives import choice_losses
from ttc_envs import Instances, Task

BATCH_SIZE = 250


@torch.no_grad()
def next_place_loss(model: PathModel, instances: Instances) -> dict[str, float]:
    """The loss of the next place where the right path so far is shown, over its jumps alone.

    Returns:
        `next_place_loss` in nats, and `next_place_accuracy`.
    """
    losses, right = [], []
    for start in range(0, len(instances), BATCH_SIZE):
        rows = instances[start : start + BATCH_SIZE]
        answer = torch.from_numpy(rows.labels["answer"].astype(np.int64))
        logits = model(to_batch(rows.fields), 1, answer).logits
        jumps = answer[:, 1:] != answer[:, :-1]  # after its arrival a path stays
        loss, _ = choice_losses(logits, {"answer": answer})
        losses.append(loss[0, :, 1:][jumps])
        right.append((logits[0].argmax(-1) == answer)[:, 1:][jumps])
    return {
        "next_place_loss": float(torch.cat(losses).mean()),
        "next_place_accuracy": float(torch.cat(right).float().mean()),
    }


def path_shares(task: Task, instances: Instances, paths: np.ndarray) -> dict[str, Any]:
    """Shares of paths (n, N), with 95% intervals.

    Returns:
        `legal`: without an illegal jump. `arrives`: the last place is the target. `both`, and of
        these `bounded` (at most the task's bound times the optimum) and `optimal`.
    """
    scores = task.score(instances, paths)
    legal, arrives = scores["illegal_jumps"] == 0, scores["ends_at_target"]
    flags = {"legal": legal, "arrives": arrives, "both": legal & arrives}
    flags |= {name: scores[name] for name in ("bounded", "optimal")}
    return {name: share(int(held.sum()), len(held)) for name, held in flags.items()}


def path_metrics(
    model: PathModel, task: Task, instances: Instances, beams: tuple[int, ...] = (1, 10)
) -> dict[str, Any]:
    """The loss beside the paths that beams of these widths write: `beam_1`, `beam_10`, ..."""
    found: dict[str, Any] = dict(next_place_loss(model, instances))
    for beam in beams:
        paths = [
            model.generate(to_batch(instances[start : start + BATCH_SIZE].fields), beam)
            for start in range(0, len(instances), BATCH_SIZE)
        ]
        found[f"beam_{beam}"] = path_shares(task, instances, torch.cat(paths).numpy())
    return found
