"""Which score tells a board that can still be solved from one with a wrong pin?

    .venv/bin/python experiments/three_axes/ranking.py sudoku-cpu --puzzles hard.csv --count 64

Every puzzle is searched breadth first, accepted by the rules. A board is right if all its pins are
in the solution. For each score the last line on stdout has the area under the ROC curve over all
boards but the first of each puzzle: the probability that a right board scores higher than a wrong.

- `mean confidence`, `least confidence`: of the answer of the board;
- `pins`: the logarithm of the probability of its pins, each as its parent saw it;
- `tension`: minus how far its probabilities are from one member of each constraint group;
- `both`: the logarithm of the probability of the pins, and the tension as a search weighs it.

`weights` are those of a logistic regression over the boards whose parents have no wrong pin: of the
logarithm of the probability of the last pin, of the tension as a share of that of the first board,
and the constant.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ttc_agents.evaluation.families import read_file
from ttc_agents.inference.boards import search
from ttc_agents.inference.checkpoint import load_model, load_task
from ttc_agents.inference.search import SLACK, TENSION, Branching
from ttc_agents.inference.tree import Board, Refined, Tree
from ttc_envs import UNDECIDED

SCORES = {
    "mean confidence": lambda board: board.confidence.mean(),
    "least confidence": lambda board: board.confidence.min(),
    "pins": lambda board: board.chance,
    "tension": lambda board: -board.tension,
}


def shallow(boards: Refined, first: float) -> np.ndarray:
    """(n,): as evidence, boards with fewer pins come first whatever these are."""
    return -1e3 * (boards.givens != UNDECIDED).sum(1)


@dataclass(frozen=True)
class Judged:
    """A board, and what the solution says of it.

    Args:
        board: The board.
        right: Whether all its pins are in the solution.
        below_right: The same of its parent.
        pin: Logarithm of the probability of its last pin.
        share: Its tension as a share of that of the first board.
    """

    board: Board
    right: bool
    below_right: bool
    pin: float
    share: float


def judged(tree: Tree, solution: np.ndarray) -> list[Judged]:
    """The boards that were refined, but for the first, beside the solution (N,)."""

    def right(board: Board) -> bool:
        held = board.givens != UNDECIDED
        return bool((board.givens[held] == solution[held]).all())

    found, first = [], max(tree.boards[0].tension, SLACK)
    for board in tree.boards[1:]:
        parent = tree.boards[board.parent]
        pin, share = board.chance - parent.chance, board.tension / first
        if board.steps:
            found.append(Judged(board, right(board), right(parent), pin, share))
    return found


def regression(inputs: np.ndarray, right: np.ndarray) -> list[float]:
    """The weights of a logistic regression, the constant last, by Newton's method."""
    design = np.column_stack([inputs, np.ones(len(inputs))])
    weights = np.zeros(design.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-design @ weights))
        hessian = (design.T * (p * (1 - p))) @ design + 1e-6 * np.eye(len(weights))
        weights += np.linalg.solve(hessian, design.T @ (right - p))
    return weights.round(2).tolist()


def area(right: np.ndarray, wrong: np.ndarray) -> float:
    """The area under the ROC curve of scores."""
    above = (right[:, None] > wrong).mean() + (right[:, None] == wrong).mean() / 2
    return round(float(above), 3)


def main() -> None:
    """Search, and compare the scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("--puzzles", type=Path, required=True)
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--budget", type=int, default=8192)
    options = parser.parse_args()
    task, model = load_task(options.checkpoint, "test"), load_model(options.checkpoint)
    instances = read_file(task, options.puzzles, False, print)[: options.count]
    how = Branching(evidence=shallow, at_once=8)
    trees = search(model, task, instances, options.budget, how, rules=True)
    solutions = task.solve(instances)
    boards = [own for row, tree in enumerate(trees) for own in judged(tree, solutions[row])]
    right = np.array([board.right for board in boards])
    scores = {n: np.array([score(own.board) for own in boards]) for n, score in SCORES.items()}
    share = np.array([own.share for own in boards])
    scores["both"] = scores["pins"] - TENSION * share
    pin = np.array([own.pin for own in boards])
    below = np.array([own.below_right for own in boards])
    weights = regression(np.stack([pin, share], 1)[below], right[below])
    areas = {name: area(values[right], values[~right]) for name, values in scores.items()}
    counts = {"right": int(right.sum()), "wrong": int((~right).sum())}
    document = {
        "checkpoint": options.checkpoint,
        "puzzles": len(trees),
        **counts,
        "area": areas,
        "weights": dict(zip(("pin", "tension", "constant"), weights, strict=True)),
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
