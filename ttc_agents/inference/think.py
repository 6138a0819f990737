"""Ways to spend test-time compute on one instance: deeper, wider, or by branching.

- `steps`: one trajectory for the whole budget.
- `restarts`: several trajectories from random first states share the budget; the one with the
  lowest energy, or of a model without energies the smallest residual, has the answer.
- `branch`: a search over pins (see `search`).
- `auto`: one trajectory for as long as it grows more confident, then a search.

Each yields one `Step` per step of the model, so all of them are measured and drawn alike. The rules
of the task are not read.

Shapes: B = 1 instance, N nodes, n boards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from ttc_agents.inference.boards import Boards
from ttc_agents.inference.refine import Step, refine
from ttc_agents.inference.search import Branching, Search
from ttc_agents.models.base import RefinementModel, device_of
from ttc_envs import UNDECIDED, Instances, Task

RESTARTS = 8
"""Trajectories that share a budget."""
PATIENCE = 16
"""Steps in which one trajectory has to gain, or else `auto` begins to branch."""
GAIN = 1e-3
"""What counts as a gain of mean confidence."""


def deeper(model: RefinementModel, task: Task, instance: Instances, budget: int) -> Iterator[Step]:
    """Yield the steps of one trajectory."""
    return refine(model, task, instance, budget)


def wider(model: RefinementModel, task: Task, instance: Instances, budget: int) -> Iterator[Step]:
    """Yield the steps of several trajectories, each with the answer that the model judges best."""
    count = min(RESTARTS, budget)
    several = instance[np.zeros(count, dtype=np.int64)]
    generator = torch.Generator(device_of(model)).manual_seed(0)
    last = Step(task.initial_answer(instance), np.ones(1, dtype=bool))
    for step in refine(model, task, several, budget // count, generator=generator):
        for _ in range(count - 1):
            yield last
        own: Any = step.judge() if step.judge else step.residual
        judgement = np.where(step.finite, own, np.inf)
        best = slice(chosen := int(judgement.argmin()), chosen + 1)
        confidence = None if step.confidence is None else step.confidence[best]
        last = Step(step.answer[best], step.finite[best], confidence=confidence)
        yield last


def branching(
    model: RefinementModel,
    task: Task,
    instance: Instances,
    budget: int,
    how: Branching | None = None,
) -> Iterator[Step]:
    """Yield the best board so far, with the board that was visited last, until one is accepted."""
    how = how or Branching()
    boards = Boards(model, instance.fields, how)
    search = boards.begin(0, budget)
    last = Step(task.initial_answer(instance), np.ones(1, dtype=bool))
    while search.visit is not None:
        before = search.used
        boards.advance([(0, search)])
        for _ in range(search.used - before - 1):
            yield last
        last = _seen(search)
        yield last


def automatic(
    model: RefinementModel, task: Task, instance: Instances, budget: int
) -> Iterator[Step]:
    """Yield the steps of one trajectory while it gains confidence, then those of a search."""
    how, most, when, taken = Branching(), 0.0, 0, 0
    for step in refine(model, task, instance, budget):
        taken += 1
        yield step
        confidence = _confidence(step, task, instance)
        if confidence.mean() > most + GAIN:
            most, when = float(confidence.mean()), taken
        if confidence.min() >= how.sure or taken - when >= PATIENCE:
            break
    if budget - taken >= how.steps:
        yield from branching(model, task, instance, budget - taken)


THINKING: dict[str, Callable[..., Iterator[Step]]] = {
    "steps": deeper,
    "restarts": wider,
    "branch": branching,
    "auto": automatic,
}


def _confidence(step: Step, task: Task, instance: Instances) -> np.ndarray:
    """(1, N): the probability of the answer; 1 at givens."""
    own: Any = step.confidence
    return np.where(task.initial_answer(instance) != UNDECIDED, 1.0, own)


def _seen(search: Search) -> Step:
    """What a search shows after a visit: its best board, and in words the one visited last."""
    tree = search.tree
    best = tree.boards[tree.events[-1].best]
    return Step(
        best.answer[None].copy(),
        np.ones(1, dtype=bool),
        confidence=best.confidence[None].astype(np.float32),
        note=told(search),
    )


def told(search: Search) -> str:
    """The state of a search in words: how many boards, and the pins of the one visited last."""
    boards = search.tree.boards
    board, pins = boards[-1], []
    while board.parent is not None and board.pin is not None:
        pins.append("node {} = choice {}".format(*board.pin))
        board = boards[board.parent]
    last = boards[-1]
    sure = f"least confidence {last.confidence.min():.2f}" if last.steps else "a contradiction"
    return (
        f"board {len(boards)}, {len(search.waiting)} waiting; "
        f"pins: {', '.join(reversed(pins)) or 'none'}; {last.fate}, {sure}"
    )
