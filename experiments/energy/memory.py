"""Peak memory of a training update: 8 and 64 steps of descent, at once and step by step.

    .venv/bin/python experiments/energy/memory.py

Counted are the bytes of all tensors that operations of the update have made and that are still
there, at their peak: forward pass, loss, backward pass and optimizer. What was there before
(weights, optimizer, batch) is not. Writes results/memory.json; the last line on stdout is that
document.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch
from common import arguments, write
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from ttc_agents.training.recipes import Recipe, find_recipe
from ttc_agents.training.update import Training
from ttc_envs import make_task

RECIPES = ("sudoku4-energy", "sudoku6-energy")
OBJECTIVES = ("cross_entropy", "contrastive")
STEPS = (8, 64)


class Peak(TorchDispatchMode):
    """Bytes of what operations make, as long as it is there; `peak` is the most at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.seen = WeakIdKeyDictionary()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run the operation and look at what it has made."""
        for _ in self.unseen((args, kwargs)):
            pass  # it was there before
        made = func(*args, **(kwargs or {}))
        for storage in self.unseen(made):
            self.add(storage.nbytes())
            weakref.finalize(storage, self.add, -storage.nbytes())
        return made

    def unseen(self, tree: Any) -> Iterator[torch.UntypedStorage]:
        """The storages of tensors that are seen for the first time."""
        for leaf in tree_leaves(tree):
            if isinstance(leaf, torch.Tensor) and leaf.untyped_storage() not in self.seen:
                storage = leaf.untyped_storage()
                self.seen[storage] = True
                yield storage

    def add(self, size: int) -> None:
        """Count bytes that are made, or below 0 freed."""
        self.now += size
        self.peak = max(self.peak, self.now)


def peak_of(recipe: Recipe) -> int:
    """Bytes at the peak of the second update."""
    training = Training(recipe, make_task(recipe.env_id, **recipe.task), say=lambda line: None)
    training.update(0.0)
    with Peak() as peak:
        training.update(0.0)
    return peak.peak


def main() -> None:
    """Measure every recipe and objective."""
    options = arguments(__doc__, "memory", count=1).parse_args()
    rows: dict[str, Any] = {}
    for name in RECIPES:
        for objective in OBJECTIVES:
            for way, every in (("at once", None), ("step by step", 1)):
                few, many = (
                    peak_of(
                        find_recipe(name).replaced(
                            objective=objective, segment_steps=steps, backward_every=every
                        )
                    )
                    for steps in STEPS
                )
                rows[f"{name}, {objective}, {way}"] = {"8": few, "64": many, "ratio": many / few}
    write(options, rows=rows)


if __name__ == "__main__":
    main()
