"""Expert iteration: a network is taught what its own searches find, with the rules as verifier.

The network alone is the apprentice. The same network inside a branching search is the expert: it
solves instances that the apprentice does not solve yet, and the rules of the task say which of its
answers are right. These answers are the labels of the usual training, which makes a better
apprentice, and so a better expert (Anthony et al. 2017, Thinking fast and slow with deep learning
and tree search, arXiv 1705.08439). No label of the task is read.

At first the weights are random, and a search finds an answer only where little is left to decide.
So there is a curriculum: levels, easiest first. The next one begins where enough searches of the
present one were accepted.

Shapes: B instances, N nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from ttc_agents.inference.answers import instances_of, tensors_of
from ttc_agents.inference.boards import search
from ttc_agents.inference.search import Branching
from ttc_agents.inference.tree import Tree
from ttc_agents.models import RefinementModel
from ttc_agents.training.data import random_keys
from ttc_agents.training.engine import threads
from ttc_agents.training.flops import answer_cost
from ttc_agents.training.schedule import NOTHING, Spent
from ttc_envs import UNDECIDED, Instances, Task

SEARCHED = 64
"""Instances that are searched at a time."""
USES = 4
"""Instances drawn from the pool for each one that is searched; one where the next level begins."""
KEPT = 4096
"""Instances in the pool; the oldest leave it."""
PASSED = 0.9
"""Accepted share of the searches after which the next level begins."""
SEARCH = Branching(steps=32)
BUDGET = 16 * SEARCH.steps
"""Refinement steps of a search."""
COUNTS = ("level", "left", "accepted")


class Expert:
    """A pool of instances with the answers that searches have found: a `data.Source`.

    Args:
        task: Where instances come from. Their labels are dropped.
        levels: The curriculum, easiest first.
        model: Gives the model that is to search, in evaluation mode.
    """

    def __init__(
        self, task: Task, levels: tuple[str, ...], model: Callable[[], RefinementModel]
    ) -> None:
        self._task, self._levels, self._model = task, levels, model
        self._threads = torch.get_num_threads()
        self.pool: Instances | None = None
        self.level, self.left, self.accepted, self.cost = 0, 0, 0.0, NOTHING

    def draw(self, count: int, generator: torch.Generator) -> Instances:
        """So many instances of the pool, after a search where it is time for one."""
        if self.left <= 0:
            self.search(generator)
        self.left -= count
        assert self.pool is not None
        rows = torch.randint(len(self.pool), (count,), generator=generator)
        return self.pool[rows.numpy()]

    def search(self, generator: torch.Generator) -> None:
        """Search fresh instances of the present level, and keep what the rules accept.

        While nothing was ever accepted, half as many are given twice the budget each time: the
        guesses of random weights may be worse than chance.

        Raises:
            RuntimeError: Nothing was accepted, although there was but one left.
        """
        count, budget = SEARCHED, BUDGET
        self._search(count, budget, generator)
        while self.pool is None and count > 1:
            count, budget = count // 2, budget * 2
            self._search(count, budget, generator)
        if self.pool is None:
            raise RuntimeError(
                f"no search was accepted on level {self._levels[self.level]!r}, the last within "
                f"{budget} steps: begin with an easier level"
            )
        climbs = budget == BUDGET and self.accepted >= PASSED
        climbs = climbs and self.level + 1 < len(self._levels)
        self.left = SEARCHED if climbs else USES * SEARCHED
        self.level += climbs

    def _search(self, count: int, budget: int, generator: torch.Generator) -> None:
        """Search so many instances, each within a budget of refinement steps."""
        model, keys = self._model(), random_keys(count, generator)
        fresh = unlabelled(self._task.sample(keys, self._levels[self.level]))
        with threads(self._threads):  # searches share them better than operations do
            trees = search(model, self._task, fresh, budget, SEARCH, rules=True)
        self._note_cost(model, fresh, trees)
        found = np.array([tree.accepted for tree in trees])
        self.accepted = float(found.mean())
        if found.any():
            fresh.labels["answer"][found] = [tree.answer for tree in trees if tree.accepted]
            parts = [fresh[found]] if self.pool is None else [self.pool, fresh[found]]
            self.pool = joined(parts)[-KEPT:]

    def _note_cost(self, model: RefinementModel, fresh: Instances, trees: list[Tree]) -> None:
        """Steps and operations of searches; a board counts as if it had no pins."""
        steps = sum(tree.used for tree in trees)
        boards = sum(tree.events[-1].visits for tree in trees)
        flops = answer_cost(model, self._task, fresh).of(steps, boards)
        self.cost += Spent(env_steps=steps, flops=flops)

    def metrics(self) -> dict[str, torch.Tensor]:
        """The level, counted from 0, and the accepted share of the last searches."""
        return {"level": torch.tensor(self.level), "accepted": torch.tensor(self.accepted)}

    def take_cost(self) -> Spent:
        """What all searches have cost since the last call."""
        cost, self.cost = self.cost, NOTHING
        return cost

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed training needs to go on bit by bit."""
        pool = None if self.pool is None else tensors_of(self.pool)
        counts = {name: getattr(self, name) for name in COUNTS}
        return {**counts, "cost": asdict(self.cost), "pool": pool}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """The inverse of `state_dict`.

        Raises:
            ValueError: There are not so many levels, or the pool does not fit together.
        """
        check_pool(saved, len(self._levels))
        for name in COUNTS:
            setattr(self, name, saved[name])
        self.cost = Spent(**saved["cost"])
        self.pool = None if saved["pool"] is None else instances_of(saved["pool"])


def check_pool(saved: dict[str, Any], levels: int) -> None:
    """Refuse what is of no expert of so many levels."""
    if saved["level"] not in range(levels):
        raise ValueError(f"level is {saved['level']!r}, expected one of {levels}")
    pool = saved["pool"] or {"fields": {}, "labels": {}, "keys": ()}
    sizes = {len(values) for part in ("fields", "labels") for values in pool[part].values()}
    if sizes - {len(pool["keys"])}:
        raise ValueError(f"the pool has {len(pool['keys'])} keys, and rows of {sorted(sizes)}")


def unlabelled(instances: Instances) -> Instances:
    """The same instances without their labels: every node of the answer is undecided.

    The rules are asked with these labels, so a task that scores by its labels accepts nothing.
    """
    answer = np.full(instances.labels["answer"].shape, UNDECIDED, dtype=np.int64)
    return Instances(instances.keys, instances.fields, {"answer": answer})


def joined(parts: list[Instances]) -> Instances:
    """Some instances after the others."""
    fields, labels = (
        {name: np.concatenate([d[name] for d in dicts]) for name in dicts[0]}
        for dicts in ([part.fields for part in parts], [part.labels for part in parts])
    )
    return Instances(np.concatenate([part.keys for part in parts]), fields, labels)
