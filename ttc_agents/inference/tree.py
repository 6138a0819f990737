"""What a branching search asks for, sees and keeps: boards, and the tree that they form.

A *board* is an instance with pins, nodes that are fixed to a choice as if they were given.
`ttc_agents.inference.search` says which boards are refined, `ttc_agents.inference.boards` refines
them.

Shapes: n boards, N nodes, C choices.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from ttc_envs import UNDECIDED

NOTHING = np.zeros(0)
OPEN, DROPPED, REFUSED, ACCEPTED, LOST = "open", "dropped", "refused", "accepted", "not finite"


@dataclass(frozen=True, eq=False)
class Visit:
    """What a search asks for: boards of one instance to be refined.

    Args:
        givens: (n, N), givens and pins, -1 where free.
        start: n states (...) to begin with; None takes the first state of the model.
    """

    givens: np.ndarray
    start: list[Tensor | None]


@dataclass(eq=False)
class Refined:
    """Boards, and what came of refining them.

    Args:
        givens: (n, N), givens and pins.
        possible: (n, N, C) bool, choices that givens and pins leave open, as far as the model is
            told the constraints.
        probability: (n, N, C) float32, of each choice; 0 where it is not possible, and where logits
            were not finite.
        steps: (n,) refinement steps taken.
        alive: (n,) bool: finite, and no node is left without a choice.
        finite: (n,) bool, whether logits and state have been finite.
        tension: (n,) float32, sum over constraint groups of |sum of their members' probabilities -
            1|, per free node; 0 where the model is not told the groups.
        state: n states (...): the last ones; None where no step was taken.
        energy: (n,) float32, of the last states; 0 where the model has none.
    """

    givens: np.ndarray
    possible: np.ndarray
    probability: np.ndarray
    steps: np.ndarray
    alive: np.ndarray
    finite: np.ndarray
    tension: np.ndarray
    state: list[Tensor | None]
    energy: np.ndarray

    @classmethod
    def begun(cls, givens: np.ndarray, num_choices: int, state: list[Tensor | None]) -> Refined:
        """Boards (n, N) before the first step."""
        size = len(givens)
        probability = np.zeros((*givens.shape, num_choices), dtype=np.float32)
        alive, finite = np.ones((2, size), dtype=bool)
        steps, tension = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.float32)
        possible = np.ones(probability.shape, dtype=bool)
        energy = np.zeros_like(tension)
        return cls(givens, possible, probability, steps, alive, finite, tension, state, energy)

    def part(self, rows: slice) -> Refined:
        """Some of them."""
        return Refined(
            self.givens[rows],
            self.possible[rows],
            self.probability[rows],
            self.steps[rows],
            self.alive[rows],
            self.finite[rows],
            self.tension[rows],
            self.state[rows],
            self.energy[rows],
        )

    def __len__(self) -> int:
        """The number of boards, n."""
        return len(self.givens)

    @property
    def free(self) -> np.ndarray:
        """(n, N) bool: neither given nor pinned."""
        return self.givens == UNDECIDED

    @property
    def answer(self) -> np.ndarray:
        """(n, N): givens, pins, and elsewhere the likeliest choice, -1 before the first step."""
        chosen = self.free & (self.steps > 0)[:, None]
        return np.where(chosen, self.probability.argmax(-1), self.givens)

    @property
    def confidence(self) -> np.ndarray:
        """(n, N): the probability of the answer; 1 at givens and pins."""
        return np.where(self.free, self.probability.max(-1), 1.0)


@dataclass(eq=False)
class Board:
    """A board of a search tree.

    Args:
        givens: (N,), givens and pins.
        parent: Number of the board that this one was branched from; None for the first.
        pin: (node, choice) that the parent does not have.
        chance: Logarithm of the probability of all pins, each as its parent saw it.
        priority: By which boards wait, higher first.
        start: (...), the state to begin with; None for the first state of the model.
        answer: (N,), once the board was visited.
        confidence: (N,), likewise.
        tension: See `Refined`.
        steps: Refinement steps taken.
        fate: `open` (visited, and not accepted), `dropped` (without a choice for a node), `not
            finite`, `refused` (by doubt) or `accepted`.
    """

    givens: np.ndarray
    parent: int | None = None
    pin: tuple[int, int] | None = None
    chance: float = 0.0
    priority: float = 0.0
    start: Tensor | None = None
    answer: np.ndarray = field(default_factory=lambda: NOTHING)
    confidence: np.ndarray = field(default_factory=lambda: NOTHING)
    tension: float = 0.0
    steps: int = 0
    fate: str = OPEN


@dataclass(frozen=True)
class Event:
    """The state of a search after a visit.

    Args:
        needs: The smallest budget in which the search gets here.
        used: Steps taken so far.
        visits: Boards refined so far, those of doubt among them.
        best: Number of the best board so far.
        accepted: Whether it is accepted, which ends the search.
    """

    needs: int
    used: int
    visits: int
    best: int
    accepted: bool


@dataclass(eq=False)
class Tree:
    """What the search of one instance has done.

    Args:
        boards: In the order of their visits.
        events: One per visit.
        finite: Whether no board was lost because logits or state were not finite.
    """

    boards: list[Board] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    finite: bool = True

    @property
    def accepted(self) -> bool:
        """Whether the search ended with an accepted board."""
        return bool(self.events) and self.events[-1].accepted

    @property
    def answer(self) -> np.ndarray:
        """(N,), of the best board."""
        return self.boards[self.events[-1].best].answer

    @property
    def used(self) -> int:
        """Refinement steps of all boards together, those of doubt among them."""
        return self.events[-1].used if self.events else 0

    def at(self, budget: int) -> Event:
        """Where a search of this budget ends.

        Raises:
            ValueError: The budget is too small for the first board.
        """
        within = [event for event in self.events if event.needs <= budget]
        if not within:
            raise ValueError(f"a budget of {budget} steps is too small for one board")
        return within[-1]

    def best(self) -> int:
        """The accepted board, or the one whose least confident node is the surest."""

        def key(number: int) -> tuple[bool, bool, float]:
            board = self.boards[number]
            return board.fate == ACCEPTED, board.fate == OPEN, board.confidence.min()

        return max(range(len(self.boards)), key=key)
