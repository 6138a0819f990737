"""Branching: a search over pins, in which a refinement model is what looks ahead.

A *board* is an instance with pins: nodes that are fixed to a choice as if they were given. The
search refines the board without pins first. If it is not accepted, a doubtful node is chosen, and
pinning that node to each of its choices gives new boards, which wait in a queue. The board of the
highest priority is refined next: best-first search (Pearl 1984, Heuristics). The priority is

    sum of log p(pin) over all pins, each as the parent of its board saw it, + evidence(parent)

so that the search tries first what the model holds likely, and comes to what it holds unlikely if
there is budget left. The evidence speaks by the tension of the parent: how far its probabilities
are from "exactly one member of each constraint group holds", per free node, against that of the
first board. Where the model is not told the groups, there is no tension. Confidence is no evidence:
boards with a wrong pin are often more confident than those without. Every pin costs something, so
that the search does not go deep below a wrong one.

A pin counts as a given, so the model draws all conclusions from it that it draws from givens. A
board whose givens and pins leave a node without a choice, as far as the model is told the
constraints, is dropped.

The model is never asked for more than its probabilities. Labels are never read, and the rules of
the task only where `accept` is a function of the caller that reads them.

`Search` is the search of one instance: it asks for boards to be refined and is told what came of
them. `ttc_agents.inference.boards` refines the boards of many searches together.

Shapes: n boards, N nodes, C choices.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

from ttc_agents.inference.tree import (
    ACCEPTED,
    DROPPED,
    LOST,
    OPEN,
    REFUSED,
    Board,
    Event,
    Refined,
    Tree,
    Visit,
)
from ttc_envs import UNDECIDED

Result = TypeVar("Result")
TENSION, PIN, SLACK = 4.0, 2.0, 1e-3

Asking = Generator[Visit, Refined, Result]
Accept = Callable[[Refined], np.ndarray]
"""(n,) bool: which boards are the answer."""
Evidence = Callable[[Refined, float], np.ndarray]
"""Boards, the tension of the first board of their tree -> (n,): what speaks for boards beside the
probability of their pins, as a logarithm."""
Choose = Callable[[np.ndarray, np.ndarray, float], int]
"""Probability (N, C), free nodes (N,), smallest probability that counts as possible -> node."""


def relaxed(boards: Refined, first: float) -> np.ndarray:
    """(n,): `TENSION` times the share of the first board's tension that is gone, less `PIN` a pin.

    A logistic regression that tells boards with a wrong last pin from those without gives the
    tension about four times the weight of the logarithm of the pin's probability
    (experiments/three_axes/ranking.py). What each pin costs keeps a search from going deep below a
    pin that is wrong.
    """
    pins = (boards.givens != UNDECIDED).sum(1)  # and givens, of which all boards have the same
    return TENSION * (1.0 - boards.tension / max(first, SLACK)) - PIN * pins


@dataclass(frozen=True)
class LowEnergy:
    """Accepts a board by its energy in the place of confidence; for models that have one.

    Args:
        below: Energy per free node below which a board is the answer.
        sure: Besides, confidence of the least confident node above which a board counts.
    """

    below: float
    sure: float = 0.5

    def __call__(self, boards: Refined) -> np.ndarray:
        """(n,) bool: which boards are the answer."""
        flags: np.ndarray = (boards.energy < self.below) & (boards.confidence.min(1) > self.sure)
        return flags


@dataclass(frozen=True)
class EnergyRank:
    """What speaks for a board: its energy, less `PIN` a pin, as `relaxed` has it of the tension.

    Args:
        weight: Of the energy per free node.
    """

    weight: float = 4.0

    def __call__(self, boards: Refined, first: float) -> np.ndarray:
        """(n,), as a logarithm."""
        pins = (boards.givens != UNDECIDED).sum(1)
        return -self.weight * boards.energy - PIN * pins


def fewest_choices(probability: np.ndarray, free: np.ndarray, possible: float) -> int:
    """The free node with the fewest possible choices, at least two; ties: the least confident.

    Where no node has two, the least confident one.
    """
    count = (probability > possible).sum(1)
    confidence = np.where(free, probability.max(1), np.inf)
    undecided = free & (count > 1)
    if undecided.any():
        fewest = undecided & (count == count[undecided].min())
        confidence = np.where(fewest, confidence, np.inf)
    return int(confidence.argmin())


@dataclass(frozen=True)
class Branching:
    """How a search branches, what it keeps, and when it accepts without the rules.

    Args:
        steps: Refinement steps of a board at most.
        at_once: Boards of an instance that are refined at a time.
        keep: Boards that wait; those of the lowest priority are forgotten.
        possible: Probability above which a choice counts as possible where a node is chosen.
        floor: What the probability of a pin counts as at least, so that the search comes to choices
            that the model wrongly holds impossible.
        sure: A board is accepted if the least confident node is at least so sure of its choice.
        doubts: An answer that is to be accepted is doubted so many times: a random share of its
            free nodes is given to the model, which has to come back to the same answer and be sure
            of it. 0 doubts nothing.
        doubted: That share.
        warm: Whether boards begin with the last state of their parent, or with the first state.
        choose: Chooses the node.
        evidence: What joins the priority.
        judge: The model's own acceptance; None: by `sure`. Doubt comes on top of it, by the same.

    Raises:
        ValueError: A number is out of range.
    """

    steps: int = 32
    at_once: int = 1
    keep: int = 4096
    possible: float = 1e-3
    floor: float = 1e-6
    sure: float = 0.98
    doubts: int = 3
    doubted: float = 0.2
    warm: bool = False
    choose: Choose = fewest_choices
    evidence: Evidence = relaxed
    judge: Accept | None = None

    def settings(self) -> dict[str, Any]:
        """As a document; functions by their names."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: plain(value) for name, value in values.items()}

    def __post_init__(self) -> None:
        """Refuse what makes no search."""
        for name, low in (("steps", 1), ("at_once", 1), ("keep", 1), ("doubts", 0)):
            if getattr(self, name) < low:
                raise ValueError(f"{name} must be at least {low}, got {getattr(self, name)}")
        for name in ("possible", "floor", "sure", "doubted"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must be in (0, 1), got {getattr(self, name)}")


def plain(value: Any) -> Any:
    """A setting as a document has it."""
    if is_dataclass(value):
        return repr(value)
    return getattr(value, "__name__", value)


class Search:
    """Best-first search of one instance, one visit at a time.

    `visit` is what it asks for, `tell` takes what came of it, until `visit` is None.

    Args:
        givens: (N,), -1 where free.
        budget: Refinement steps of all boards together; no visit is begun that might exceed it.
        how: The search.
        accept: The verifier. None: the model itself, by `how.sure` and `how.doubts`.
        seed: Of the nodes that doubt picks.

    Raises:
        ValueError: The budget is too small for the first board.
    """

    def __init__(
        self,
        givens: np.ndarray,
        budget: int,
        how: Branching,
        accept: Accept | None = None,
        seed: int | Sequence[int] = 0,
    ) -> None:
        if budget < how.steps:
            raise ValueError(f"budget must allow one board of {how.steps} steps, got {budget}")
        self.givens, self.budget, self.how, self.accept = givens, budget, how, accept
        self.random = np.random.default_rng(seed)
        self.tree = Tree()
        self.used = self.needs = self.visits = 0
        self.waiting = [Board(givens)]
        self._run = self.run()
        self.visit: Visit | None = next(self._run, None)

    def tell(self, seen: Refined) -> None:
        """Go on with what came of `visit`."""
        try:
            self.visit = self._run.send(seen)
        except StopIteration:
            self.visit = None

    def run(self) -> Asking[None]:
        """Visit, accept or branch, until the budget or the boards are used up."""
        while boards := self.waiting[: self.how.at_once]:
            if not self.affords(len(boards)):
                return
            del self.waiting[: len(boards)]
            seen = yield self.afforded(boards)
            self.enter(boards, seen)
            for board in self.candidates(boards, seen):
                stands = True
                if self.accept is None and self.how.doubts:
                    if not self.affords(self.how.doubts):
                        return
                    stands = yield from self.stands(board)
                board.fate = ACCEPTED if stands else REFUSED
                self.note(stands)
                if stands:
                    return
            self.branch(boards, seen)

    def note(self, accepted: bool) -> None:
        """How things stand."""
        best = self.tree.best()
        self.tree.events.append(Event(self.needs, self.used, self.visits, best, accepted))

    # The budget

    def affords(self, boards: int) -> bool:
        """Whether so many boards can be visited."""
        return self.used + boards * self.how.steps <= self.budget

    def afforded(self, boards: list[Board]) -> Visit:
        """A visit that the budget affords."""
        self.needs = max(self.needs, self.used + len(boards) * self.how.steps)
        return Visit(np.stack([b.givens for b in boards]), [board.start for board in boards])

    def pay(self, seen: Refined) -> None:
        """Count the boards and the steps of a visit."""
        self.used += int(seen.steps.sum())
        self.visits += len(seen)

    # The boards

    def enter(self, boards: list[Board], seen: Refined) -> None:
        """Put visited boards into the tree."""
        self.pay(seen)
        for row, board in enumerate(boards):
            board.answer, board.confidence = seen.answer[row], seen.confidence[row]
            board.tension = float(seen.tension[row])
            board.steps, board.start = int(seen.steps[row]), None
            board.fate = OPEN if seen.alive[row] else DROPPED if seen.finite[row] else LOST
        self.tree.boards += boards
        self.tree.finite &= bool(seen.finite.all())
        self.note(accepted=False)

    def branch(self, boards: list[Board], seen: Refined) -> None:
        """Let the children of boards wait, those that are likelier in front."""
        first = len(self.tree.boards) - len(boards)
        evidence = self.how.evidence(seen, self.tree.boards[0].tension)
        for row, parent in enumerate(boards):
            if seen.alive[row] and seen.free[row].any():
                state = seen.state[row] if self.how.warm else None
                self.waiting += self.children(
                    parent, first + row, seen.probability[row], float(evidence[row]), state
                )
        self.waiting.sort(key=lambda board: -board.priority)
        del self.waiting[self.how.keep :]

    def children(
        self,
        parent: Board,
        number: int,
        probability: np.ndarray,
        evidence: float,
        state: Tensor | None,
    ) -> list[Board]:
        """The boards that pin one more node, one for each of its choices."""
        free = parent.givens == UNDECIDED
        node = self.how.choose(probability, free, self.how.possible)
        boards = []
        for choice in np.flatnonzero(probability[node] > 0):
            givens = parent.givens.copy()
            givens[node] = choice
            chance = parent.chance + float(np.log(max(probability[node, choice], self.how.floor)))
            pin = (node, int(choice))
            boards.append(Board(givens, number, pin, chance, chance + evidence, state))
        return boards

    # Acceptance

    def candidates(self, boards: list[Board], seen: Refined) -> list[Board]:
        """Those of the boards just visited that may be the answer, by priority."""
        flags = (self.accept or self.judged)(seen) & seen.alive
        return [board for board, flag in zip(boards, flags, strict=True) if flag]

    def judged(self, seen: Refined) -> np.ndarray:
        """(n,) bool: the boards that the model holds for the answer."""
        return (self.how.judge or self.sure)(seen)

    def sure(self, seen: Refined) -> np.ndarray:
        """(n,) bool: the boards whose least confident node is sure enough."""
        return seen.confidence.min(1) >= self.how.sure

    def stands(self, board: Board) -> Asking[bool]:
        """Whether the model comes back to the answer of a board from random parts of it."""
        free = np.flatnonzero(self.givens == UNDECIDED)
        count = max(1, round(self.how.doubted * len(free)))
        parts = [Board(self.givens.copy()) for _ in range(self.how.doubts)]
        for part in parts:
            nodes = self.random.choice(free, count, replace=False)
            part.givens[nodes] = board.answer[nodes]
        seen = yield self.afforded(parts)
        self.pay(seen)
        same = (seen.answer == board.answer).all(1)
        return bool((same & self.judged(seen) & seen.alive).all())
