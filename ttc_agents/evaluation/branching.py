"""Searches over pins as rows of a sweep: solved share against the total of refinement steps.

- `p2-branch`: the model alone accepts a board, by its confidence and by doubt.
- `p3-branch`: the rules of the task accept a board.

A budget counts the steps of all boards of an instance, those of doubt included. One search gives
all budgets, since the order of its visits does not depend on the budget. A budget that is too small
for one board buys the model's own trajectory (`p1`).

Shapes: n instances of a family, R budgets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ttc_agents.evaluation.intervals import share
from ttc_agents.inference.boards import search
from ttc_agents.inference.search import Branching
from ttc_agents.inference.tree import Event, Tree
from ttc_agents.models import RefinementModel
from ttc_agents.training.flops import AnswerCost, answer_cost
from ttc_envs import Instances, Task

RULES_ACCEPT = {"p2-branch": False, "p3-branch": True}
"""The protocols, and whether the rules of the task accept a board."""


@dataclass(frozen=True, eq=False)
class Searched:
    """What searches of a family came to within each budget.

    Args:
        budgets: R of them, ascending.
        solved: (n, R) bool, whether the rules hold for the best board.
        accepted: (n, R) bool, whether that board was accepted.
        steps: (n, R) steps taken.
        boards: (n, R) boards refined.
        finite: (n,) bool, whether every board within the largest budget was finite.
        cost: Of a step, and of the beginning of a board.
    """

    budgets: tuple[int, ...]
    solved: np.ndarray
    accepted: np.ndarray
    steps: np.ndarray
    boards: np.ndarray
    finite: np.ndarray
    cost: AnswerCost

    def to_json(self) -> dict[str, dict[str, float | int]]:
        """{budget: entry}.

        An entry is that of `share`, with the shares `accepted` and `falsely_accepted` (accepted
        against the rules), and means over instances: `mean_steps`, `mean_boards`, `mean_flops`.
        """
        return {str(budget): self._entry(i) for i, budget in enumerate(self.budgets)}

    def _entry(self, column: int) -> dict[str, float | int]:
        solved, accepted = self.solved[:, column], self.accepted[:, column]
        steps, boards = self.steps[:, column].mean(), self.boards[:, column].mean()
        return {
            **share(int(solved.sum()), len(solved)),
            "accepted": float(accepted.mean()),
            "falsely_accepted": float((accepted & ~solved).mean()),
            "mean_steps": float(steps),
            "mean_boards": float(boards),
            "mean_flops": self.cost.of(float(steps), float(boards)),
        }

    def records(self) -> dict[str, list[Any]]:
        """Columns with one entry per instance, at the largest budget."""
        names = ("solved", "accepted", "steps", "boards")
        columns = {name: getattr(self, name)[:, -1].tolist() for name in names}
        return {**columns, "finite": self.finite.tolist()}


def sweep_branching(
    model: RefinementModel,
    task: Task,
    instances: Instances,
    budgets: Sequence[int],
    how: Branching,
    *,
    rules: bool,
    early: Callable[[tuple[int, ...]], np.ndarray],
    seed: int = 0,
    batch_size: int | None = None,
    report: Callable[[float], None] = lambda done: None,
) -> Searched:
    """Search every instance, and record what came of it within each budget.

    Args:
        model: The model.
        task: The task, whose rules say what is solved.
        instances: n of them.
        budgets: Total refinement steps per instance, ascending.
        how: The search.
        rules: Whether the rules accept a board.
        early: Gives (n, r) bool, who is solved after r numbers of steps of one trajectory.
        seed: Of doubt.
        batch_size: Boards at a time.
        report: Called with the share of instances that are done.

    Raises:
        ValueError: The model cannot search over pins.
    """
    small = tuple(budget for budget in budgets if budget < how.steps)
    large = budgets[len(small) :]
    size, columns = len(instances), len(budgets)
    solved, accepted = (np.zeros((size, columns), dtype=bool) for _ in range(2))
    steps, boards = (np.ones((size, columns), dtype=np.int64) for _ in range(2))
    steps *= np.array(budgets)
    finite = np.ones(size, dtype=bool)
    if small:
        solved[:, : len(small)] = early(small)
    if large:
        settings: dict[str, Any] = {"rules": rules, "seed": seed, "batch_size": batch_size}
        trees = search(model, task, instances, large[-1], how, report=report, **settings)
        finite[:] = [tree.finite for tree in trees]
        for column, budget in enumerate(large, start=len(small)):
            ends = [tree.at(budget) for tree in trees]
            solved[:, column] = task.score(instances, _answers(trees, ends))["solved"]
            accepted[:, column] = [end.accepted for end in ends]
            steps[:, column] = [end.used for end in ends]
            boards[:, column] = [end.visits for end in ends]
    cost = answer_cost(model, task, instances)
    return Searched(tuple(budgets), solved, accepted, steps, boards, finite, cost)


def _answers(trees: Sequence[Tree], ends: Sequence[Event]) -> np.ndarray:
    """(n, N), the best boards' answers."""
    return np.stack([tree.boards[end.best].answer for tree, end in zip(trees, ends, strict=True)])
